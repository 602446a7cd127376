"""Mappings as people look at them: the one in force, and what is held for want of an entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from connector.operations.mapping_versions import version_of
from connector.runtime.parts import Runtime
from connector.store import deliveries, subjects

_SHOWN: Final = ("connection", "version", "author", "comment", "published_at", "source")


def show(runtime: Runtime, name: str) -> dict[str, Any]:
    """The version in force with its source. Raises `NotFound` when nothing was published."""
    found = version_of(runtime, name)
    return {key: found[key] for key in _SHOWN}


def held(runtime: Runtime, name: str | None = None) -> Iterator[dict[str, Any]]:
    """What is held and why: `what` is events (unmapped) or deliveries (unknown words), `count`, an `example` id."""
    with runtime.database.read() as connection:
        found = [("events", row) for row in subjects.held(connection)]
        found += [("deliveries", row) for row in deliveries.held_unread(connection)]
    for what, row in found:
        if name in {None, row["connection"]}:
            yield {"what": what, **{key: row[key] for key in ("connection", "reason", "count", "example")}}


def wake(runtime: Runtime) -> None:
    """Wake the workers for everything that waits now."""
    with runtime.database.read() as connection:
        lanes = deliveries.waiting_lanes(connection, runtime.clock())
    runtime.wake_lanes(set(lanes))
    runtime.wake_push()
    runtime.wake_notify()
