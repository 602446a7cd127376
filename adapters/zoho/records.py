"""What a record of Zoho CRM says: its fields to read, its identities, its data, and the events that it stands for.

https://www.zoho.com/crm/developer/docs/api/v8/field-meta.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from adapters.zoho.client import Row
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import digest, exact, readable_identities
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


class Change(NamedTuple):
    """A value that a field was given, when (as Zoho writes it) and by whom (a user's id, where it is known).

    `number`: its place among those that the field was given in the same second.
    """

    value: str | None
    at: str
    by: str | None = None
    number: int = 0

    @property
    def instant(self) -> datetime:
        """Its time; aware UTC. Raises `BadPayload`."""
        return Part(self.at, "$.audited_time").instant()

    @property
    def mark(self) -> str:
        """What tells it from other changes of the field to the same value."""
        return f"@{exact(self.instant)}" + (f"#{self.number}" if self.number else "")


def events_of(record: RecordRef, found: Mapping[str, Any], since: datetime | None = None) -> list[Event]:
    """The events that a record stands for as it is now, and the stages it had since. Raises `BadPayload`: no time.

    `found`: the `row`, its `stages` (oldest first), the change that gave it its `owner`, the owner's
    `email`, and the `contact` of a deal; `is_seen`: nothing says since when the record is in its stage. `us`: our own
    user's id.
    """
    row: Row = found["row"]
    name = record.name
    event = partial(Event, record=record, is_lead=True, identities=identities_of(record, found))
    events = [event(key=f"{name}:identify", at=_time(row, "Created_Time"), kind=Kind.IDENTIFY)]
    line, is_seen = row.get("Pipeline"), bool(found.get("is_seen"))
    stages = [Change(*stage) for stage in found["stages"]]
    for place, change in enumerate(stages):
        if place == len(stages) - 1 or (since is not None and change.instant >= since):
            key, told = f"{name}:stage:{change.value}{change.mark}", _told(change, found)
            events.append(event(key=key, kind=Kind.STAGE, stage=change.value, pipeline=line, is_seen=is_seen, **told))
    owner, given = id_of(row.get("Owner")), Change(*found["owner"])
    key, told = f"{name}:owner:{owner or 'nobody'}{given.mark}", _told(given, found)
    events.append(event(key=key, kind=Kind.OWNER, owner=owner, owner_email=found["email"], **told))
    at, data = _time(row, "Modified_Time"), data_of(found)
    events.append(event(key=f"{name}:profile@{exact(at)}:{digest(data)}", at=at, kind=Kind.PROFILE, data=data))
    return events


def _told(change: Change, found: Mapping[str, Any]) -> dict[str, Any]:
    """When it was, its place within the second, and whether we made it."""
    us = found.get("us")
    is_ours = None if us is None or change.by is None else change.by == us
    return {"at": change.instant, "sequence": change.number or None, "is_ours": is_ours}


def identities_of(record: RecordRef, found: Mapping[str, Any]) -> tuple[Identity, ...]:
    """What finds the subject: the record, the contact of a deal, their e-mails and phones."""
    contact = found.get("contact")
    identities = [Identity(kind=IdentityKind.RECORD, value=record.name)]
    if contact:
        identities.append(Identity(kind=IdentityKind.RECORD, value=f"Contacts:{contact['id']}"))
    for source in (found["row"], contact or {}):
        identities += readable_identities(IdentityKind.EMAIL, [source.get("Email")])
        identities += readable_identities(IdentityKind.PHONE, [source.get("Mobile"), source.get("Phone")])
    return tuple(dict.fromkeys(identities))


def data_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """What mappings read: the fields by their API names, lookups as `Account_Name.name`, and a deal's `Contact`.

    What is empty in a new record was never filled.
    """
    row: Row = found["row"]
    data = {name: value for name, value in row.items() if value is not None or not _is_new(row)}
    if found.get("contact"):
        return {**data, "Contact": dict(found["contact"])}
    return {**data, "Contact": None} if data.get("Contact_Name", "") is None else data


def changes_of(row: Row, name: str, entries: Iterable[Row], first: str | None) -> list[Change]:
    """The values that a field was given, oldest first, the last of which is the one that it has. None: it is empty.

    `entries`: of the record's timeline, oldest first. `first`: since when it has its value, where they name none; None:
    since the record was made.
    """
    value = row.get(name)
    found: list[Change] = []
    for entry in entries:
        at, by = str(entry["audited_time"]), id_of(entry.get("done_by"))
        for field in entry.get("field_history") or ():
            if field.get("api_name") == name:
                new = (field.get("_value") or {}).get("new")
                found.append(_after(found, Change(None if new is None else str(new), at, by)))
    if name == "Owner":  # a timeline names owners as it likes; the record says who it is
        return found or [_first(row, None, first)]
    if not value:
        return []
    if not found:
        return [_first(row, value, first)]
    return found if found[-1].value == value else [*found, _after(found, Change(value, row["Modified_Time"]))]


def _first(row: Row, value: str | None, first: str | None) -> Change:
    """Nothing was changed since: at its creation, which its only writer has made."""
    by = id_of(row.get("Modified_By")) if first is None and _is_new(row) else None
    return Change(value, first or str(row["Created_Time"]), by)


def _after(found: list[Change], change: Change) -> Change:
    """The change with its place in its second."""
    is_same = bool(found) and found[-1].instant == change.instant
    return change._replace(number=found[-1].number + 1) if is_same else change


def _is_new(row: Row) -> bool:
    """Whether it was never changed since it was made."""
    return bool(row.get("Modified_Time") == row.get("Created_Time"))


def id_of(lookup: Any) -> str | None:
    """The id of a lookup such as `Owner`."""
    value = lookup.get("id") if isinstance(lookup, dict) else None
    return str(value) if value else None


def _time(row: Row, name: str) -> datetime:
    return Part(row.get(name), f"$.{name}").instant()
