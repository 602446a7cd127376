"""Reconciliation: asks the systems what changed, so that what webhooks missed is found, counted and repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import structlog

from connector.connections import Connected
from connector.core.errors import CrmError
from connector.core.event import Event
from connector.runtime import Runtime
from connector.store import connections as queries

OVERLAP: Final = timedelta(minutes=15)
"""How far each run looks back behind the start of the last one: clocks differ, and systems publish late."""
FIRST: Final = timedelta(days=7)
BATCH: Final = 500
log: Final = structlog.get_logger(__name__)


def reconcile_all(runtime: Runtime) -> bool:
    """Reconcile every connection that is not paused; whether something is to be sent. One that fails stops no other."""
    has_updates = False
    for connected in list(runtime.connections.all().values()):
        if not connected.is_paused:
            try:
                counts, is_changed = reconcile(runtime, connected)
            except CrmError as error:
                log.warning("not reconciled", connection=connected.name, error=str(error))
                continue
            has_updates |= is_changed
            missed = sum(count for outcome, count in counts.items() if outcome not in {"duplicate", "echo"})
            if missed:
                log.info("webhooks missed events", connection=connected.name, events=missed)
    return has_updates


def reconcile(runtime: Runtime, connected: Connected, since: datetime | None = None) -> tuple[Counter[str], bool]:
    """Take what changed in a connection's system since `since` (None: since the last run); events by outcome."""
    started = runtime.clock()
    with runtime.database.read() as connection:
        last = queries.reconciled_at(connection, connected.name)
    start = since or (last - OVERLAP if last else started - FIRST)
    counts: Counter[str] = Counter()
    has_updates = False
    for batch in _batches(connected.adapter.changes(start, runtime.api_for(connected))):
        more, is_changed = runtime.processor.take(connected, batch)
        counts.update(more)
        has_updates |= is_changed
    with runtime.database.write() as connection:
        queries.change(connection, connected.name, reconciled_at=started)
    return counts, has_updates


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    while batch := list(islice(events, BATCH)):
        yield batch
