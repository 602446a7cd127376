"""Reads the records, persons and users that deliveries name, what changed since, and the directories of a company."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.pipedrive.client import ARCHIVED, OBJECTS, PAGE, Company, rows_of
from adapters.pipedrive.records import LOST, WON, Record, events_of, person_of, time_of
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.owners import PEOPLE, emails_of
from connector.adapter_kit.records import ids_by_object, moment, readable, remembered
from connector.adapter_kit.rest import as_object, body_of, is_good
from connector.core.errors import CrmRefused
from connector.core.event import Event, RecordRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records, users and stages of one company."""

    company: Company

    def needed(self, records: Sequence[Record], names: Iterable[str]) -> dict[str, Any]:
        """What parsing needs: the records of `names` (`deal:1`; None: gone), persons by name, `users` by id."""
        found: dict[str, Any] = {}
        for record_object, ids in ids_by_object(names).items():
            read = self.company.by_id(record_object, ids)
            found |= {f"{record_object}:{id_}": read.get(id_) for id_ in ids}
        known = [*records, *(record for record in found.values() if record)]
        persons = dict.fromkeys(id_ for record in known if (id_ := person_of(record)) and f"person:{id_}" not in found)
        found |= {f"person:{id_}": person for id_, person in self.company.by_id("person", list(persons)).items()}
        return found | {"users": self._emails({str(record["owner_id"]) for record in known if record.get("owner_id")})}

    def changes(self, objects: Sequence[str], since: datetime) -> Iterator[Event]:
        """What changed since (aware UTC), object by object; what was deleted leaves no trace there."""
        for record_object in objects:
            for rows in self._changed(record_object, since):
                fetched = self.needed(rows, ())
                for row in rows:
                    yield from readable(events_of, RecordRef(object=record_object, id=str(row["id"])), row, fetched)

    def is_archived(self, record_object: str, record_id: str) -> bool:
        """Whether the record is in the archive, and so cannot be written."""
        if record_object not in ARCHIVED:
            return False
        try:
            found = self.company.by_id(record_object, [record_id])
        except CrmRefused:
            return False
        return found.get(record_id, {}).get("is_archived") is True

    def people(self, *, is_fresh: bool = False) -> list[Person]:
        """The users, those who were switched off too; remembered for some minutes."""
        company = self.company
        return remembered(
            company.api, PEOPLE, lambda: [_person(row) for row in rows_of(company.read("/v1/users"))], is_fresh=is_fresh
        )

    def me(self) -> str | None:
        """The id of the user whose token we have; None where that may not be read. Remembered for some minutes."""
        return remembered(self.company.api, "me", self._me)

    def stages(self, *, is_fresh: bool = False) -> list[Mapping[str, Any]]:
        """All stages of all pipelines; remembered for some minutes."""
        pages = self.company.pages
        return remembered(
            self.company.api,
            "stages",
            lambda: [row for rows in pages("/api/v2/stages") for row in rows],
            is_fresh=is_fresh,
        )

    def catalog(self, objects: Sequence[str]) -> Catalog:
        """Stages with their pipelines' names, users, and fields as they are now."""
        stages = {}
        if "deal" in objects:
            pipelines = {row["id"]: row["name"] for rows in self.company.pages("/api/v2/pipelines") for row in rows}
            labels = {
                str(row["id"]): f"{pipelines.get(row['pipeline_id'])} / {row['name']}"
                for row in self.stages(is_fresh=True)
            }
            stages = {"deal": {"": {**labels, WON: "Won", LOST: "Lost"}}}
        fields = {
            name: {str(row["key"]): str(row["name"]) for row in self._fields("deal" if name == "lead" else name)}
            for name in objects
        }
        return Catalog(stages=stages, owners=tuple(self.people(is_fresh=True)), fields=fields)

    def _fields(self, record_object: str) -> Iterator[Mapping[str, Any]]:
        start = 0
        while True:
            body = self.company.read(f"/v1/{record_object}Fields", start=str(start), limit=str(PAGE))
            rows = rows_of(body)
            yield from rows
            start += len(rows)
            if not rows or not _has_more(body):
                return

    def _emails(self, wanted: set[str]) -> dict[str, str | None]:
        """User id → e-mail; without the right they stay unknown, and their events are held."""
        return emails_of(wanted, self.people, self.company.api)

    def _me(self) -> str | None:
        answer = self.company.call("GET", "/v1/users/me")
        user = as_object(body_of(answer).get("data")).get("id") if is_good(answer) else None
        return None if user is None else str(user)

    def _changed(self, record_object: str, since: datetime) -> Iterator[list[Record]]:
        """What was updated since, and after it what is archived of that."""
        if record_object == "lead":
            yield from self._leads(OBJECTS["lead"], since, updated_since=moment(since))
            yield from self._leads(ARCHIVED["lead"], since)
            return
        order = {"sort_by": "update_time", "sort_direction": "asc"}
        for path in filter(None, (OBJECTS[record_object], ARCHIVED.get(record_object))):
            yield from self.company.pages(path, updated_since=moment(since), **order)

    def _leads(self, path: str, since: datetime, **more: str) -> Iterator[list[Record]]:
        """Archived leads have no `updated_since`: the newest changes first, until they are older."""
        start = 0
        while True:
            params = {"sort": "update_time DESC", "start": str(start), "limit": str(PAGE), **more}
            body = self.company.read(path, **params)
            rows = rows_of(body)
            recent = [row for row in rows if time_of(row, "update_time") >= since.replace(microsecond=0)]
            if recent:
                yield recent
            start += len(rows)
            if not rows or len(recent) < len(rows) or not _has_more(body):
                return


def _person(row: Mapping[str, Any]) -> Person:
    email = normalize_email(row.get("email"))
    is_active = row.get("active_flag") is not False
    return Person(id=str(row["id"]), email=email, name=str(row.get("name") or email or row["id"]), is_active=is_active)


def _has_more(body: Mapping[str, Any]) -> bool:
    pagination = (body.get("additional_data") or {}).get("pagination") or {}
    return pagination.get("more_items_in_collection") is True
