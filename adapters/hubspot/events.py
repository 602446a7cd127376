"""The events in one notice of HubSpot: what the record shows now, the change that was told, merges and ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.hubspot.records import (
    OWNER,
    Told,
    View,
    changed_event,
    events_of,
    identities_of,
    moment,
)
from adapters.hubspot.webhook import Notice, key_of, parts_of
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.records import deleted_event
from connector.core.errors import CrmUnavailable
from connector.core.event import Event, Kind, RecordRef


def events_in(notice: Notice, delivery: Delivery, fetched: Mapping[str, Any], contact_stage: str) -> list[Event]:
    """The events of a notice about a record. Raises `CrmUnavailable` when the record was not read, and `BadPayload`."""
    ref, mark = notice.record, f"@{moment(notice.at)}"
    if ref is None or notice.is_deleted:
        return [deleted_event(ref, notice.at, mark=mark)] if ref else []
    name = ref.name
    if name not in fetched:
        message = f"{name} was not read"
        raise CrmUnavailable(message)
    record = fetched[name]
    if record is None:
        return [deleted_event(ref, notice.at, mark=mark)]
    survivor = RecordRef(object=ref.object, id=str(record["id"]))
    owners, pipelines = (fetched.get(key) or {} for key in ("owners", "pipelines"))
    view = View(contact_stage=contact_stage, owners=owners, pipelines=pipelines)
    events = events_of(survivor, record, view)
    if notice.changed in {view.stage_of(ref.object), OWNER}:
        told = Told(property=notice.changed or "", value=notice.value, at=notice.at)
        events.append(changed_event(survivor, record, told, view))
    if notice.word.endswith(".restore"):
        events.append(replace(events[0], key=f"{name}:restore{mark}", at=notice.at))
    if notice.trigger:
        events.append(_action(notice, events[0], delivery, events))
    found = identities_of(survivor, record)
    # The records that a merge ended belong to the survivor's subject, and take no more updates.
    ended = [one for one in dict.fromkeys((ref.id, *notice.merged)) if one != survivor.id]
    return [*events, *(deleted_event(replace(ref, id=id_), notice.at, *found, mark=mark) for id_ in ended)]


def _action(notice: Notice, like: Event, delivery: Delivery, events: list[Event]) -> Event:
    """What a workflow tells: its word is in the address, beside whatever else a mapping may ask for."""
    data = next(event.data for event in events if event.kind is Kind.PROFILE)
    told = {**data, "body": parts_of(delivery)[0].object(), **dict(delivery.query)}
    key = f"{like.key.rpartition(':')[0]}:{notice.trigger}"[:150] + f":{key_of(parts_of(delivery), delivery)}"
    page = delivery.parameter("page")
    return replace(like, key=key, at=notice.at, kind=Kind.ACTION, name=notice.trigger, page=page, data=told)
