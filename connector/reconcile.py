"""Reconciliation: asks the systems what changed, so that what webhooks missed is found, counted and repaired."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import structlog
from rq.timeouts import BaseTimeoutException

from connector.adapter import Answer, Api
from connector.connections import Connected
from connector.core.errors import CrmError, CrmUnavailable
from connector.core.event import Event
from connector.runtime import Runtime
from connector.store import connections as queries

OVERLAP: Final = timedelta(minutes=15)
"""How far each run looks back behind the start of the last one: clocks differ, and systems publish late."""
FIRST: Final = timedelta(days=7)
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
BATCH: Final = 500
TRIES: Final = 5
LONGEST_PAUSE: Final = 15.0
log: Final = structlog.get_logger(__name__)


def reconcile_all(runtime: Runtime) -> bool:
    """Reconcile every connection that is not paused; whether something is to be sent. One that fails stops no other."""
    has_updates = False
    for connected in _least_recent_first(runtime):
        try:
            counts, is_changed = reconcile(runtime, connected)
        except CrmError as error:
            log.warning("not reconciled", connection=connected.name, error=str(error))
        except BaseTimeoutException:
            raise
        except Exception:
            log.exception("not reconciled", connection=connected.name)
        else:
            has_updates |= is_changed
            missed = sum(count for outcome, count in counts.items() if outcome not in {"duplicate", "echo"})
            if missed:
                log.info("webhooks missed events", connection=connected.name, events=missed)
    return has_updates


def _least_recent_first(runtime: Runtime) -> list[Connected]:
    """So that where the time is up before the work, it is not always for the same ones."""
    with runtime.database.read() as connection:
        last = {row["name"]: row["reconciled_at"] or EARLIEST for row in queries.listed(connection)}
    known = [connected for connected in runtime.connections.all().values() if not connected.is_paused]
    return sorted(known, key=lambda connected: last.get(connected.name, EARLIEST))


def reconcile(runtime: Runtime, connected: Connected, since: datetime | None = None) -> tuple[Counter[str], bool]:
    """Take what changed in a connection's system since `since` (None: since the last run); events by outcome."""
    started = runtime.clock()
    with runtime.database.read() as connection:
        last = queries.reconciled_at(connection, connected.name)
    start = since or (last - OVERLAP if last else started - FIRST)
    counts: Counter[str] = Counter()
    has_updates = False
    for batch in _batches(connected.adapter.changes(start, Patient(runtime.api_for(connected)))):
        more, is_changed = runtime.processor.take(connected, batch)
        counts.update(more)
        has_updates |= is_changed
    with runtime.database.write() as connection:
        queries.change(connection, connected.name, reconciled_at=started)
    return counts, has_updates


class Patient:
    """An `Api` that tries a call again a few times: a run of many pages must not fail for one busy moment."""

    def __init__(self, api: Api, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api = api
        self._sleep = sleep

    @property
    def memo(self) -> dict[str, Any]:
        """The connection's cache."""
        return self._api.memo

    def keep(self, name: str, value: str) -> None:
        """As `Api.keep`."""
        self._api.keep(name, value)

    def kept(self, name: str) -> str | None:
        """As `Api.kept`."""
        return self._api.kept(name)

    def call(self, method: str, url: str, **content: Any) -> Answer:
        """As `Api.call`, up to `TRIES` times."""
        for number in range(1, TRIES):
            try:
                return self._api.call(method, url, **content)
            except CrmUnavailable as error:
                pause = error.retry_after or float(number)
                if pause > LONGEST_PAUSE:
                    raise
                self._sleep(pause)
        return self._api.call(method, url, **content)


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    while batch := list(islice(events, BATCH)):
        yield batch
