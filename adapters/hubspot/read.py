"""Reads records with their history, the contacts of deals, owners and pipelines, and what changed, in batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.hubspot.client import BATCH, OBJECTS, Account, good
from adapters.hubspot.directory import PAGE, Directory
from adapters.hubspot.records import (
    MERGED,
    MODIFIED,
    OWNER,
    PERSON,
    PROPERTIES,
    Record,
    View,
    events_of,
    history_of,
    split,
    value_of,
)
from connector.adapter_kit.payload import Part
from connector.adapter_kit.rest import listed, named
from connector.core.errors import BadPayload
from connector.core.event import Event, RecordRef

HISTORIES: Final = 50
"""Records per batch call that asks for histories too."""
ASSOCIATIONS: Final = 1000
MOST_FOUND: Final = 10_000
"""A search ends there; the next one starts where it ended."""
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads an account; `properties`: what is read besides the usual ones; `most_contacts` of a deal, None: all."""

    account: Account
    contact_stage: str
    properties: tuple[str, ...] = ()
    most_contacts: int | None = 1

    def records(self, names: Iterable[str]) -> dict[str, Any]:
        """What parsing needs: records by name (`contact:1`), None: gone; `owners` by id, `pipelines` by deal stage."""
        ids: dict[str, dict[str, None]] = defaultdict(dict)
        for name in names:
            record_object, _, record_id = name.partition(":")
            ids[record_object][record_id] = None
        found: dict[str, Any] = {}
        for record_object, wanted in ids.items():
            found |= {f"{record_object}:{of}": one for of, one in self._read(record_object, list(wanted)).items()}
        records = [record for record in found.values() if record]
        owners = {told.value for record in records for told in history_of(record, OWNER)} - {""}
        pipelines = self.directory.pipelines() if "deal" in ids else {}
        return found | {"owners": self.directory.emails(owners), "pipelines": pipelines}

    @property
    def directory(self) -> Directory:
        """The owners, pipelines and properties."""
        return Directory(account=self.account, contact_stage=self.contact_stage)

    def view(self, fetched: Mapping[str, Any]) -> View:
        """How the records of `records` are read."""
        return View(
            contact_stage=self.contact_stage,
            owners=fetched.get("owners") or {},
            pipelines=fetched.get("pipelines") or {},
        )

    def single(self, record_object: str, record_id: str, properties: Sequence[str]) -> Record | None:
        """One record by its id or by that of one merged into it; None: gone."""
        url = self.account.path("objects", f"/{OBJECTS[record_object]}/{record_id}")
        with_history = ",".join(self._told(record_object))
        answer = self.account.get(url, properties=",".join(properties), propertiesWithHistory=with_history)
        return None if answer.status == NOT_FOUND else good(answer)

    def changes(self, objects: Sequence[str], since: datetime) -> Iterator[Event]:
        """What changed since (aware UTC), by search; what was deleted leaves no trace there."""
        for record_object in objects:
            for ids in self._changed(record_object, since):
                fetched = self.records(f"{record_object}:{record_id}" for record_id in ids)
                view = self.view(fetched)
                for record_id in ids:
                    if record := fetched[f"{record_object}:{record_id}"]:
                        yield from _events(RecordRef(object=record_object, id=str(record["id"])), record, view, since)

    def _read(self, record_object: str, ids: Sequence[str]) -> dict[str, Record | None]:
        properties = (*PROPERTIES[record_object], *self.properties)
        rows = self.account.batch(
            self.account.path("objects", f"/{OBJECTS[record_object]}/batch/read"),
            [{"id": record_id} for record_id in ids],
            HISTORIES,
            properties=list(properties),
            propertiesWithHistory=list(self._told(record_object)),
        )
        found: dict[str, Record | None] = {str(row["id"]): row for row in rows}
        for row in rows:
            # Asked for by the id of a record that was merged into it: HubSpot answers with the survivor.
            found |= {old: row for old in split(value_of(row, MERGED)) if old in ids}
        for missing in [record_id for record_id in ids if record_id not in found]:
            found[missing] = self.single(record_object, missing, properties)
        if record_object == "deal":
            return self._with_contacts(found)
        return found

    def _told(self, record_object: str) -> tuple[str, str]:
        return (View(contact_stage=self.contact_stage).stage_of(record_object), OWNER)

    def _with_contacts(self, deals: Mapping[str, Record | None]) -> dict[str, Record | None]:
        ids = sorted({str(deal["id"]) for deal in deals.values() if deal})
        url = self.account.path("associations", "/deals/contacts/batch/read")
        rows = self.account.batch(url, [{"id": deal} for deal in ids], ASSOCIATIONS) if ids else []
        contacts_of = {
            str(named(row.get("from")).get("id")): sorted({int(to["toObjectId"]) for to in listed(row.get("to"))})
            for row in rows
        }
        wanted = {str(of) for each in contacts_of.values() for of in each[: self.most_contacts]}
        properties = [*PERSON, MERGED, *self.properties]
        read = self.account.batch(
            self.account.path("objects", "/contacts/batch/read"),
            [{"id": contact} for contact in sorted(wanted)],
            BATCH,
            properties=properties,
        )
        people = {str(row["id"]): row for row in read}
        return {
            name: deal
            and {
                **deal,
                "contacts": [
                    people[str(of)]
                    for of in contacts_of.get(str(deal["id"]), [])[: self.most_contacts]
                    if str(of) in people
                ],
            }
            for name, deal in deals.items()
        }

    def _changed(self, record_object: str, since: datetime) -> Iterator[list[str]]:
        url = self.account.path("objects", f"/{OBJECTS[record_object]}/search")
        modified, start, after, count = MODIFIED[record_object], _millis(since), "", 0
        while True:
            body = good(self.account.post(url, _search(modified, start, after)))
            rows = listed(body.get("results"))
            if rows:
                yield [str(row["id"]) for row in rows]
            count += len(rows)
            after = str(named(named(body.get("paging")).get("next")).get("after") or "")
            if not after:
                return
            if count >= MOST_FOUND:
                last = _millis(Part(value_of(rows[-1], modified), f"$.{modified}").instant())
                start, after, count = max(last, start + 1), "", 0


def _search(modified: str, start: int, after: str) -> dict[str, Any]:
    wanted = {"propertyName": modified, "operator": "GTE", "value": str(start)}
    body = {
        "filterGroups": [{"filters": [wanted]}],
        "sorts": [{"propertyName": modified, "direction": "ASCENDING"}],
        "properties": [modified],
        "limit": PAGE,
    }
    return {**body, "after": after} if after else body


def _events(ref: RecordRef, record: Record, view: View, since: datetime) -> Iterator[Event]:
    try:
        yield from events_of(ref, record, view, since)
    except BadPayload:
        return  # one unreadable record does not end the run; a webhook about it is set aside with the reason


def _millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)
