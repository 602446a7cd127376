"""Reads claimed deliveries by their adapters: events, or the error that stopped each."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.adapter_kit.contract import Api, Delivery
from connector.core.errors import BadPayload, CrmError, CrmUnavailable, UnknownEvent
from connector.core.event import Event
from connector.runtime.connections import Connected
from connector.store.deliveries import ClaimedDelivery

BROKEN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDelivery:
    """A delivery as its adapter read it: `parts`, or the `error` that stopped it.

    `claimed` None: events that no delivery brought. `as_of` (aware UTC): when what it says was read: its receipt, or
    the reading of its records in their system, which may be long after it. `read`: the records that were read there, by
    name.
    """

    name: str
    as_of: datetime
    claimed: ClaimedDelivery | None = None
    connected: Connected | None = None
    parts: Sequence[Event | BadPayload] = ()
    error: Exception | None = None
    read: Container[str] = ()

    @property
    def id(self) -> str | None:
        """The delivery's id."""
        return self.claimed.id if self.claimed else None


def read_removed(name: str, claimed: Sequence[ClaimedDelivery]) -> list[ParsedDelivery]:
    """The deliveries of a connection that is there no more."""
    error = UnknownEvent(f"the connection {name!r} was removed; add it again and replay the delivery")
    return [_failed(name, delivery, error) for delivery in claimed]


def read_broken(name: str, claimed: Sequence[ClaimedDelivery], broken: Exception) -> list[ParsedDelivery]:
    """The deliveries of a connection that cannot be used until somebody mends it: they wait."""
    error = CrmUnavailable(str(broken), retry_after=BROKEN_SECONDS)
    return [_failed(name, delivery, error) for delivery in claimed]


def read_deliveries(
    connected: Connected,
    claimed: Sequence[ClaimedDelivery],
    api_for: Callable[[Connected], Api],
    clock: Callable[[], datetime],
) -> list[ParsedDelivery]:
    """The deliveries of a connection, what they need fetched in the adapter's batch calls; raises nothing.

    Where an adapter fails on a batch it is given each delivery alone: the one that it fails on stops no other.
    """
    deliveries = [_delivery(row) for row in claimed]
    try:
        fetched = connected.adapter.fetch(deliveries, api_for(connected))
    except CrmError as error:
        return [_failed(connected.name, row, error, connected) for row in claimed]
    except Exception as error:  # noqa: BLE001 - an adapter's bug must not stop the other connections
        if len(claimed) > 1:
            return [parsed for row in claimed for parsed in read_deliveries(connected, [row], api_for, clock)]
        return [_failed(connected.name, claimed[0], error, connected)]
    fetched_at = clock() if fetched else None
    return [
        _parse(connected, row, delivery, fetched, fetched_at) for row, delivery in zip(claimed, deliveries, strict=True)
    ]


def _delivery(claimed: ClaimedDelivery) -> Delivery:
    return Delivery(
        method=claimed.method,
        query=tuple((name, value) for name, value in claimed.query),
        headers=claimed.headers,
        body=claimed.body or b"",
        received_at=claimed.received_at,
    )


def _parse(
    connected: Connected,
    claimed: ClaimedDelivery,
    delivery: Delivery,
    fetched: Mapping[str, Any],
    fetched_at: datetime | None,
) -> ParsedDelivery:
    try:
        parts = connected.adapter.parse(delivery, fetched)
    except Exception as error:  # noqa: BLE001 - also an adapter's bug: the delivery is set aside, the rest goes on
        return _failed(connected.name, claimed, error, connected)
    as_of = fetched_at or claimed.received_at
    return ParsedDelivery(
        name=connected.name, as_of=as_of, claimed=claimed, connected=connected, parts=parts, read=fetched
    )


def _failed(
    name: str, claimed: ClaimedDelivery, error: Exception, connected: Connected | None = None
) -> ParsedDelivery:
    return ParsedDelivery(name=name, as_of=claimed.received_at, claimed=claimed, connected=connected, error=error)
