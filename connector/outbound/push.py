"""Updates go from the outbox to the external systems: the newest state, in batches, verified, tried again by rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from connector.adapter_kit.contract import EMPTIED_STAGE, Adapter, Api, Pushed, PushOutcome, Update
from connector.adapter_kit.defaults import told_stage
from connector.adapter_kit.push_in_batches import outcome_of
from connector.core.decide.echoes import OWNER, STAGE
from connector.core.engine import Ruleset
from connector.core.errors import CrmError, CrmUnavailable
from connector.core.event import Identity, IdentityKind, RecordRef
from connector.core.updates import SeenRecord, ShownSubject, wanted_update
from connector.i18n.statuses import labels_in
from connector.outbound.access import note_access, told_apart
from connector.outbound.fence import FencedApi
from connector.runtime import metrics
from connector.runtime.connections import Connected, Connections
from connector.runtime.leases import Lease, Leases
from connector.runtime.retry import RetryPolicy
from connector.store import connections, outbox
from connector.store import subjects as subject_queries
from connector.store.connections import PUSH
from connector.store.database import Database, new_id
from connector.store.outbox import ClaimedUpdate, RecordToPush, UpdateResult
from connector.store.rows import Row

BATCH: Final = 48
"""With its read-back it fits into one batch call of 50 commands."""
SENDERS: Final = 16
LONGEST_REASON: Final = 2000
STAGES: Final = frozenset({STAGE, EMPTIED_STAGE})
LEFT_ALONE: Final = timedelta(seconds=15)
WAIT_SECONDS: Final = 0.05
log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """An entry of the outbox on its way, its record, and the update (None: there is nothing to send).

    `expected`: what is to come back of it.
    """

    entry: ClaimedUpdate
    record: RecordToPush
    update: Update | None
    expected: Sequence[Expected] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An entry of the echo ledger: the field of the update, its word (`stage` or `owner`), and the value."""

    id: str
    name: str
    word: str
    value: str


