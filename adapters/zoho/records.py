"""What a record of Zoho CRM says: its fields to read, its identities, its data, and the events that it stands for.

https://www.zoho.com/crm/developer/docs/api/v8/field-meta.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from adapters.zoho.client import Row
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import moment, one_a_second, readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

STAGES: Final[Mapping[str, str]] = {"Leads": "Lead_Status", "Deals": "Stage"}
"""Module → the field of its stage; contacts have none."""
_ALL: Final = ("Owner", "Created_Time", "Modified_Time", "Modified_By", "Lead_Source")
_PERSON: Final = ("First_Name", "Last_Name", "Full_Name", "Email", "Phone", "Mobile")
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Leads": (*_ALL, *_PERSON, "Company", "Designation", "Website", "Lead_Status"),
    "Contacts": (*_ALL, *_PERSON, "Title", "Account_Name"),
    "Deals": (*_ALL, "Deal_Name", "Stage", "Amount", "Closing_Date", "Account_Name", "Contact_Name"),
}
"""What is read of each module, besides the setting `more_fields`; `Pipeline` by the setting `pipelines`."""


def events_of(record: RecordRef, found: Mapping[str, Any], since: datetime | None = None) -> list[Event]:
    """The events that a record stands for as it is now, and the stages it had since. Raises `BadPayload`: no time.

    `found`: the `row`, its `stages` with their times (oldest first), since when the `owner` is and the owner's
    `email`, and the `contact` of a deal; `is_seen`: nothing says since when the record is in its stage.
    """
    row: Row = found["row"]
    name = record.name
    event = partial(Event, record=record, is_lead=True, identities=identities_of(record, found))
    events = [event(key=f"{name}:identify", at=_time(row, "Created_Time"), kind=Kind.IDENTIFY)]
    line, is_seen = row.get("Pipeline"), bool(found.get("is_seen"))
    stages = [(stage, Part(at, "$.stages").instant()) for stage, at in found["stages"]]
    for place, (stage, at) in enumerate(stages):
        if place == len(stages) - 1 or (since is not None and at >= since):
            key = f"{name}:stage:{stage}@{moment(at)}"
            events.append(event(key=key, at=at, kind=Kind.STAGE, stage=stage, pipeline=line, is_seen=is_seen))
    owner, at = id_of(row.get("Owner")), Part(found["owner"], "$.owner").instant()
    key = f"{name}:owner:{owner or 'nobody'}@{moment(at)}"
    events.append(event(key=key, at=at, kind=Kind.OWNER, owner=owner, owner_email=found["email"]))
    at = _time(row, "Modified_Time")
    events.append(event(key=f"{name}:profile@{moment(at)}", at=at, kind=Kind.PROFILE, data=data_of(found)))
    return events


def identities_of(record: RecordRef, found: Mapping[str, Any]) -> tuple[Identity, ...]:
    """What finds the subject: the record, the contact of a deal, their e-mails and mobile phones.

    `Phone` is left out: it is often a company's switchboard, which would make one person of all its people.
    """
    contact = found.get("contact")
    identities = [Identity(kind=IdentityKind.RECORD, value=record.name)]
    if contact:
        identities.append(Identity(kind=IdentityKind.RECORD, value=f"Contacts:{contact['id']}"))
    for source in (found["row"], contact or {}):
        identities += readable_identities(IdentityKind.EMAIL, [source.get("Email")])
        identities += readable_identities(IdentityKind.PHONE, [source.get("Mobile")])
    return tuple(dict.fromkeys(identities))


def data_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """What mappings read: the fields by their API names, lookups as `Account_Name.name`, and a deal's `Contact`."""
    data = {name: value for name, value in found["row"].items() if value is not None}
    return {**data, "Contact": dict(found["contact"])} if found.get("contact") else data


def stages_of(module: str, row: Row, changes: Iterable[tuple[str, str]], first: str) -> list[list[str]]:
    """The stages of a record with the times they were entered at, oldest first; of one second only the last.

    `changes`: stage and time by the timeline, oldest first. `first`: since when, where it names none.
    """
    stage = row.get(STAGES.get(module, ""))
    if not stage:
        return []
    stages = [list(change) for change in changes]
    if not stages:
        stages = [[stage, first]]
    elif stages[-1][0] != stage:
        stages.append([stage, row["Modified_Time"]])
    return one_a_second(stages)


def id_of(lookup: Any) -> str | None:
    """The id of a lookup such as `Owner`."""
    value = lookup.get("id") if isinstance(lookup, dict) else None
    return str(value) if value else None


def _time(row: Row, name: str) -> datetime:
    return Part(row.get(name), f"$.{name}").instant()
