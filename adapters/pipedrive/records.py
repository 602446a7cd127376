"""What a deal, lead or person of Pipedrive says: identities, data and events, the same from webhooks and from REST.

https://pipedrive.readme.io/docs/guide-for-webhooks-v2
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import digest, moment, readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

WON, LOST, DELETED = "won", "lost", "deleted"
CLOSED: Final[Mapping[str, str]] = {WON: "won_time", LOST: "lost_time"}
"""Status → the field that dates it."""
CUSTOM: Final = re.compile(r"[0-9a-f]{40}")
"""The key of a custom field."""
_TYPED: Final = frozenset({"type", "value", "values", "id", "currency"})
Record: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a webhook says of a change beside the record: its time to the millisecond, aware UTC, and who made it.

    `changed`: the names of the fields that changed; None: the record is new. `merged`: the id of a record that became
    one with it.
    """

    at: datetime
    changed: frozenset[str] | None = None
    is_ours: bool | None = None
    merged: str | None = None

    def writer_of(self, *names: str) -> bool | None:
        """Whether we gave one of the fields its value; None: it was not changed, or nobody knows."""
        return self.is_ours if self.changed is None or self.changed & set(names) else None


def person_of(record: Record) -> str | None:
    """The id of the person of a deal or lead."""
    person = record.get("person_id")
    return str(person) if isinstance(person, int | str) and not isinstance(person, bool) and person else None


def identities_of(ref: RecordRef, record: Record, person: Record, merged: str | None = None) -> tuple[Identity, ...]:
    """What finds the subject: the record, one merged into it, its person, and the person's e-mails and phones."""
    names = [ref.name]
    if merged:
        names.append(f"{ref.object}:{merged}")
    if ref.object != "person" and (person_id := person_of(record)):
        names.append(f"person:{person_id}")
    found = [Identity(kind=IdentityKind.RECORD, value=name) for name in names]
    source = record if ref.object == "person" else person
    found += readable_identities(IdentityKind.EMAIL, values_of(source, "emails"))
    found += readable_identities(IdentityKind.PHONE, values_of(source, "phones"))
    return tuple(dict.fromkeys(found))


def stage_of(record: Record) -> tuple[str, str] | None:
    """A deal's stage as mappings call it, and the field that dates it: the stage's number while open, `won`, `lost`."""
    status = record.get("status")
    if status in CLOSED:
        return str(status), CLOSED[str(status)]
    stage = record.get("stage_id")
    return (str(stage), "stage_change_time") if stage is not None else None


def events_of(ref: RecordRef, record: Record, fetched: Mapping[str, Any], told: Told | None = None) -> list[Event]:
    """The events that a record stands for as it is now. Raises `BadPayload` when it has no readable time.

    `told`: the webhook that shows it so. Times of records are whole seconds: what is newer within one tells the time of
    the webhook, or of the reading. No field dates that a deal was opened again.
    """
    person = fetched.get(f"person:{person_of(record)}") or {}
    merged = told.merged if told else None
    identities = identities_of(ref, record, person, merged)
    event = partial(Event, record=ref, is_lead=True, identities=identities, read_at=told.at if told else None)
    name, created, updated = ref.name, time_of(record, "add_time"), time_of(record, "update_time")
    events = [event(key=f"{name}:identify", at=created, kind=Kind.IDENTIFY)]
    if ref.object != "person" and (person_id := person_of(record)):
        events.append(event(key=f"{name}:person:{person_id}", at=created, kind=Kind.IDENTIFY))
    if merged:
        events.append(event(key=f"{name}:merged:{merged}", at=updated, kind=Kind.IDENTIFY))
    if ref.object == "deal" and (staged := stage_of(record)):
        stage, dated = staged
        is_reopened = told and told.changed and "status" in told.changed and record.get("status") == "open"
        at = updated if is_reopened else time_of(record, dated)
        by = told.writer_of("stage_id", "status") if told else None
        key = f"{name}:stage:{stage}@{moment(at)}"
        events.append(event(key=key, at=at, kind=Kind.STAGE, stage=stage, is_ours=by))
    owner = None if record.get("owner_id") is None else str(record["owner_id"])
    email = (fetched.get("users") or {}).get(owner)
    key = f"{name}:owner:{owner or 'nobody'}@{moment(updated)}"
    by = told.writer_of("owner_id") if told else None
    events.append(event(key=key, at=updated, kind=Kind.OWNER, owner=owner, owner_email=email, is_ours=by))
    data = data_of(record, person)
    by = False if told and told.is_ours is False else None  # it also shows what others changed before us
    key = f"{name}:profile@{moment(updated)}:{digest(_said_by(bare(record)))}"
    events.append(event(key=key, at=updated, kind=Kind.PROFILE, data=data, is_ours=by))
    return events


def _said_by(value: Any) -> Any:
    """What a record says, the same from webhooks and from REST, which differ in types and in what they leave out."""
    if isinstance(value, dict):
        shown = {name: _said_by(part) for name, part in value.items() if not name.endswith("_time")}
        return {name: part for name, part in shown.items() if part not in ("", [], {})}
    if isinstance(value, list):
        return [_said_by(part) for part in value]
    if value is None or value is False:
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def data_of(record: Record, person: Record) -> dict[str, Any]:
    """What mappings read: the fields, empty ones too, custom ones bare; a deal's and lead's `person` beside them."""
    data = bare(record)
    if not person:
        return data
    known = bare(person)
    shared: dict[str, Any] = {
        name: known[name] for name in ("emails", "phones", "first_name", "last_name") if name in known
    }
    return {**shared, **data, "person": known}


def bare(record: Record) -> dict[str, Any]:
    """The record with its custom fields bare and in `custom_fields`.

    Webhooks wrap each in an object with its type; leads have them among the other fields in REST.
    """
    plain = {name: value for name, value in record.items() if not CUSTOM.fullmatch(name)}
    loose = {name: value for name, value in record.items() if CUSTOM.fullmatch(name)}
    fields = {**loose, **(record.get("custom_fields") or {})}
    return {
        **plain,
        "custom_fields": {name: _bare(field) for name, field in fields.items()},
    }


def values_of(record: Record, name: str) -> list[str]:
    """The values of a person's `emails` or `phones`."""
    rows = record.get(name)
    return [str(row["value"]) for row in rows if isinstance(row, dict) and row.get("value")] if rows else []


def time_of(record: Record, name: str) -> datetime:
    """The record's time of that name, or the nearest that it has; v1 writes UTC without saying so."""
    given = next((record[key] for key in (name, "add_time", "update_time") if record.get(key)), None)
    text = given.replace(" ", "T") if isinstance(given, str) else given
    if isinstance(text, str) and len(text) == 19:  # noqa: PLR2004 - of 2026-03-04T05:06:07
        text += "Z"
    return Part(text, f"$.data.{name}").instant().replace(microsecond=0)


def _bare(field: Any) -> Any:
    if not isinstance(field, dict) or not set(field) <= _TYPED or "type" not in field:
        return field
    if "values" in field:
        return [row.get("id") if isinstance(row, dict) else row for row in field["values"] or ()]
    if field["type"] == "monetary":
        return {"value": field.get("value"), "currency": field.get("currency")}
    return field.get("value", field.get("id"))
