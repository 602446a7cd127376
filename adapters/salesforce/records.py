"""What a record of Salesforce says: its fields to read, its identities, its data, and the events that it stands for.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from adapters.salesforce.client import Row
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event, moment, one_a_second, readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

STAGES: Final[Mapping[str, str]] = {"Lead": "Status", "Opportunity": "StageName"}
"""Object → the field of its stage; contacts have none."""
_ALL: Final = ("Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "OwnerId")
_PERSON: Final = ("FirstName", "LastName", "Name", "Title", "Email", "Phone", "MobilePhone", "LeadSource")
_CONVERTED: Final = (
    "IsConverted",
    "ConvertedDate",
    "ConvertedAccountId",
    "ConvertedContactId",
    "ConvertedOpportunityId",
)
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Lead": (*_ALL, "Owner.Email", *_PERSON, "Company", "Website", "Status", *_CONVERTED),
    "Contact": (*_ALL, "Owner.Email", *_PERSON, "AccountId", "Account.Name"),
    "Opportunity": (
        *(*_ALL, "Owner.Email", "Name", "StageName", "Amount", "CloseDate", "IsClosed", "IsWon", "Probability"),
        *("LeadSource", "AccountId", "Account.Name"),
    ),
}
"""What is read of each object, besides the setting `more_fields`."""
_QUEUE: Final = "00G"


def person_of(owner: Any) -> str | None:
    """The id of the owner; a queue is nobody."""
    return None if owner is None or str(owner).startswith(_QUEUE) else str(owner)


def events_of(record: RecordRef, found: Mapping[str, Any], since: datetime | None = None) -> list[Event]:
    """The events that a record stands for as it is now, and the stages it had since. Raises `BadPayload`: no time.

    `found`: the `row`, its `stages` with their times (oldest first), since when the `owner` is, `contacts` and `leads`;
    `is_seen`: nothing says since when the record is in its stage.
    """
    row: Row = found["row"]
    if row.get("IsDeleted"):
        return [deleted_event(record, _time(row, "SystemModstamp"))]
    name = record.name
    event = partial(Event, record=record, is_lead=True, identities=identities_of(record, found))
    events = [event(key=f"{name}:identify", at=_time(row, "CreatedDate"), kind=Kind.IDENTIFY)]
    is_seen = bool(found.get("is_seen"))
    stages = [(stage, Part(at, "$.stages").instant()) for stage, at in found["stages"]]
    for place, (stage, at) in enumerate(stages):
        if place == len(stages) - 1 or (since is not None and at >= since):
            events.append(
                event(
                    key=f"{name}:stage:{stage}@{moment(at)}",
                    at=at,
                    kind=Kind.STAGE,
                    stage=stage,
                    is_seen=is_seen,
                )
            )
    owner, at = person_of(row.get("OwnerId")), Part(found["owner"], "$.owner").instant()
    email = (row.get("Owner") or {}).get("Email") if owner else None
    key = f"{name}:owner:{row.get('OwnerId') or 'nobody'}@{moment(at)}"
    events.append(event(key=key, at=at, kind=Kind.OWNER, owner=owner, owner_email=normalize_email(email)))
    at = _time(row, "SystemModstamp")
    events.append(event(key=f"{name}:profile@{moment(at)}", at=at, kind=Kind.PROFILE, data=data_of(found)))
    return events


def identities_of(record: RecordRef, found: Mapping[str, Any]) -> tuple[Identity, ...]:
    """What finds the subject: the record, those it was converted into or from, its contacts, e-mails, mobile phones.

    `Phone` is left out: it is often a company's switchboard, which would make one person of all its people.
    """
    row: Row = found["row"]
    names = [record.name]
    for source in (row, *found["leads"]):
        names += [f"Lead:{source['Id']}"] if source is not row else []
        names += [f"Contact:{source['ConvertedContactId']}"] if source.get("ConvertedContactId") else []
        names += [f"Opportunity:{source['ConvertedOpportunityId']}"] if source.get("ConvertedOpportunityId") else []
    names += [f"Contact:{contact['Id']}" for contact in found["contacts"]]
    identities = [Identity(kind=IdentityKind.RECORD, value=name) for name in names]
    for source in (row, *found["contacts"], *found["leads"]):
        identities += readable_identities(IdentityKind.EMAIL, [source.get("Email")])
        identities += readable_identities(IdentityKind.PHONE, [source.get("MobilePhone")])
    return tuple(dict.fromkeys(identities))


def data_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """What mappings read: the fields by their API names, `Account.Name` nested, and the contacts as `Contacts`."""
    data = _plain(found["row"])
    contacts = [_plain(contact) for contact in found["contacts"]]
    return {**data, "Contacts": contacts} if contacts else data


def stages_of(record_object: str, row: Row, history: Sequence[tuple[str, str]], *, is_tracked: bool) -> list[list[str]]:
    """The stages of a record with the times they were entered at, oldest first; of one second only the last.

    `history`: stage and time as the history has it. `is_tracked`: each change is in it, so that a record without one
    still has its first stage.
    """
    field = STAGES.get(record_object)
    if field is None or not row.get(field):
        return []
    stages = [list(entry) for entry in history]
    if not stages:
        stages = [[row[field], row["CreatedDate" if is_tracked else "LastModifiedDate"]]]
    elif stages[-1][0] != row[field]:
        stages.append([row[field], row["LastModifiedDate"]])
    return one_a_second(stages)


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: _plain(value) if isinstance(value, dict) else value
        for name, value in row.items()
        if name != "attributes" and value is not None
    }


def _time(row: Row, name: str) -> datetime:
    return Part(row.get(name), f"$.{name}").instant()
