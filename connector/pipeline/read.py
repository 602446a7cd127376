"""Reads claimed deliveries by their adapters: events, or the error that stopped each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from connector.adapter_kit.contract import Api, Delivery
from connector.core.errors import BadPayload, CrmError, CrmUnavailable, UnknownEvent
from connector.core.event import Event
from connector.runtime.connections import Connected
from connector.store.rows import Row

BROKEN_SECONDS: Final = 60.0
Parsed: TypeAlias = Sequence[Event | BadPayload]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A delivery as its adapter read it: `parsed`, or the error that stopped it.

    `as_of` (aware UTC): when its records were read in their system, which may be long after its receipt; None: all that
    it says came with it.
    """

    name: str
    row: Row
    as_of: datetime | None = None
    connected: Connected | None = None
    parsed: Parsed = ()
    error: Exception | None = None


def read_removed(name: str, rows: Sequence[Row]) -> list[Read]:
    """The deliveries of a connection that is there no more."""
    error = UnknownEvent(f"the connection {name!r} was removed; add it again and replay the delivery")
    return [Read(name=name, row=row, error=error) for row in rows]


def read_broken(name: str, rows: Sequence[Row], broken: Exception) -> list[Read]:
    """The deliveries of a connection that cannot be used until somebody mends it: they wait."""
    error = CrmUnavailable(str(broken), retry_after=BROKEN_SECONDS)
    return [Read(name=name, row=row, error=error) for row in rows]


def read_all(
    connected: Connected, rows: Sequence[Row], api_for: Callable[[Connected], Api], clock: Callable[[], datetime]
) -> list[Read]:
    """The deliveries of a connection, what they need fetched in the adapter's batch calls; raises nothing.

    Where an adapter fails on a batch it is given each delivery alone: the one that it fails on stops no other.
    """
    deliveries = [_delivery(row) for row in rows]
    try:
        fetched = connected.adapter.fetch(deliveries, api_for(connected))
    except CrmError as error:
        return [Read(name=connected.name, row=row, connected=connected, error=error) for row in rows]
    except Exception as error:  # noqa: BLE001 - an adapter's bug must not stop the other connections
        if len(rows) > 1:
            return [one for row in rows for one in read_all(connected, [row], api_for, clock)]
        return [Read(name=connected.name, row=rows[0], connected=connected, error=error)]
    as_of = clock() if fetched else None
    return [_parse(connected, row, delivery, fetched, as_of) for row, delivery in zip(rows, deliveries, strict=True)]


def _delivery(row: Row) -> Delivery:
    return Delivery(
        method=row["method"],
        query=tuple((name, value) for name, value in row["query"]),
        headers=row["headers"],
        body=row["body"] or b"",
        received_at=row["received_at"],
    )


def _parse(
    connected: Connected, row: Row, delivery: Delivery, fetched: Mapping[str, Any], as_of: datetime | None
) -> Read:
    try:
        parsed = connected.adapter.parse(delivery, fetched)
    except Exception as error:  # noqa: BLE001 - also an adapter's bug: the delivery is set aside, the rest goes on
        return Read(name=connected.name, row=row, connected=connected, error=error)
    return Read(name=connected.name, row=row, connected=connected, parsed=parsed, as_of=as_of)
