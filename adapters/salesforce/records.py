"""What a record of Salesforce says: its fields to read, its identities, its data, and the events that it stands for.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from adapters.salesforce.client import Row
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event, digest, moment, readable_identities
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
Given: TypeAlias = tuple[str, str, str | None]
"""A value, the time it was given at as Salesforce writes it, and by which user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """The user that we are; None: that is not known."""

    user: str | None

    def is_ours(self, by: str | None) -> bool | None:
        """Whether we made a change that a user made; None: nobody knows."""
        return by == self.user if by and self.user else None

    def may_be_ours(self, by: str | None) -> bool | None:
        """The same of a change that was the record's newest, or came before that: ours tells nothing."""
        return False if self.is_ours(by) is False else None


def person_of(owner: Any) -> str | None:
    """The id of the owner; a queue is nobody."""
    return None if owner is None or str(owner).startswith(_QUEUE) else str(owner)


def events_of(record: RecordRef, found: Mapping[str, Any], since: datetime | None = None) -> list[Event]:
    """The events that a record stands for as it is now, and the stages it had since. Raises `BadPayload`: no time.

    `found`: the `row`, its `stages` with their times and whether we gave them (oldest first), since when the `owner`
    is, whether by us and its place in that second, `contacts` and `leads`; `is_seen`: nothing says since when the
    record is in its stage; `is_ours`: whether we changed it last. Salesforce keeps whole seconds: stages and owners of
    the same one are numbered, and a profile is told from another by what it says.
    """
    row: Row = found["row"]
    if row.get("IsDeleted"):
        return [deleted_event(record, _time(row, "SystemModstamp"))]
    name = record.name
    event = partial(Event, record=record, is_lead=True, identities=identities_of(record, found))
    events = [event(key=f"{name}:identify", at=_time(row, "CreatedDate"), kind=Kind.IDENTIFY)]
    stages = [event(**stage) for stage in _stages(name, found)]
    events += [one for one in stages[:-1] if since is not None and one.at >= since] + stages[-1:]
    owner, at = person_of(row.get("OwnerId")), Part(found["owner"], "$.owner").instant()
    email = (row.get("Owner") or {}).get("Email") if owner else None
    place, again = found.get("owner_place") or (None, 0)
    events.append(
        event(
            key=f"{name}:owner:{row.get('OwnerId') or 'nobody'}@{moment(at)}" + (f"#{again + 1}" if again else ""),
            at=at,
            kind=Kind.OWNER,
            owner=owner,
            owner_email=normalize_email(email),
            sequence=place,
            is_ours=found.get("owner_is_ours"),
        )
    )
    at, data = _time(row, "SystemModstamp"), data_of(found)
    key = f"{name}:profile@{moment(at)}:{digest(data)}"
    events.append(event(key=key, at=at, kind=Kind.PROFILE, data=data, is_ours=found.get("is_ours")))
    return events


def _stages(name: str, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the events of a record's stages say, in their order. Raises `BadPayload`: no time."""
    known: list[tuple[str, datetime]] = []
    for stage, given, *by in found["stages"]:
        at = Part(given, "$.stages").instant()
        again = known.count((stage, at))
        yield {
            "key": f"{name}:stage:{stage}@{moment(at)}" + (f"#{again + 1}" if again else ""),
            "at": at,
            "kind": Kind.STAGE,
            "stage": stage,
            "is_seen": bool(found.get("is_seen")),
            "sequence": sum(1 for _, other in known if other == at),
            "is_ours": by[0] if by else None,
        }
        known.append((stage, at))


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
    """What mappings read: the fields by API name, empty ones too, `Account.Name` nested, the contacts as `Contacts`."""
    data = _plain(found["row"])
    contacts = [_plain(contact) for contact in found["contacts"]]
    return {**data, "Contacts": contacts} if contacts or "StageName" in data else data


def stages_of(
    record_object: str, row: Row, history: Sequence[Given], writer: Writer, *, is_tracked: bool
) -> list[list[Any]]:
    """The stages of a record, when they were entered and whether by us, oldest first; none twice in a row.

    `history`: as the history has it, which for opportunities has other changes, too. `is_tracked`: each change is in
    it, so that a record without one still has its first stage.
    """
    field = STAGES.get(record_object)
    if field is None or not row.get(field):
        return []
    stages: list[list[Any]] = []
    for stage, at, by in history:
        if not stages or stages[-1][0] != stage:
            stages.append([stage, at, writer.is_ours(by)])
    if not stages and is_tracked:
        return [[row[field], row["CreatedDate"], None]]
    if not stages or stages[-1][0] != row[field]:
        stages.append([row[field], row["LastModifiedDate"], writer.may_be_ours(row.get("LastModifiedById"))])
    return stages


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: _plain(value) if isinstance(value, dict) else value for name, value in row.items() if name != "attributes"
    }


def _time(row: Row, name: str) -> datetime:
    return Part(row.get(name), f"$.{name}").instant()
