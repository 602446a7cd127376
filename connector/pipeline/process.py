"""Deliveries become events, decisions, state and outbox: claims a batch, reads it by adapter, writes it in one go."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from connector.adapter_kit.contract import Api
from connector.core.decide.batch import Context
from connector.core.engine import Ruleset
from connector.core.errors import AccessRefused, BadPayload, ConnectorError, CrmError, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Outcome
from connector.pipeline.batch import run_batch
from connector.pipeline.normalize import LONGEST_ERROR, Tally, normalized, tally_json
from connector.pipeline.read import ParsedDelivery, read_broken, read_deliveries, read_removed
from connector.runtime import metrics
from connector.runtime.connections import BrokenConnection, Connected, Connections
from connector.runtime.leases import Lease, Leases
from connector.runtime.retry import RetryPolicy
from connector.store import deliveries as queries
from connector.store import remaps
from connector.store.database import Database, is_overtaken
from connector.store.deliveries import ClaimedDelivery, DeliveryResult

BATCH: Final = 250
EVENTS: Final = 400
"""Events that are written in one transaction: it holds SQLite's lock for some tenths of a second."""
READERS: Final = 8
WAIT_SECONDS: Final = 0.05
REFUSED_SECONDS: Final = 60.0
"""How soon a delivery is read again whose connection the system refuses as a whole."""
log: Final = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Drained:
    """What a drain did: deliveries finished, and whether there is something to send."""

    finished: int = 0
    has_updates: bool = False


@dataclass(slots=True, kw_only=True)
class _Claim:
    """Deliveries of one connection that are ours until the lease ends."""

    name: str
    deliveries: Sequence[ClaimedDelivery]
    lease: Lease


