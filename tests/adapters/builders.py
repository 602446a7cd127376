"""What the tests of single adapters say often, in short: an update, a delivery's events, what became of updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.adapter_kit.contract import Adapter, Api, Delivery, Pushed, PushOutcome, Update
from connector.core.errors import BadPayload
from connector.core.event import Event, Kind, RecordRef


def update_of(
    name: str,
    fields: Mapping[str, Any],
    *,
    since: datetime,
    owner: str | None = None,
    owner_field: str | None = None,
) -> Update:
    """What is to be shown in a record, by its name (`lead:77`); the status is explicit."""
    record_object, _, number = name.partition(":")
    return Update(
        key=f"key of {name}",
        record=RecordRef(object=record_object, id=number),
        status="explicit",
        label="Explicit",
        since=since,
        fields=fields,
        owner=owner,
        owner_field=owner_field,
    )


def outcomes(pushed: Sequence[Pushed]) -> list[tuple[PushOutcome, str | None]]:
    """Outcome and reason of each."""
    return [(one.outcome, one.reason) for one in pushed]


def whole(adapter: Adapter, delivery: Delivery, api: Api) -> list[Event]:
    """The events of a delivery in which nothing is wrong."""
    events = adapter.parse(delivery, adapter.fetch([delivery], api))
    assert all(isinstance(event, Event) for event in events), events
    return [event for event in events if isinstance(event, Event)]


def only(events: Sequence[Event], kind: Kind) -> Event:
    """The only event of a kind."""
    (event,) = (event for event in events if event.kind is kind)
    return event


def keys(events: Sequence[Event | BadPayload]) -> list[str]:
    """The events' keys."""
    return [event.key for event in events if isinstance(event, Event)]


def identities(event: Event) -> list[str]:
    """Kind and value of each."""
    return [f"{one.kind}:{one.value}" for one in event.identities]
