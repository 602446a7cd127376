"""What belongs to records of Salesforce and stands elsewhere: their history, their contacts, the leads they come from.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from adapters.salesforce.client import Org
from adapters.salesforce.soql import among, select

Dated: TypeAlias = tuple[str, str]
"""A value, and the time it was given at as Salesforce writes it."""
Named: TypeAlias = Mapping[str, Any]
_OWNERS: Final = ("005", "00G")
"""How ids of users and queues begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """By record id: `stages` oldest first, the newest owner, `contacts`, and the `leads` converted into the record."""

    stages: Mapping[str, Sequence[Dated]] = field(default_factory=dict)
    owners: Mapping[str, Dated] = field(default_factory=dict)
    contacts: Mapping[str, Sequence[Named]] = field(default_factory=dict)
    leads: Mapping[str, Sequence[Named]] = field(default_factory=dict)


def related_to(org: Org, record_object: str, ids: Sequence[str], *, all_contacts: bool, has_history: bool) -> Related:
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
    fields = ("LeadId", "Field", "NewValue", "CreatedDate")
    where = f"{among('LeadId', ids)} AND {among('Field', ('Status', 'Owner'))}"
    stages: dict[str, list[Dated]] = defaultdict(list)
    owners: dict[str, Dated] = {}
    for row in org.query(select(fields, "LeadHistory", where=where, order="CreatedDate, Id")):
        value, at = str(row["NewValue"]), row["CreatedDate"]
        if row["Field"] == "Status":
            stages[row["LeadId"]].append((value, at))
        elif value.startswith(_OWNERS):  # each change stands there twice: by name and by id
            owners[row["LeadId"]] = (value, at)
    return Related(stages=stages, owners=owners)


def _stages(org: Org, ids: Sequence[str]) -> dict[str, list[Dated]]:
    """The history of opportunities, which Salesforce keeps by itself; it has rows for other changes, too."""
    fields, where = ("OpportunityId", "StageName", "CreatedDate"), among("OpportunityId", ids)
    stages: dict[str, list[Dated]] = defaultdict(list)
    for row in org.query(select(fields, "OpportunityHistory", where=where, order="CreatedDate, Id")):
        stages[row["OpportunityId"]].append((row["StageName"], row["CreatedDate"]))
    return stages


def _contacts(org: Org, ids: Sequence[str], *, all_contacts: bool) -> dict[str, list[Named]]:
    """Opportunity → its contacts, the primary one first, or only the first."""
    fields = ("OpportunityId", "ContactId", "Contact.Name", "Contact.Email", "Contact.MobilePhone")
    order = "IsPrimary DESC, CreatedDate, Id"
    contacts: dict[str, list[Named]] = defaultdict(list)
    for row in org.query(select(fields, "OpportunityContactRole", where=among("OpportunityId", ids), order=order)):
        known = contacts[row["OpportunityId"]]
        if all_contacts or not known:
            contact = row.get("Contact") or {}
            known.append(
                {"Id": row["ContactId"], **{name: contact.get(name) for name in contact if name != "attributes"}}
            )
    return contacts


def _leads(org: Org, link: str, ids: Sequence[str]) -> dict[str, list[Named]]:
    """Contact or opportunity → the leads that were converted into it."""
    fields = ("Id", "Email", "MobilePhone", "ConvertedContactId", "ConvertedOpportunityId")
    leads: dict[str, list[Named]] = defaultdict(list)
    for row in org.query(select(fields, "Lead", where=among(link, ids), order="Id")):
        leads[row[link]].append({name: row.get(name) for name in fields})
    return leads