class Processor:
    """Works off a lane's pending deliveries. `api_for` gives a connection's `Api`, `clock` the time (aware UTC).

    `retry`: how a delivery is tried again; its span is how long a system may be away, its attempts are for all else.
    """

    def __init__(
        self,
        *,
        database: Database,
        connections: Connections,
        ruleset: Callable[[], Ruleset],
        api_for: Callable[[Connected], Api],
        clock: Callable[[], datetime],
        lease: timedelta,
        retry: RetryPolicy,
        echo_window: timedelta,
        batch_size: int = BATCH,
    ) -> None:
        self._database = database
        self._connections = connections
        self._ruleset = ruleset
        self._api_for = api_for
        self._clock = clock
        self._leases = Leases(database=database, renew=queries.renew, clock=clock, length=lease)
        self._retry = retry
        self._echo_window = echo_window
        self._batch_size = batch_size

    def drain(self, lane: int, has_time: Callable[[], bool], wake_push: Callable[[], object] = bool) -> Drained:
        """Process what waits in the lane until nothing is left or the time is up.

        A connection whose system answers slowly holds up its own deliveries only: the others go on meanwhile, also
        beyond the time while such a one is waited for. `wake_push` is called whenever there is something to send.
        """
        drained = Drained()
        reading: dict[Future[list[ParsedDelivery]], _Claim] = {}
        slow: frozenset[str] = frozenset()
        with _collector_at_rest(), ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
            while True:
                names = frozenset(claim.name for claim in reading.values())
                if not has_time():
                    slow = slow or names
                if len(reading) < READERS and (has_time() or names & slow):
                    for claim in self._claim(lane, names | slow):
                        reading[pool.submit(self._read, claim)] = claim
                if not reading:
                    return drained
                done, _ = wait(reading, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
                parsed = [delivery for future in done for delivery in future.result()]
                with self._leases.renewed(*(reading.pop(future).lease for future in done)):
                    for portion in _portions(parsed):
                        if self._write_batch(portion):
                            drained.has_updates = True
                            wake_push()
                        drained.finished += len(portion)
                        gc.collect(0)
                self._leases.renew([claim.lease for claim in reading.values()])

    def process(self, claimed: Sequence[ClaimedDelivery]) -> bool:
        """Read and write claimed deliveries; whether there is something to send."""
        claims = _claims(claimed, self._clock())
        parsed = [delivery for claim in claims for delivery in self._read(claim)]
        each = [self._write_batch(portion) for portion in _portions(parsed)]
        return any(each)

    def apply_events(
        self,
        connected: Connected,
        events: Sequence[Event],
        *,
        is_silent: bool = False,
        has_new_leads: bool = True,
    ) -> tuple[Counter[str], bool]:
        """Apply events that no webhook brought, as `outcomes_of`; how many by outcome, is something to be sent."""
        options = {"is_silent": is_silent, "has_new_leads": has_new_leads}
        outcomes, has_updates = self.outcomes_of(connected, events, **options)
        return Counter(map(str, outcomes)), has_updates

    def outcomes_of(
        self,
        connected: Connected,
        events: Sequence[Event],
        *,
        is_silent: bool = False,
        has_new_leads: bool = True,
    ) -> tuple[list[Outcome], bool]:
        """Apply events that no webhook brought; the outcome of each, and whether something is to be sent.

        An event that cannot be written stops no other: it counts as dead, and the log says why. `is_silent`: nobody is
        mailed for what they lead to. `has_new_leads`: those who become leads by them are new ones (see `Context`).
        """
        options = {"is_silent": is_silent, "has_new_leads": has_new_leads}
        source = ParsedDelivery(name=connected.name, as_of=self._clock(), connected=connected, parts=events)

        def work(connection: Connection) -> tuple[list[Outcome], bool]:
            tally = Tally()
            has_updates = self._apply(connection, [source], tally, **options)
            return tally.outcomes, has_updates

        try:
            with _collector_at_rest():
                return self._database.attempt(work)
        except (OperationalError, BaseTimeoutException):
            raise
        except Exception:
            if len(events) > 1:
                middle = len(events) // 2
                halves = (events[:middle], events[middle:])
                first, second = (self.outcomes_of(connected, half, **options) for half in halves)
                return first[0] + second[0], first[1] or second[1]
            log.exception("event failed", connection=connected.name, key=events[0].key)
            return [Outcome.DEAD], False

    def _claim(self, lane: int, without: Collection[str]) -> list[_Claim]:
        now = self._clock()
        with self._database.write() as connection:
            claimed = queries.claim(
                connection, lane, now, lease=self._leases.length, limit=self._batch_size, without=sorted(without)
            )
        return _claims(claimed, now + self._leases.length)

    def _read(self, claim: _Claim) -> list[ParsedDelivery]:
        try:
            connected = self._connections.get(claim.name) or self._connections.look_again(claim.name)
        except BrokenConnection as error:
            return read_broken(claim.name, claim.deliveries, error)
        if connected is None:
            return read_removed(claim.name, claim.deliveries)
        return read_deliveries(connected, claim.deliveries, self._api_for, self._clock)

    def _write_batch(self, parsed: Sequence[ParsedDelivery]) -> bool:
        """Write the batch; if that fails, each delivery alone, so that a poisoned one stops no other."""
        started = self._clock()
        try:
            has_updates = self._write_large(parsed[0]) if len(parsed) == 1 else self._write_all(parsed)
        except Exception as error:
            if isinstance(error, BaseTimeoutException) or (
                isinstance(error, OperationalError) and not is_overtaken(error)
            ):
                raise
            if len(parsed) > 1:
                each = [self._write_batch([delivery]) for delivery in parsed]
                return any(each)
            log.exception("delivery failed", delivery=parsed[0].id, connection=parsed[0].name)
            with self._database.write() as connection:
                self._record_failure(connection, parsed[0], error)
            return False
        metrics.observe_batch(len(parsed), (self._clock() - started).total_seconds())
        return has_updates

    def _write_all(self, parsed: Sequence[ParsedDelivery]) -> bool:
        return self._database.attempt(lambda connection: self._write(connection, parsed, Tally()))

    def _write_large(self, parsed: ParsedDelivery) -> bool:
        """Write a delivery in as many transactions as its events need; how far it has come is stored with it."""
        written = parsed.claimed.tally or {} if parsed.claimed and parsed.error is None else {}
        has_updates, is_last = False, False
        while not is_last:
            done = sum(written.values())
            part = replace(parsed, parts=parsed.parts[done : done + EVENTS])
            is_last = done + EVENTS >= len(parsed.parts)
            work = partial(self._write_next, part=part, written=written, is_last=is_last)
            has_more, written = self._database.attempt(work)
            has_updates |= has_more
        return has_updates

    def _write_next(
        self, connection: Connection, *, part: ParsedDelivery, written: Mapping[str, int], is_last: bool
    ) -> tuple[bool, Mapping[str, int]]:
        """Write the next events of a delivery; whether something is to be sent, and how all of them ended so far."""
        tally, delivery = Tally(), part.id or ""
        tally.add_written(delivery, written)
        if is_last:
            return self._write(connection, [part], tally), {}
        has_updates = self._apply(connection, [part], tally)
        so_far = tally_json(tally.counts[delivery])
        remaps.note_progress(connection, delivery, so_far)
        return has_updates, so_far

    def _write(self, connection: Connection, parsed: Sequence[ParsedDelivery], tally: Tally) -> bool:
        for delivery in parsed:
            if delivery.error is not None:
                self._record_failure(connection, delivery, delivery.error)
        readable = [delivery for delivery in parsed if delivery.error is None]
        has_updates = self._apply(connection, readable, tally)
        now = self._clock()
        results = [tally.result(delivery.id) for delivery in readable if delivery.id is not None]
        queries.finish(connection, results, now)
        ended = Counter((delivery.name, result.outcome) for delivery, result in zip(readable, results, strict=True))
        for (name, outcome), number in ended.items():
            metrics.count_outcome(name, outcome, number)
        return has_updates

    def _apply(
        self,
        connection: Connection,
        parsed: Sequence[ParsedDelivery],
        tally: Tally,
        *,
        is_silent: bool = False,
        has_new_leads: bool = True,
    ) -> bool:
        """Run the events of deliveries through load, decide and save; whether something is to be sent."""
        context = Context(
            ruleset=self._ruleset(),
            now=self._clock(),
            mappings=self._connections.pushed_mappings(),
            identifying=self._connections.identifying(),
            echo_window=self._echo_window,
            is_silent=is_silent,
            has_new_leads=has_new_leads,
        )
        changes = run_batch(connection, context, normalized(parsed, tally, context.ruleset.settings.identity))
        tally.add(*changes.outcomes)
        return changes.is_anything_to_send

    def _record_failure(self, connection: Connection, parsed: ParsedDelivery, error: Exception) -> None:
        """Hold, postpone or give up a delivery that could not be read or written, by what stopped it."""
        claimed = parsed.claimed
        if claimed is None:
            return
        now, text = self._clock(), _in_words(error)
        if not isinstance(error, UnknownEvent | BadPayload) and not self._is_given_up(claimed, error, now):
            retry_after = error.retry_after if isinstance(error, CrmUnavailable) else None
            retry_after = REFUSED_SECONDS if isinstance(error, AccessRefused) else retry_after
            until = now + self._retry.pause(claimed.attempts, retry_after)
            queries.postpone(connection, claimed, until, text)
            return
        outcome = Outcome.HELD if isinstance(error, UnknownEvent) else Outcome.DEAD
        metrics.count_outcome(parsed.name, outcome.value)
        tally = {**remaps.progress(connection, claimed.id), outcome.value: 1}
        result = DeliveryResult(id=claimed.id, outcome=outcome, tally=tally, error=text)
        queries.finish(connection, [result], now)

    def _is_given_up(self, claimed: ClaimedDelivery, error: Exception, now: datetime) -> bool:
        if isinstance(error, AccessRefused):  # of which the delivery knows nothing: it waits for as long as it takes
            return False
        is_away = isinstance(error, CrmError) and not self._retry.is_over(failing=now - claimed.received_at)
        return not is_away and self._retry.is_over(attempts=claimed.attempts)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Nothing is searched for reference cycles on the way: a batch has many values and no cycles, and that costs 20 %.

    After each batch the youngest generation is searched all the same, for what others may have left.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _portions(parsed: Sequence[ParsedDelivery]) -> Iterator[list[ParsedDelivery]]:
    """Deliveries that are written together: as many as have `EVENTS` events, a larger one by itself."""
    portion: list[ParsedDelivery] = []
    count = 0
    for delivery in parsed:
        if portion and count + len(delivery.parts) > EVENTS:
            yield portion
            portion, count = [], 0
        portion.append(delivery)
        count += len(delivery.parts)
    if portion:
        yield portion


def _claims(claimed: Sequence[ClaimedDelivery], until: datetime) -> list[_Claim]:
    by_connection: dict[str, list[ClaimedDelivery]] = defaultdict(list)
    for delivery in claimed:
        by_connection[delivery.connection].append(delivery)
    return [
        _Claim(name=name, deliveries=rows, lease=Lease(ids=[row.id for row in rows], until=until))
        for name, rows in by_connection.items()
    ]


def _in_words(error: Exception) -> str:
    """An error in words that any database can keep; a database's own error without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = f"{cause}" if isinstance(error, ConnectorError) else f"{type(cause).__name__}: {cause}"
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()[:LONGEST_ERROR]
