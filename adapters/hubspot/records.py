"""What a contact or deal of HubSpot says: its identities, its data, and the events in its history.

https://developers.hubspot.com/docs/api-reference/latest/crm/understanding-the-crm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final, TypeAlias

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

OWNER: Final = "hubspot_owner_id"
DEAL_STAGE: Final = "dealstage"
CONTACT_STAGES: Final = ("lifecyclestage", "hs_lead_status")
"""The properties that may be a contact's stage."""
MERGED: Final = "hs_merged_object_ids"
MODIFIED: Final[Mapping[str, str]] = {"contact": "lastmodifieddate", "deal": "hs_lastmodifieddate"}
"""Object → the property that dates its last change."""
EMAILS: Final = ("email", "hs_additional_emails")
PHONES: Final = ("phone", "mobilephone")
PERSON: Final = ("firstname", "lastname", *EMAILS, *PHONES, "company", "jobtitle")
PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "contact": (*PERSON, *CONTACT_STAGES, OWNER, MERGED, MODIFIED["contact"]),
    "deal": ("dealname", "amount", "closedate", DEAL_STAGE, "pipeline", OWNER, MERGED, MODIFIED["deal"]),
}
"""Object → the properties that are always read."""
MOST_MERGED: Final = 50
SAME_CHANGE: Final = timedelta(seconds=5)
"""How far the time of a webhook and that of the history may be apart for the same change."""
Record: TypeAlias = Mapping[str, Any]
INTEGRATION: Final = "INTEGRATION"
PEOPLE: Final = frozenset({"CRM_UI", "IMPORT"})
"""Sources of changes that are no app's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How records are read: the property that is a contact's stage, owners' e-mails, the pipelines of deal stages.

    `app_id`: that of the app whose token writes, where the setting says so. `told_app`: that of the webhooks, which is
    most likely the same.
    """

    contact_stage: str
    app_id: str = ""
    told_app: str = ""
    owners: Mapping[str, str | None] = field(default_factory=dict)
    pipelines: Mapping[str, str] = field(default_factory=dict)

    def stage_of(self, record_object: str) -> str:
        """The property that holds the stage."""
        return DEAL_STAGE if record_object == "deal" else self.contact_stage

    def is_ours(self, change: PropertyChange) -> bool | None:
        """Whether our app made a change: HubSpot names the app that writes, or the user; None: that tells nothing."""
        if change.source in PEOPLE or change.source_id.startswith("userId:"):
            return False
        if change.source != INTEGRATION or not change.source_id:
            return None
        if self.app_id:
            return change.source_id == self.app_id
        return True if change.source_id == self.told_app else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyChange:
    """One change of a property, as a webhook or the history has it; `value` may be empty, `at` is aware UTC.

    `place`: among those of the same millisecond in the history, from 0. `source` and `source_id`: who made it.
    """

    property: str
    value: str
    at: datetime
    place: int | None = None
    source: str = ""
    source_id: str = ""


def value_of(record: Record, name: str) -> str:
    """A property's value; empty where there is none."""
    value = (record.get("properties") or {}).get(name)
    return "" if value is None else str(value)


def split(text: str) -> list[str]:
    """The values of a property that holds several."""
    return [part.strip() for part in text.split(";") if part.strip()]


def identities_of(ref: RecordRef, record: Record) -> tuple[Identity, ...]:
    """What finds the subject: the record, those merged into it, its e-mails and phones; for deals its contacts' too."""
    found = _identities(ref.object, ref.id, record)
    for contact in record.get("contacts") or ():
        found += _identities("contact", str(contact["id"]), contact)
    return tuple(dict.fromkeys(found))


def events_of(ref: RecordRef, record: Record, view: View, since: datetime | None = None) -> list[Event]:
    """Identity, stage, owner and profile as the record shows them; with `since` also each stage and owner since then.

    Raises `BadPayload` when it has no readable time.
    """
    event = partial(Event, record=ref, is_lead=True, identities=identities_of(ref, record))
    name = ref.name
    created, updated = _time(record, "createdAt"), _time(record, "updatedAt")
    events = [event(key=f"{name}:identify", at=created, kind=Kind.IDENTIFY)]
    events += [
        event(key=f"{name}:contact:{contact['id']}", at=created, kind=Kind.IDENTIFY)
        for contact in record.get("contacts") or ()
    ]
    for tracked in (view.stage_of(ref.object), OWNER):
        history = history_of(record, tracked)
        recent = [change for change in history if since is not None and change.at >= since] or history[-1:]
        events += [changed_event(ref, record, change, view) for change in recent]
    events.append(
        event(key=f"{name}:profile@{moment(updated)}", at=updated, kind=Kind.PROFILE, data=data_of(ref, record))
    )
    return events


