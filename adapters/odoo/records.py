"""What a row of `crm.lead` says: its stage, where a lost lead is one of its own, its identities, data and events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import digest, exact, readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

MODEL: Final = "crm.lead"
OBJECT: Final = "lead"
"""Leads and opportunities alike: a lead that is converted keeps its id."""
LOST: Final = "lost"
ARCHIVED: Final = "archived"
US: Final = "us"
"""What the id of the user of the API key is remembered under."""
PLAIN: Final = {LOST: "Lost (archived, with a reason or probability 0)", ARCHIVED: "Archived, but not lost"}
"""Stages that are none in Odoo: it archives the record and leaves its stage as it was."""
FIELDS: Final = (
    *("name", "type", "active", "probability", "stage_id", "team_id", "user_id", "lost_reason_id", "partner_id"),
    *("contact_name", "partner_name", "email_from", "email_normalized", "phone", "phone_sanitized", "mobile"),
    *("function", "website", "street", "city", "zip", "country_id", "state_id", "priority", "tag_ids"),
    *("expected_revenue", "source_id", "medium_id", "campaign_id", "description", "company_id"),
    *("create_date", "write_date", "write_uid", "date_last_stage_update", "date_closed", "date_deadline"),
)
"""What is read, as far as the version has it; fields of the customer's own (`x_…`) are read besides."""
Row: TypeAlias = Mapping[str, Any]
"""A record by field name, None: empty; a relation is `[id, name]`, a time has no zone and is UTC."""


def record_of(lead: int) -> RecordRef:
    """The record of an id."""
    return RecordRef(object=OBJECT, id=str(lead))


def stage_of(row: Row, *, by_id: bool) -> str | None:
    """The stage as mappings call it: by name or by id, `lost` and `archived` for records that are put away."""
    if not row.get("active", True):
        return LOST if row.get("lost_reason_id") or not row.get("probability") else ARCHIVED
    stage = row.get("stage_id")
    return str(stage[0] if by_id else stage[1]).strip() if stage else None


def events_of(row: Row, known: Mapping[str, Any], *, by_id: bool) -> list[Event]:
    """The events that a row stands for as it is now. Raises `BadPayload`.

    `known`: `user:<id>` → e-mail, and under `us` our own id. What is empty in a new record was never filled.
    """
    record, written = record_of(Part(row.get("id"), "$.id").integer()), _time(row, "write_date")
    name = f"{OBJECT}:{record.id}"
    event = partial(Event, record=record, is_lead=True, identities=_identities(name, row))
    events = [event(key=f"{name}:identify", at=_time(row, "create_date"), kind=Kind.IDENTIFY)]
    if stage := stage_of(row, by_id=by_id):
        events += _stages(event, name, stage, row, known.get(US))
    user = row.get("user_id")
    owner = str(user[0]) if user else None
    events.append(
        event(
            key=f"{name}:owner:{owner or 'nobody'}@{exact(written)}",
            at=written,
            kind=Kind.OWNER,
            owner=owner,
            owner_email=known.get(f"user:{owner}"),
        )
    )
    is_new = row.get("create_date") == row.get("write_date")
    data = {name: value for name, value in {**row, "stage": stage}.items() if not is_new or value is not None}
    key = f"{name}:profile@{exact(written)}:{digest(data)}"
    events.append(event(key=key, at=written, kind=Kind.PROFILE, data=data))
    return events


def _stages(event: partial[Event], name: str, stage: str, row: Row, us: int | None) -> list[Event]:
    """When it entered the stage, and that it is still there: Odoo dates no return from the lost ones.

    Odoo names who wrote last: who moved it is known where that was the last that was written.
    """
    written = _time(row, "write_date")
    dated = "date_last_stage_update" if row.get("active", True) else "date_closed"
    entered = _time(row, dated) if row.get(dated) else None
    word = stage if stage in PLAIN else str(row["stage_id"][0])
    seen = event(key=f"{name}:seen:{word}@{exact(written)}", at=written, kind=Kind.STAGE, stage=stage, is_seen=True)
    if entered is None:
        return [seen]
    writer = row.get("write_uid")
    is_ours = None if us is None or not writer or entered < written else writer[0] == us
    key = f"{name}:stage:{word}@{exact(entered)}"
    moved = event(key=key, at=entered, kind=Kind.STAGE, stage=stage, is_ours=is_ours)
    return [moved] if entered >= written or stage in PLAIN else [moved, seen]


def _identities(name: str, row: Row) -> tuple[Identity, ...]:
    found = [Identity(kind=IdentityKind.RECORD, value=name)]
    for kind, fields in (
        (IdentityKind.EMAIL, ("email_normalized", "email_from")),
        (IdentityKind.PHONE, ("phone_sanitized", "phone")),
        (IdentityKind.PHONE, ("mobile",)),
    ):
        readable = (one for field in fields for one in readable_identities(kind, [row.get(field)]))
        found += [one for one in [next(readable, None)] if one]
    return tuple(dict.fromkeys(found))


def _time(row: Row, name: str) -> datetime:
    """A time of the row, or the nearest that it has: `2026-03-04 05:06:07`, which is UTC."""
    given = next((row[key] for key in (name, "write_date", "create_date") if row.get(key)), None)
    return Part(f"{given.replace(' ', 'T')}Z" if isinstance(given, str) else given, f"$.{name}").instant()