class Pusher:
    """Works off the outbox; each connection has its own share: a slow or broken system holds up only itself.

    `retry`: how an update is tried again; its attempts are refusals, its span is how long nobody may answer.
    `wake` is called when a batch ends after its drain.
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
        wake: Callable[[], object] = bool,
    ) -> None:
        self._database = database
        self._connections = connections
        self._ruleset = ruleset
        self._api_for = api_for
        self._clock = clock
        self._leases = Leases(database=database, renew=outbox.renew, clock=clock, length=lease)
        self._retry = retry
        self._wake = wake
        self._in_flight: dict[str, Lease] = {}
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="push")
        self._sending: dict[Future[int], str] = {}
        self._is_draining = False
        self._left_alone: dict[str, datetime] = {}

    def drain(self, has_time: Callable[[], bool]) -> int:
        """Push what is due until nothing is left or the time is up; how many entries were worked on.

        Batches that are on their way when the time is up go on by themselves: a system that hangs holds up nobody. A
        connection on which something unforeseen fails stops no other; it is left alone for a while.
        """
        self._is_draining, count = True, 0
        try:
            while True:
                count += self._collect()
                is_time = has_time()
                for name in self.waiting() if is_time else ():
                    self._submit(name)
                if not self._sending or not is_time:
                    return count
                wait(self._sending, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
                self._leases.renew(list(self._in_flight.values()))
        finally:
            self._is_draining = False

    def _submit(self, name: str) -> None:
        future = self._pool.submit(self.push_batch, name)
        self._sending[future] = name
        future.add_done_callback(lambda _: None if self._is_draining else self._wake())

    def _collect(self) -> int:
        """Let go of the batches that have ended; how many entries they had."""
        count = 0
        for future in [one for one in self._sending if one.done()]:
            name = self._sending.pop(future)
            if (error := future.exception()) is None:
                count += future.result()
            else:
                log.error("push failed", connection=name, exc_info=error)
                self._left_alone[name] = self._clock() + LEFT_ALONE
        return count

    def waiting(self) -> list[str]:
        """The connections with updates that are due, without paused ones, those that are left alone or at work here."""
        now = self._clock()
        with self._database.read() as connection:
            names = outbox.waiting_connections(connection, now)
            refused = {one.connection for one in connections.list_refusals(connection, PUSH) if one.until > now}
        known = self._connections.all()
        busy = {name for future, name in list(self._sending.items()) if not future.done()}
        return [
            name
            for name in names
            if name in known and not known[name].is_paused and self._left_alone.get(name, now) <= now
            if name not in refused and name not in busy
        ]

    def push_batch(self, name: str) -> int:
        """Claim and send one batch of a connection, and record the results; how many entries it had."""
        connected = self._connections.get(name)
        if connected is None or connected.is_paused:
            return 0
        now = self._clock()
        with self._database.write() as connection:
            claimed = outbox.claim(connection, name, now, lease=self._leases.length, limit=BATCH)
            sending = self._prepare(connection, claimed, connected)
        lease = Lease(ids=[entry.id for entry in claimed], until=now + self._leases.length)
        self._in_flight[name] = lease
        try:
            with self._leases.renewed(lease):
                self._push(connected, sending, lease)
        finally:
            del self._in_flight[name]
        return len(sending)

    def _prepare(self, connection: Connection, claimed: Sequence[ClaimedUpdate], connected: Connected) -> list[Sending]:
        """The updates for claimed entries from the subjects' present states; the ledger is written first."""
        records = outbox.records_for(connection, {entry.record for entry in claimed})
        identities = subject_queries.identities_of(connection, {record.subject for record in records.values()})
        sending = []
        now = self._clock()
        for entry in claimed:
            record = records[entry.record]
            update = self._update(entry, record, identities[record.subject], connected)
            expected = [] if update is None else _expected(update, connected, now)
            sending.append(Sending(entry=entry, record=record, update=update, expected=expected))
        outbox.note_push(connection, [row for one in sending for row in _ledger_rows(one, now)])
        return sending

    def _update(
        self, entry: ClaimedUpdate, record: RecordToPush, identities: Sequence[tuple[str, str]], connected: Connected
    ) -> Update | None:
        ruleset = self._ruleset()
        seen = SeenRecord(
            object=record.object,
            pipeline=record.pipeline,
            stage=record.stage,
            owner=record.shown_owner,
            is_gone=record.is_gone,
        )
        shown = ShownSubject(
            status=record.status,
            label=labels_in("en", ruleset.statuses.values()).get(record.status, record.status),
            since=record.since,
            owner=record.owner,
            profile=record.profile,
            identities=identities,
        )
        wanted = wanted_update(connected.rules, seen, shown, ruleset.zone)
        if wanted is None:
            return None
        if wanted.status and _is_shown(wanted.status, record, connected.adapter):
            wanted = replace(wanted, status={})  # several statuses may have one stage
        if wanted.is_empty:
            return None
        return Update(
            key=f"{entry.id}.{entry.revision}",
            record=RecordRef(object=record.object, id=record.external_id),
            status=record.status,
            label=wanted.label,
            since=record.since,
            fields=wanted.fields,
            owner=wanted.owner,
            owner_field=wanted.owner_field,
            attempted_at=self._clock(),
            identities=tuple(Identity(kind=IdentityKind(kind), value=value) for kind, value in identities),
        )

    def _push(self, connected: Connected, sending: Sequence[Sending], lease: Lease) -> None:
        updates = [one.update for one in sending if one.update is not None]
        started = self._clock()
        pushed = told_apart(self._send(connected, updates, lease)) if updates else {}
        metrics.observe_push(connected.name, (self._clock() - started).total_seconds())
        results = [(one, _result(one, pushed)) for one in sending]
        until = self._leases.end(lease)
        self._database.attempt(lambda connection: self._record_results(connection, connected.name, results, until))
        for _, result in results:
            metrics.count_push(connected.name, result.outcome.value)

    def _send(self, connected: Connected, updates: Sequence[Update], lease: Lease) -> Mapping[str, Pushed]:
        """Results by the updates' keys."""
        try:
            api = FencedApi(self._api_for(connected), lambda: self._leases.is_ours(lease, lease.ids, outbox.held))
            pushed = connected.adapter.push(updates, api)
        except CrmUnavailable as error:
            pushed = [_later(update, str(error), error.retry_after) for update in updates]
        except CrmError as error:
            outcome = outcome_of(error)
            pushed = [Pushed(key=one.key, outcome=outcome, reason=str(error)) for one in updates]
        except Exception as error:
            log.exception("push failed", connection=connected.name)
            pushed = [_later(update, f"{type(error).__name__}: {error}") for update in updates]
        return {one.key: one for one in pushed}

    def _record_results(
        self, connection: Connection, name: str, all_results: Sequence[tuple[Sending, Pushed]], until: datetime
    ) -> None:
        """Write down what came of a batch whose lease was given until then; what others took over is pushed again."""
        now = self._clock()
        ours = outbox.held(connection, {one.entry.id for one, _ in all_results}, until, lock=True)
        lost = [one for one, _ in all_results if one.entry.id not in ours and one.update is not None]
        if lost:
            _push_again(connection, lost, now)
        results = [(one, pushed) for one, pushed in all_results if one.entry.id in ours]
        tried = [pushed for one, pushed in results if one.update is not None]
        is_closed = note_access(connection, name, tried, now)
        ended = [self._end(one.entry, pushed, now, is_closed=is_closed) for one, pushed in results]
        outbox.record_results(connection, ended, now)
        gone = {one.record.id for one, pushed in results if pushed.outcome is PushOutcome.GONE}
        if gone:
            outbox.note_gone(connection, gone, now)
        unwritten = [of.id for one, pushed in results for of in one.expected if of.name in pushed.unwritten]
        outbox.withdraw(connection, unwritten)
        for word, was in ((STAGE, "stage"), (OWNER, "shown_owner")):
            shown = {
                one.record.id: {"was": getattr(one.record, was), "now_in": of.value}
                for one, pushed in results
                for of in one.expected
                if of.word == word and pushed.outcome is PushOutcome.DONE
            }
            outbox.note_shown(connection, word, [{"row_id": of, **row} for of, row in shown.items()])

    def _end(self, entry: ClaimedUpdate, pushed: Pushed, now: datetime, *, is_closed: bool) -> UpdateResult:
        """How an entry ends by its result, or when it is tried again: where the connection is closed, with that."""
        why = pushed.reason and pushed.reason.replace("\0", "\ufffd")[:LONGEST_REASON]
        if pushed.outcome in {PushOutcome.DONE, PushOutcome.GONE}:
            return UpdateResult(update=entry, outcome=pushed.outcome.value, why=why)
        refusals = entry.refusals
        if pushed.outcome is PushOutcome.REFUSED:
            refusals += 1
            is_over = self._retry.is_over(attempts=refusals)
        else:
            is_over = self._retry.is_over(failing=now - (entry.failing_since or now))
        if is_over:
            return UpdateResult(update=entry, outcome=outbox.DEAD, why=why)
        until = now if is_closed else now + self._retry.pause(entry.attempts, pushed.retry_after)
        return UpdateResult(update=entry, outcome=outbox.WAITING, why=why, until=until, refusals=refusals)