def changed_event(ref: RecordRef, record: Record, change: PropertyChange, view: View) -> Event:
    """The event of one change of the stage or the owner; the same for a webhook and for the record's history."""
    change = _dated(record, change)
    event = partial(
        Event,
        record=ref,
        is_lead=True,
        identities=identities_of(ref, record),
        at=change.at,
        sequence=change.place,
        is_ours=view.is_ours(change),
    )
    key = f"{ref.name}:{change.property}:{change.value[:200]}@{moment(change.at)}"
    if change.property == OWNER:
        owner = change.value or None
        return event(key=key, kind=Kind.OWNER, owner=owner, owner_email=view.owners.get(change.value))
    pipeline = view.pipelines.get(change.value) or value_of(record, "pipeline") or None
    return event(
        key=key, kind=Kind.STAGE, stage=change.value[:200], pipeline=pipeline if ref.object == "deal" else None
    )


def data_of(ref: RecordRef, record: Record) -> dict[str, Any]:
    """What mappings read: the properties, empty ones too; what a deal lacks comes from its contacts."""
    sources: list[Record] = [*reversed(record.get("contacts") or ()), record]
    data: dict[str, Any] = {}
    for source in sources:
        for name, value in (source.get("properties") or {}).items():
            data[name] = data.get(name) if value in (None, "") else value
    return {**data, "id": ref.id, "object": ref.object}


def history_of(record: Record, name: str) -> list[PropertyChange]:
    """What a property was set to, oldest first."""
    rows = (record.get("propertiesWithHistory") or {}).get(name) or ()
    changes = [
        PropertyChange(
            property=name,
            value=str(row.get("value") or ""),
            at=Part(row.get("timestamp"), f"$.{name}").instant(),
            source=str(row.get("sourceType") or ""),
            source_id=str(row.get("sourceId") or ""),
        )
        for row in rows
    ]
    changes.reverse()  # HubSpot gives the newest first; of those of one millisecond the order stays
    changes.sort(key=lambda change: change.at)
    same = groupby(changes, lambda change: change.at)
    return [replace(change, place=place) for _, together in same for place, change in enumerate(together)]


def moment(at: datetime) -> str:
    """An instant in milliseconds of UTC, as keys hold it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dated(record: Record, change: PropertyChange) -> PropertyChange:
    """The change with the time of the history, so that it is the same one for webhook and reconciliation."""
    history = history_of(record, change.property)
    near = [
        entry
        for entry in history
        if entry.value == change.value
        and abs(entry.at - change.at) <= SAME_CHANGE
        # It was changed and changed back, and the history does not have the last of it yet.
        and not any(entry.at < other.at < change.at and other.value != change.value for other in history)
    ]
    if not near:
        return change
    same = min(near, key=lambda entry: abs(entry.at - change.at))
    return replace(same, source=change.source or same.source, source_id=change.source_id or same.source_id)


def _identities(record_object: str, record_id: str, record: Record) -> list[Identity]:
    ids = [record_id, *split(value_of(record, MERGED))[-MOST_MERGED:]]
    found = [Identity(kind=IdentityKind.RECORD, value=f"{record_object}:{id_}") for id_ in ids]
    found += readable_identities(
        IdentityKind.EMAIL, (part for name in EMAILS for part in split(value_of(record, name)))
    )
    found += readable_identities(IdentityKind.PHONE, (value_of(record, name) for name in PHONES))
    return found


def _time(record: Record, name: str) -> datetime:
    given: Sequence[Any] = [record[key] for key in (name, "createdAt", "updatedAt") if record.get(key)]
    return Part(given[0] if given else None, f"$.{name}").instant()
