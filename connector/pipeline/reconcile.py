"""Reconciliation: asks the systems what changed, so that what webhooks missed is found, counted and repaired.

Systems without webhooks are polled by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import structlog
from rq.timeouts import BaseTimeoutException

from connector.adapter_kit.contract import Answer, Api
from connector.core.errors import AccessRefused, BadPayload, CrmError, CrmUnavailable
from connector.core.event import Event, Outcome
from connector.runtime import metrics
from connector.runtime.connections import Connected, Connections, note_granted, note_refused
from connector.runtime.retry import READING
from connector.store import connections as queries
from connector.store.connections import CHANGES
from connector.store.database import Database

OVERLAP: Final = timedelta(minutes=15)
"""How far each run looks back behind the start of the last one: clocks differ, and systems publish late."""
FIRST: Final = timedelta(days=7)
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
BATCH: Final = 500
UNREADABLE: Final = "unreadable"
KNOWN: Final = frozenset({Outcome.DUPLICATE, Outcome.ECHO, Outcome.DEAD, UNREADABLE})
"""Outcomes of events that were there already, or could not be written: those were not found by reconciliation."""
log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a round did: whether something is to be sent, and whether the time was up before all had their turn."""

    has_updates: bool
    is_cut_short: bool


class Reconciler:
    """Asks the connections' systems what changed. `apply_events` applies some: how many by outcome, has it updates."""

    def __init__(
        self,
        *,
        database: Database,
        connections: Connections,
        api_for: Callable[[Connected], Api],
        apply_events: Callable[[Connected, Sequence[Event]], tuple[Counter[str], bool]],
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        batch_size: int = BATCH,
    ) -> None:
        self._database = database
        self._connections = connections
        self._api_for = api_for
        self._apply_events = apply_events
        self._clock = clock
        self._sleep = sleep
        self._batch_size = batch_size

    def reconcile_all(
        self, has_time: Callable[[], bool] = lambda: True, *, unless_within: timedelta = timedelta(0)
    ) -> Round:
        """Reconcile every connection that is not paused, the one that waits longest first; a failure stops no other.

        When the time is up, the one that is being read is read to its end, and the others are left to the next round.
        `unless_within`: those that had their turn so recently are left out.
        """
        has_updates = False
        for connected in self._longest_waiting_first(self._clock() - unless_within):
            if not has_time():
                return Round(has_updates=has_updates, is_cut_short=True)
            try:
                counts, is_changed = self.reconcile(connected)
            except CrmError as error:
                log.warning("not reconciled", connection=connected.name, error=str(error))
            except BaseTimeoutException:
                raise
            except Exception:
                log.exception("not reconciled", connection=connected.name)
            else:
                has_updates |= is_changed
                if found := _found(counts):
                    log.info("events that no webhook brought", connection=connected.name, events=found)
        return Round(has_updates=has_updates, is_cut_short=False)

    def reconcile(self, connected: Connected, since: datetime | None = None) -> tuple[Counter[str], bool]:
        """Apply what changed in a system since `since` (None: since the last run); events by outcome, has it updates.

        What no webhook had brought is counted, but for the first run: it finds what was there before the connection.
        """
        started = self._clock()
        with self._database.write() as connection:
            last = queries.reconciled_at(connection, connected.name)
            queries.change(connection, connected.name, tried_at=started)
        start = since or (last - OVERLAP if last else started - FIRST)
        counts: Counter[str] = Counter()
        has_updates = False
        with self._noting(connected.name):
            changes = connected.adapter.changes(start, Patient(self._api_for(connected), self._sleep))
            for batch, unreadable in batches(connected.name, changes, self._clock, self._batch_size):
                more, is_changed = self._apply_events(connected, batch)
                counts.update(more)
                counts.update({UNREADABLE: unreadable} if unreadable else {})
                has_updates |= is_changed
                if last is not None and (found := _found(more)):
                    self._count(connected.name, found)
        with self._database.write() as connection:
            queries.change(connection, connected.name, reconciled_at=started)
            note_granted(connection, connected.name, CHANGES)
        return counts, has_updates

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """It is noted where the system refuses the connection as a whole."""
        try:
            yield
        except AccessRefused as error:
            with self._database.write() as connection:
                note_refused(connection, name, CHANGES, str(error), self._clock())
            raise

    def _longest_waiting_first(self, until: datetime) -> list[Connected]:
        """So that where time is up before the work, it is not always for the same ones, also where one always fails."""
        with self._database.read() as connection:
            last = {row.name: row.tried_at or EARLIEST for row in queries.listed(connection)}
        known = [connected for connected in self._connections.all().values() if not connected.is_paused]
        waiting = [one for one in known if last.get(one.name, EARLIEST) <= until]
        return sorted(waiting, key=lambda connected: last.get(connected.name, EARLIEST))

    def _count(self, name: str, found: int) -> None:
        metrics.count_missed(name, found)
        with self._database.write() as connection:
            queries.count_missed(connection, name, found)


class Patient:
    """An `Api` that tries a call again a few times: a run of many pages must not fail for one busy moment."""

    def __init__(self, api: Api, sleep: Callable[[float], None]) -> None:
        self._api = api
        self._sleep = sleep

    @property
    def memo(self) -> dict[str, Any]:
        """The connection's cache."""
        return self._api.memo

    def set_secret(self, name: str, value: str) -> None:
        """As `Api.set_secret`."""
        self._api.set_secret(name, value)

    def get_secret(self, name: str) -> str | None:
        """As `Api.get_secret`."""
        return self._api.get_secret(name)

    def call(self, method: str, url: str, **content: Any) -> Answer:
        """As `Api.call`, tried again as the policy says; but nobody waits for longer than its longest pause."""
        attempts = 0
        while True:
            attempts += 1
            try:
                return self._api.call(method, url, **content)
            except CrmUnavailable as error:
                pause = READING.pause(attempts, error.retry_after)
                if READING.is_over(attempts=attempts) or pause > READING.most:
                    raise
                self._sleep(pause.total_seconds())


def _found(counts: Counter[str]) -> int:
    return sum(count for outcome, count in counts.items() if outcome not in KNOWN)


def batches(
    name: str, told: Iterator[Event | BadPayload], clock: Callable[[], datetime], size: int = BATCH
) -> Iterator[tuple[list[Event], int]]:
    """The events in lists of at most `size`, and how much beside them cannot be read, of which the log tells.

    Each event has the time at which it was read, that of the `clock` where the adapter does not know it.
    """
    read = (replace(one, read_at=one.read_at or clock()) if isinstance(one, Event) else one for one in told)
    while batch := list(islice(read, size)):
        events = [one for one in batch if isinstance(one, Event)]
        for one in batch:
            if isinstance(one, BadPayload):
                log.warning("what the system told cannot be read", connection=name, error=str(one))
        yield events, len(batch) - len(events)