def _push_again(connection: Connection, lost: Sequence[Sending], now: datetime) -> None:
    """Nobody knows whether these came before or after what another worker sent: the records may show either."""
    for word, name in ((STAGE, "stage"), (OWNER, "owner")):
        shown = {one.record.id: of.value for one in lost for of in one.expected if of.word == word}
        outbox.note_overwritten(connection, name, [{"row_id": of, "now_in": value} for of, value in shown.items()])
    outbox.push_again(connection, {one.entry.id for one in lost}, now)
    log.warning("the lease ended while a batch was sent; it is sent again", updates=len(lost))


def _later(update: Update, reason: str, retry_after: float | None = None) -> Pushed:
    """The update is to be tried again, in `retry_after` seconds where that is known."""
    return Pushed(key=update.key, outcome=PushOutcome.LATER, reason=reason, retry_after=retry_after)


def _result(one: Sending, pushed: Mapping[str, Pushed]) -> Pushed:
    """What became of it, by the keys of the updates."""
    if one.update is None:
        return Pushed(key="", outcome=PushOutcome.DONE, reason="nothing to send")
    return pushed.get(one.update.key) or _later(one.update, "the adapter gave no result")


def _is_shown(status: Mapping[str, Any], record: RecordToPush, adapter: Adapter) -> bool:
    """Whether the fields of a status are nothing but the stage that the record is known to be in."""
    for name, value in status.items():
        stage, pipeline = told_stage(adapter, record.object, str(value), record.pipeline or "")
        is_same = stage.casefold() == (record.stage or "").casefold() and pipeline == (record.pipeline or "")
        if adapter.ECHOES.get(name) not in STAGES or not is_same:
            return False
    return True


def _expected(update: Update, connected: Connected, now: datetime) -> list[Expected]:
    """What will come back of an update in the system's own events."""
    found: list[tuple[str, str, str]] = []
    for name, value in update.fields.items():
        word = connected.adapter.ECHOES.get(name)
        if word == EMPTIED_STAGE:
            found.append((name, STAGE, ""))
        if word in STAGES:
            found.append((name, STAGE, told_stage(connected.adapter, update.record.object, str(value))[0]))
        elif word is not None:
            found.append((name, word, str(value)))
    if update.owner is not None and update.owner_field is not None:
        found.append((update.owner_field, OWNER, update.owner.casefold()))
    return [Expected(id=new_id(now), name=name, word=word, value=value) for name, word, value in found]


def _ledger_rows(one: Sending, now: datetime) -> list[Row]:
    """Rows of the echo ledger for what is being sent; `now` aware UTC."""
    return [
        {"id": of.id, "record": one.record.id, "field": of.word, "value": of.value.casefold(), "at": now}
        for of in one.expected
    ]
