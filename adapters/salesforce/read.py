"""Reads records of Salesforce with all that belongs to them; what changed since; the pick-lists.

https://developer.salesforce.com/docs/platform/api-rest/guide/resources-query.html and
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from adapters.salesforce.client import CHUNK, Org, Row, among, select
from adapters.salesforce.records import FIELDS, Given, Writer, events_of, stages_of
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.records import moment, remembered
from connector.adapter_kit.rest import chunks
from connector.core.event import Event, RecordRef

_OWNERS: Final = ("005", "00G")
"""How ids of users and queues begin."""
_TRACKED: Final = {"Status": "Status", "OwnerId": "Owner", "Owner": "Owner"}
"""A field's name in the definitions → its name in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """By record id: `stages` and `owners` oldest first, `contacts`, and the `leads` converted into the record."""

    stages: Mapping[str, Sequence[Given]] = field(default_factory=dict)
    owners: Mapping[str, Sequence[Given]] = field(default_factory=dict)
    contacts: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    leads: Mapping[str, Sequence[Row]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records of one organization. `more`: object → further fields; `history`: auto, yes or no, as the setting."""

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
        return remembered(self.org.api, "tracked", self._tracked)

    def catalog(self, objects: Sequence[str]) -> Catalog:
        """Lead statuses and opportunity stages as they are now, users, and all fields."""
        queries = {
            "Lead": select(("ApiName", "MasterLabel"), "LeadStatus", order="SortOrder"),
            "Opportunity": select(
                ("ApiName", "MasterLabel"), "OpportunityStage", where="IsActive = true", order="SortOrder"
            ),
        }
        users = select(("Id", "Name", "Email", "IsActive"), "User", where="UserType = 'Standard'", order="Id")
        return Catalog(
            stages={
                name: {"": {row["ApiName"]: row["MasterLabel"] for row in self.org.query(query)}}
                for name, query in queries.items()
                if name in objects
            },
            owners=tuple(
                Person(id=row["Id"], email=row["Email"], name=row["Name"], is_active=row["IsActive"])
                for row in self.org.query(users)
            ),
            fields={name: self._labels(name) for name in objects},
        )

    def _tracked(self) -> frozenset[str]:
        where = f"EntityDefinition.QualifiedApiName = 'Lead' AND {among('QualifiedApiName', ('Status', 'OwnerId'))}"
        rows = self.org.query(select(("QualifiedApiName", "IsFieldHistoryTracked"), "FieldDefinition", where=where))
        names = [row["QualifiedApiName"] for row in rows if row.get("IsFieldHistoryTracked")]
        return frozenset(_TRACKED[name] for name in names if name in _TRACKED)

    def _labels(self, record_object: str) -> dict[str, str]:
        described = self.org.call("GET", f"sobjects/{record_object}/describe").json()
        return {field["name"]: field["label"] for field in described["fields"]}

    def _fields(self, record_object: str) -> tuple[str, ...]:
        return (*FIELDS[record_object], *self.more.get(record_object, ()))

    def _complete(self, record_object: str, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
        tracked = self.tracked() if record_object == "Lead" and rows else frozenset({"Status"})
        ids = [row["Id"] for row in rows]
        related = _related_to(self.org, record_object, ids, all_contacts=self.all_contacts, has_history=bool(tracked))
        return {row["Id"]: self._found(record_object, row, related, tracked) for row in rows}

    def _found(self, record_object: str, row: Row, related: Related, tracked: frozenset[str]) -> dict[str, Any]:
        record_id, is_tracked = row["Id"], "Status" in tracked
        writer = Writer(user=self.org.user)
        stages = stages_of(record_object, row, related.stages.get(record_id, ()), writer, is_tracked=is_tracked)
        owner = _owner(row, related.owners.get(record_id, ()), writer, is_tracked="Owner" in tracked)
        return {
            "row": row,
            "stages": stages,
            "is_seen": not is_tracked,
            **owner,
            "is_ours": writer.may_be_ours(row.get("LastModifiedById")),
            "contacts": list(related.contacts.get(record_id, ())),
            "leads": list(related.leads.get(record_id, ())),
        }


def _owner(row: Row, history: Sequence[Given], writer: Writer, *, is_tracked: bool) -> dict[str, Any]:
    """Since when the owner is the owner, and whether by us; without a history since the record's newest change.

    `owner_place`: how many changes of that second came before, and how many of them to the same owner.
    """
    if history and history[-1][0] == row.get("OwnerId"):
        owner, at, by = history[-1]
        before = [given for given, other, _ in history[:-1] if other == at]
        return {"owner": at, "owner_is_ours": writer.is_ours(by), "owner_place": [len(before), before.count(owner)]}
    if is_tracked and not history:
        return {"owner": row["CreatedDate"], "owner_is_ours": None}
    return {"owner": row["LastModifiedDate"], "owner_is_ours": writer.may_be_ours(row.get("LastModifiedById"))}


def _related_to(org: Org, record_object: str, ids: Sequence[str], *, all_contacts: bool, has_history: bool) -> Related:
    """What belongs to these records of one object, at most 200. Raises `CrmError`."""
    if not ids:
        return Related()
    if record_object == "Lead":
        return _of_leads(org, ids) if has_history else Related()
    leads = _leads(org, f"Converted{record_object}Id", ids)
    if record_object == "Contact":
        return Related(leads=leads)
    return Related(stages=_stages(org, ids), contacts=_contacts(org, ids, all_contacts=all_contacts), leads=leads)


def _of_leads(org: Org, ids: Sequence[str]) -> Related:
    fields = ("LeadId", "Field", "NewValue", "CreatedDate", "CreatedById")
    where = f"{among('LeadId', ids)} AND {among('Field', ('Status', 'Owner'))}"
    stages: dict[str, list[Given]] = defaultdict(list)
    owners: dict[str, list[Given]] = defaultdict(list)
    for row in org.query(select(fields, "LeadHistory", where=where, order="CreatedDate, Id")):
        value, at, by = str(row["NewValue"]), row["CreatedDate"], row.get("CreatedById")
        if row["Field"] == "Status":
            stages[row["LeadId"]].append((value, at, by))
        elif value.startswith(_OWNERS):  # each change stands there twice: by name and by id
            owners[row["LeadId"]].append((value, at, by))
    return Related(stages=stages, owners=owners)


def _stages(org: Org, ids: Sequence[str]) -> dict[str, list[Given]]:
    """The history of opportunities, which Salesforce keeps by itself; it has rows for other changes, too."""
    fields, where = ("OpportunityId", "StageName", "CreatedDate", "CreatedById"), among("OpportunityId", ids)
    stages: dict[str, list[Given]] = defaultdict(list)
    for row in org.query(select(fields, "OpportunityHistory", where=where, order="CreatedDate, Id")):
        stages[row["OpportunityId"]].append((row["StageName"], row["CreatedDate"], row.get("CreatedById")))
    return stages


def _contacts(org: Org, ids: Sequence[str], *, all_contacts: bool) -> dict[str, list[Row]]:
    """Opportunity → its contacts, the primary one first, or only the first."""
    fields = ("OpportunityId", "ContactId", "Contact.Name", "Contact.Email", "Contact.MobilePhone")
    order = "IsPrimary DESC, CreatedDate, Id"
    contacts: dict[str, list[Row]] = defaultdict(list)
    for row in org.query(select(fields, "OpportunityContactRole", where=among("OpportunityId", ids), order=order)):
        known = contacts[row["OpportunityId"]]
        if all_contacts or not known:
            contact = row.get("Contact") or {}
            known.append(
                {"Id": row["ContactId"], **{name: contact.get(name) for name in contact if name != "attributes"}}
            )
    return contacts


def _leads(org: Org, link: str, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Contact or opportunity → the leads that were converted into it."""
    fields = ("Id", "Email", "MobilePhone", "ConvertedContactId", "ConvertedOpportunityId")
    leads: dict[str, list[Row]] = defaultdict(list)
    for row in org.query(select(fields, "Lead", where=among(link, ids), order="Id")):
        leads[row[link]].append({name: row.get(name) for name in fields})
    return leads
