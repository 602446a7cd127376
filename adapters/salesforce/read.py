"""Reads records of Salesforce with all that belongs to them; what changed since; the pick-lists.

https://developer.salesforce.com/docs/platform/api-rest/guide/resources-query.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.salesforce.client import Org, Row
from adapters.salesforce.records import FIELDS, events_of, stages_of
from adapters.salesforce.related import Related, related_to
from adapters.salesforce.soql import CHUNK, among, select
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.records import moment
from connector.adapter_kit.rest import chunks
from connector.core.event import Event, RecordRef

_TRACKED: Final = {"Status": "Status", "OwnerId": "Owner", "Owner": "Owner"}
"""A field's name in the definitions → its name in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads one organization. `more`: object → further fields; `history`: auto, yes or no; see the settings."""

    org: Org
    more: Mapping[str, tuple[str, ...]]
    history: str
    all_contacts: bool

    def records(self, record_object: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The records by id as `events_of` takes them, deleted ones too; those that cannot be seen are left out."""
        found: dict[str, dict[str, Any]] = {}
        for chunk in chunks(sorted(set(ids)), CHUNK):
            query = select(self._fields(record_object), record_object, where=among("Id", chunk))
            found |= self._complete(record_object, list(self.org.query(query, with_deleted=True)))
        return found

    def changes(self, objects: Sequence[str], since: datetime) -> Iterator[Event]:
        """Events of the records changed since, the oldest change first."""
        for record_object in objects:
            where, order = f"SystemModstamp >= {moment(since)}", "SystemModstamp, Id"
            query = select(self._fields(record_object), record_object, where=where, order=order)
            for rows in chunks(self.org.query(query, with_deleted=True), CHUNK):
                for record_id, found in self._complete(record_object, rows).items():
                    yield from events_of(RecordRef(object=record_object, id=record_id), found, since)

    def tracked(self) -> frozenset[str]:
        """Of `Status` and `Owner` of leads, those whose changes Salesforce keeps in the history."""
        if self.history != "auto":
            return frozenset(_TRACKED.values() if self.history == "yes" else ())
        memo = self.org.api.memo
        if "tracked" not in memo:
            where = f"EntityDefinition.QualifiedApiName = 'Lead' AND {among('QualifiedApiName', ('Status', 'OwnerId'))}"
            fields = ("QualifiedApiName", "IsFieldHistoryTracked")
            rows = self.org.query(select(fields, "FieldDefinition", where=where))
            names = [row["QualifiedApiName"] for row in rows if row.get("IsFieldHistoryTracked")]
            memo["tracked"] = frozenset(_TRACKED[name] for name in names if name in _TRACKED)
        tracked: frozenset[str] = memo["tracked"]
        return tracked

    def catalog(self, objects: Sequence[str]) -> Catalog:
        """Lead statuses and opportunity stages as they are now, users, and all fields."""
        asked = {
            "Lead": select(("ApiName", "MasterLabel"), "LeadStatus", order="SortOrder"),
            "Opportunity": select(
                ("ApiName", "MasterLabel"), "OpportunityStage", where="IsActive = true", order="SortOrder"
            ),
        }
        users = select(("Id", "Name", "Email", "IsActive"), "User", where="UserType = 'Standard'", order="Id")
        return Catalog(
            stages={
                name: {"": {row["ApiName"]: row["MasterLabel"] for row in self.org.query(query)}}
                for name, query in asked.items()
                if name in objects
            },
            owners=tuple(
                Person(id=row["Id"], email=row["Email"], name=row["Name"], is_active=row["IsActive"])
                for row in self.org.query(users)
            ),
            fields={name: self._labels(name) for name in objects},
        )

    def _labels(self, record_object: str) -> dict[str, str]:
        described = self.org.call("GET", f"sobjects/{record_object}/describe").json()
        return {field["name"]: field["label"] for field in described["fields"]}

    def _fields(self, record_object: str) -> tuple[str, ...]:
        return (*FIELDS[record_object], *self.more.get(record_object, ()))

    def _complete(self, record_object: str, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
        tracked = self.tracked() if record_object == "Lead" and rows else frozenset({"Status"})
        ids = [row["Id"] for row in rows]
        related = related_to(self.org, record_object, ids, all_contacts=self.all_contacts, has_history=bool(tracked))
        return {row["Id"]: self._found(record_object, row, related, tracked) for row in rows}

    def _found(self, record_object: str, row: Row, related: Related, tracked: frozenset[str]) -> dict[str, Any]:
        record_id, is_told = row["Id"], "Status" in tracked
        stages = stages_of(record_object, row, related.stages.get(record_id, ()), is_told=is_told)
        return {
            "row": row,
            "stages": stages,
            "is_seen": not is_told,
            "owner": _owner(row, related.owners.get(record_id), is_told="Owner" in tracked),
            "contacts": list(related.contacts.get(record_id, ())),
            "leads": list(related.leads.get(record_id, ())),
        }


def _owner(row: Row, told: tuple[str, str] | None, *, is_told: bool) -> str:
    """Since when the owner is the owner; without a history since the record's newest change."""
    if told is not None and told[0] == row.get("OwnerId"):
        return told[1]
    since: str = row["CreatedDate" if is_told and told is None else "LastModifiedDate"]
    return since
