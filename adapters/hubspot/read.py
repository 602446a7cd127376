"""Reads records with their history and contacts, what changed, owners, pipelines and properties, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.hubspot.client import BATCH, OBJECTS, Account, good
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
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.owners import PEOPLE, emails_of
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import ids_by_object, readable, remembered
from connector.adapter_kit.rest import as_list, as_object
from connector.core.event import Event, RecordRef

PAGE: Final = 100
HISTORIES: Final = 50
"""Records per batch call that asks for histories too."""
ASSOCIATIONS: Final = 1000
MOST_FOUND: Final = 10_000
"""A search ends there; the next one starts where it ended."""
RECORD_ID: Final = "hs_object_id"
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records, owners, pipelines and properties of an account.

    `properties`: what is read besides the usual ones; `most_contacts` of a deal, None: all; `most_found` by one search.
    """

    account: Account
    contact_stage: str
    app_id: str = ""
    properties: tuple[str, ...] = ()
    most_contacts: int | None = 1
    most_found: int = MOST_FOUND

    def records(self, names: Iterable[str]) -> dict[str, Any]:
        """What parsing needs: records by name (`contact:1`), None: gone; `owners` by id, `pipelines` by deal stage."""
        ids = ids_by_object(names)
        found: dict[str, Any] = {}
        for record_object, wanted in ids.items():
            rows = self._read(record_object, wanted)
            found |= {f"{record_object}:{record_id}": row for record_id, row in rows.items()}
        records = [record for record in found.values() if record]
        owners = {change.value for record in records for change in history_of(record, OWNER)} - {""}
        # Without the scope for owners they stay unknown, and their events are held.
        emails = emails_of(owners, self.people, self.account.api)
        return found | {"owners": emails, "pipelines": self._pipelines() if "deal" in ids else {}}

    def view(self, fetched: Mapping[str, Any]) -> View:
        """How the records of `records` are read."""
        return View(
            contact_stage=self.contact_stage,
            app_id=self.app_id,
            owners=fetched.get("owners") or {},
            pipelines=fetched.get("pipelines") or {},
        )

    def single(self, record_object: str, record_id: str, properties: Sequence[str]) -> Record | None:
        """One record by its id or by that of one merged into it; None: gone."""
        url = self.account.path("objects", f"/{OBJECTS[record_object]}/{record_id}")
        with_history = ",".join(self._with_history(record_object))
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
                        yield from readable(
                            events_of, RecordRef(object=record_object, id=str(record["id"])), record, view, since
                        )

    def people(self, *, is_fresh: bool = False) -> list[Person]:
        """The owners, those who left too; remembered for some minutes."""
        return remembered(self.account.api, PEOPLE, lambda: list(self._owners()), is_fresh=is_fresh)

    def catalog(self, objects: Sequence[str]) -> Catalog:
        """Stages, owners and properties as they are now."""
        stages: dict[str, Mapping[str, Mapping[str, str]]] = {}
        fields: dict[str, Mapping[str, str]] = {}
        for record_object in objects:
            rows = self.account.read(self.account.path("properties", f"/{OBJECTS[record_object]}"))["results"]
            fields[record_object] = {row["name"]: row.get("label") or row["name"] for row in rows}
            options = next((as_list(row.get("options")) for row in rows if row["name"] == self.contact_stage), ())
            stages[record_object] = {
                "": {option["value"]: option.get("label") or option["value"] for option in options}
            }
        if "deal" in objects:
            stages["deal"] = {
                row["id"]: {stage["id"]: stage.get("label") or stage["id"] for stage in row["stages"]}
                for row in self._pipeline_rows()
            }
        return Catalog(stages=stages, owners=tuple(self.people(is_fresh=True)), fields=fields)

    def _owners(self) -> Iterator[Person]:
        for archived in ("false", "true"):
            for row in self.account.pages(self.account.path("owners"), limit=str(PAGE), archived=archived):
                yield _person(row, is_active=archived == "false")

    def _pipelines(self) -> dict[str, str]:
        """Deal stage → its pipeline."""
        rows = remembered(self.account.api, "pipelines", self._pipeline_rows)
        return {stage["id"]: row["id"] for row in rows for stage in row["stages"]}

    def _pipeline_rows(self) -> Sequence[Any]:
        rows: Sequence[Any] = self.account.read(self.account.path("pipelines", "/deals"))["results"]
        return rows

    def _read(self, record_object: str, ids: Sequence[str]) -> dict[str, Record | None]:
        properties = (*PROPERTIES[record_object], *self.properties)
        rows = self.account.batch(
            self.account.path("objects", f"/{OBJECTS[record_object]}/batch/read"),
            [{"id": record_id} for record_id in ids],
            HISTORIES,
            properties=list(properties),
            propertiesWithHistory=list(self._with_history(record_object)),
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

    def _with_history(self, record_object: str) -> tuple[str, str]:
        """The properties whose history is read."""
        return (View(contact_stage=self.contact_stage).stage_of(record_object), OWNER)

    def _with_contacts(self, deals: Mapping[str, Record | None]) -> dict[str, Record | None]:
        ids = sorted({str(deal["id"]) for deal in deals.values() if deal})
        url = self.account.path("associations", "/deals/contacts/batch/read")
        rows = self.account.batch(url, [{"id": deal} for deal in ids], ASSOCIATIONS) if ids else []
        contacts_of = {
            str(as_object(row.get("from")).get("id")): sorted({int(to["toObjectId"]) for to in as_list(row.get("to"))})
            for row in rows
        }
        wanted = {str(id_) for ids in contacts_of.values() for id_ in ids[: self.most_contacts]}
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
                    people[str(id_)]
                    for id_ in contacts_of.get(str(deal["id"]), [])[: self.most_contacts]
                    if str(id_) in people
                ],
            }
            for name, deal in deals.items()
        }

    def _changed(self, record_object: str, since: datetime) -> Iterator[list[str]]:
        url = self.account.path("objects", f"/{OBJECTS[record_object]}/search")
        modified, start, after, count = MODIFIED[record_object], _millis(since), "", 0
        while True:
            since_then = [_filter(modified, "GTE", start)]
            body = good(self.account.post(url, _search(since_then, modified, after)))
            rows = as_list(body.get("results"))
            if rows:
                yield [str(row["id"]) for row in rows]
            count += len(rows)
            after = str(as_object(as_object(body.get("paging")).get("next")).get("after") or "")
            if not after:
                return
            if count >= self.most_found:
                last = _millis(Part(value_of(rows[-1], modified), f"$.{modified}").instant())
                if last == start:  # as when an import dates more records alike than one search gives
                    yield from self._of_millisecond(url, modified, last)
                    last += 1
                start, after, count = last, "", 0

    def _of_millisecond(self, url: str, modified: str, at: int) -> Iterator[list[str]]:
        """All records that were changed at one instant, by their ids."""
        last = "0"
        while True:
            then = [_filter(modified, "EQ", at), _filter(RECORD_ID, "GT", last)]
            rows = as_list(good(self.account.post(url, _search(then, RECORD_ID))).get("results"))
            if not rows:
                return
            ids = [str(row["id"]) for row in rows]
            yield ids
            last = ids[-1]


def _filter(name: str, operator: str, value: object) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": str(value)}


def _search(filters: Sequence[Mapping[str, str]], order: str, after: str = "") -> dict[str, Any]:
    body = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
        "properties": [order],
        "limit": PAGE,
    }
    return {**body, "after": after} if after else body


def _millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _person(row: Mapping[str, Any], *, is_active: bool) -> Person:
    name = " ".join(part for part in (row.get("firstName"), row.get("lastName")) if part)
    email = normalize_email(row.get("email"))
    return Person(id=str(row["id"]), email=email, name=name or email or str(row["id"]), is_active=is_active)
