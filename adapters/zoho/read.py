"""Reads records of Zoho CRM with their timelines, owners and contacts; what changed since; the pick-lists.

COQL: https://www.zoho.com/crm/developer/docs/api/v8/COQL-Overview.html,
timeline: https://www.zoho.com/crm/developer/docs/api/v8/timeline-of-a-record.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.zoho.client import CHUNK, PAGE, Account, Row, among
from adapters.zoho.records import FIELDS, STAGES, Change, changes_of, events_of, id_of
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.owners import PEOPLE
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event, exact, remembered
from connector.adapter_kit.rest import chunks
from connector.core.errors import CrmRefused
from connector.core.event import Event, RecordRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records of one account. `more`: module → further fields; the others are the settings of these names."""

    account: Account
    more: Mapping[str, tuple[str, ...]]
    has_pipelines: bool
    has_timeline: bool

    def records(self, module: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The records by id as `events_of` takes them; those that are not there any more are left out."""
        found: dict[str, dict[str, Any]] = {}
        for chunk in chunks(sorted(set(ids)), CHUNK):
            found |= self._complete(module, self.account.select(self._fields(module), module, among(chunk)))
        return found

    def deletions(self, module: str) -> dict[str, str]:
        """When the records that were deleted last were deleted, by id; none where the list may not be read."""
        try:
            rows = self.account.call("GET", f"{module}/deleted", params={"type": "all"}).get("data", [])
        except CrmRefused:
            return {}
        return {str(row["id"]): str(row["deleted_time"]) for row in rows}

    def changes(self, modules: Sequence[str], since: datetime) -> Iterator[Event]:
        """Events of the records changed since, the oldest change first, and of those deleted since."""
        for module in modules:
            for rows in self._changed(module, exact(since.replace(microsecond=0))):
                for record_id, found in self._complete(module, rows).items():
                    yield from events_of(RecordRef(object=module, id=record_id), found, since)
            for row in self.account.pages(f"{module}/deleted", "data", type="all"):
                at = Part(row.get("deleted_time"), "$.deleted_time").instant()
                if at >= since:
                    yield deleted_event(RecordRef(object=module, id=str(row["id"])), at)

    def people(self, *, is_fresh: bool = False) -> list[Person]:
        """All users, once in some minutes."""
        rows = self.account.pages
        return remembered(
            self.account.api,
            PEOPLE,
            lambda: list(map(_person, rows("users", "users", type="AllUsers"))),
            is_fresh=is_fresh,
        )

    def _us(self) -> str | None:
        """The id of the connector's user; None: Zoho does not say."""
        return remembered(self.account.api, "us", self._current_user)

    def _current_user(self) -> str | None:
        users = self.account.call("GET", "users", params={"type": "CurrentUser"}).get("users") or ()
        return next((str(user["id"]) for user in users), None)

    def catalog(self, modules: Sequence[str]) -> Catalog:
        """Pick-lists of stages as they are written (`actual_value`) with the labels shown, users, and fields."""
        stages: dict[str, dict[str, dict[str, str]]] = {}
        fields: dict[str, dict[str, str]] = {}
        for module in modules:
            described = self.account.call("GET", "settings/fields", params={"module": module}).get("fields", [])
            fields[module] = {field["api_name"]: field["field_label"] for field in described}
            for field in described:
                if field["api_name"] == STAGES.get(module):
                    stages[module] = {"": _labels(field.get("pick_list_values") or [])}
        if "Deals" in stages and self.has_pipelines:
            stages["Deals"] = self._pipelines()
        return Catalog(stages=stages, owners=tuple(self.people(is_fresh=True)), fields=fields)

    def _pipelines(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for layout in self.account.call("GET", "settings/layouts", params={"module": "Deals"}).get("layouts", []):
            params = {"layout_id": str(layout["id"])}
            for line in self.account.call("GET", "settings/pipeline", params=params).get("pipeline", []):
                found[line["actual_value"]] = _labels(line.get("maps") or [])
        return found

    def _fields(self, module: str) -> tuple[str, ...]:
        pipeline = ("Pipeline",) if module == "Deals" and self.has_pipelines else ()
        return (*FIELDS[module], *pipeline, *self.more.get(module, ()))

    def _changed(self, module: str, since: str) -> Iterator[list[Row]]:
        """Pages by growing time; records that change meanwhile come once more, and none is skipped."""
        offset = 0
        while True:
            where, tail = f"Modified_Time >= '{since}'", f"order by Modified_Time, id limit {offset}, {PAGE}"
            rows = self.account.select(self._fields(module), module, where.replace("Z'", "+00:00'"), tail)
            yield from chunks(rows, CHUNK)
            if len(rows) < PAGE:
                return
            last = exact(Part(rows[-1].get("Modified_Time"), "$.Modified_Time").instant())
            since, offset = (since, offset + PAGE) if last == since else (last, 0)

    def _complete(self, module: str, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
        emails, us = ({person.id: person.email for person in self.people()}, self._us()) if rows else ({}, None)
        contacts = self._contacts(rows) if module == "Deals" else {}
        found = {}
        for row in rows:
            stages, owner, is_seen = self._history(module, row)
            found[str(row["id"])] = {
                "row": row,
                "stages": stages,
                "is_seen": is_seen,
                "owner": owner,
                "email": emails.get(id_of(row.get("Owner")) or ""),
                "contact": contacts.get(id_of(row.get("Contact_Name")) or ""),
                "us": us,
            }
        return found

    def _contacts(self, rows: Sequence[Row]) -> dict[str, Row]:
        ids = sorted({id_ for row in rows if (id_ := id_of(row.get("Contact_Name")))})
        fields = ("Full_Name", "Email", "Mobile", "Phone")
        return {str(row["id"]): row for row in (self.account.select(fields, "Contacts", among(ids)) if ids else ())}

    def _history(self, module: str, row: Row) -> tuple[list[Change], Change, bool]:
        """The stages, and how the owner came, by the record's timeline; else by its newest change, and true."""
        modified, stage = str(row["Modified_Time"]), STAGES.get(module, "")
        if modified == row["Created_Time"]:
            return changes_of(row, stage, (), None), changes_of(row, "Owner", (), None)[-1], False
        try:
            body = self._timeline(module, str(row["id"])) if self.has_timeline else None
        except CrmRefused:
            body = None  # it was deleted a moment ago, or is kept from the user: the others are read all the same
        if body is None:
            return changes_of(row, stage, (), modified), changes_of(row, "Owner", (), modified)[-1], True
        # The newest come first, of one second, too.
        entries = [*reversed(body.get("__timeline", []))]
        entries.sort(key=lambda entry: str(entry["audited_time"]))
        first = modified if (body.get("info") or {}).get("more_records") else None
        return changes_of(row, stage, entries, first), changes_of(row, "Owner", entries, first)[-1], False

    def _timeline(self, module: str, record_id: str) -> Row:
        return self.account.call("GET", f"{module}/{record_id}/__timeline", params={"per_page": str(PAGE)})


def _person(row: Row) -> Person:
    id_, email = str(row["id"]), normalize_email(row.get("email"))
    return Person(id=id_, email=email, name=str(row.get("full_name") or id_), is_active=row.get("status") == "active")


def _labels(values: Iterable[Row]) -> dict[str, str]:
    return {str(value["actual_value"]): str(value["display_value"]) for value in values}
