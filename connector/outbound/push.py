"""Updates go from the outbox to the external systems: the newest state, in batches, verified, tried again by rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from connector.adapter_kit.contract import Api, Pushed, PushOutcome, Update
from connector.core.engine import Ruleset
from connector.core.errors import CrmError, CrmUnavailable
from connector.core.event import Identity, IdentityKind, RecordRef
from connector.core.updates import SeenRecord, ShownSubject, wanted_update
from connector.i18n.statuses import labels_in
from connector.outbound.sending import (
    REFUSED,
    Sending,
    echoed,
    end_of,
    later,
    ledger_rows,
    pause_of,
    refusals_of,
    result_of,
)
from connector.runtime import metrics
from connector.runtime.connections import Connected, Connections
from connector.store import outbox
from connector.store import subjects as subject_queries
from connector.store.database import Database
from connector.store.rows import Row

BATCH: Final = 48
"""With its read-back it fits into one batch call of 50 commands."""
SENDERS: Final = 16
LONGEST_REASON: Final = 2000
LEFT_ALONE: Final = timedelta(seconds=15)
WAIT_SECONDS: Final = 0.05
RENEWED: Final = 2 / 3
"""A lease is renewed when less than this share of it is left."""
log: Final = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Flight:
    """Entries that are being sent, ours until the lease ends."""

    ids: Sequence[str]
    until: datetime


class Pusher:
    """Works off the outbox; each connection has its own share: a slow or broken system holds up only itself."""

    def __init__(
        self,
        *,
        database: Database,
        connections: Connections,
        ruleset: Ruleset,
        api_for: Callable[[Connected], Api],
        clock: Callable[[], datetime],
        lease: timedelta,
        give_up: timedelta,
    ) -> None:
        self._database = database
        self._connections = connections
        self._zone = ruleset.zone
        self._labels = labels_in("en", ruleset.statuses.values())
        self._api_for = api_for
        self._clock = clock
        self._lease = lease
        self._give_up = give_up
        self._in_flight: dict[str, _Flight] = {}
        self._left_alone: dict[str, datetime] = {}

    def drain(self, has_time: Callable[[], bool]) -> int:
        """Push what is due until nothing is left or the time is up; how many entries were worked on.

        A connection on which something unforeseen fails stops no other; it is left alone for a while.
        """
        count = 0
        sending: dict[Future[int], str] = {}
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="push") as pool:
            while True:
                for name in self.waiting() if has_time() else ():
                    if name not in sending.values():
                        sending[pool.submit(self.push_batch, name)] = name
                if not sending:
                    return count
                done, _ = wait(sending, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
                self._keep()
                for future in done:
                    name = sending.pop(future)
                    if (error := future.exception()) is None:
                        count += future.result()
                    else:
                        log.error("push failed", connection=name, exc_info=error)
                        self._left_alone[name] = self._clock() + LEFT_ALONE

    def push_batch(self, name: str) -> int:
        """Claim, send and settle one batch of a connection; how many entries it had."""
        connected = self._connections.get(name)
        if connected is None or connected.is_paused:
            return 0
        now = self._clock()
        with self._database.write() as connection:
            rows = outbox.claim(connection, outbox.UPDATE, name, now, lease=self._lease, limit=BATCH)
            sending = self._prepare(connection, rows, connected)
        self._in_flight[name] = _Flight(ids=[row["id"] for row in rows], until=now + self._lease)
        try:
            self._finish(connected, sending)
        finally:
            del self._in_flight[name]
        return len(sending)

    def _keep(self) -> None:
        """Renew the leases of what is being sent: however slow a system is, nobody else sends the same meanwhile."""
        now = self._clock()
        for flight in list(self._in_flight.values()):
            if flight.until - now < self._lease * RENEWED:
                with self._database.write() as connection:
                    outbox.renew(connection, flight.ids, now + self._lease, before=flight.until)
                flight.until = now + self._lease

    def _finish(self, connected: Connected, sending: Sequence[Sending]) -> None:
        name = connected.name
        updates = [one.update for one in sending if one.update is not None]
        started = self._clock()
        results = self._send(connected, updates) if updates else {}
        metrics.observe_push(name, (self._clock() - started).total_seconds())
        self._database.attempt(lambda connection: self._settle(connection, sending, results, connected))
        for one in sending:
            metrics.count_push(name, result_of(one, results).outcome.value)

    def waiting(self) -> list[str]:
        """The connections with updates that are due, without paused ones and those that are left alone."""
        now = self._clock()
        with self._database.read() as connection:
            names = outbox.waiting_connections(connection, now)
        known = self._connections.all()
        return [
            name
            for name in names
            if name in known and not known[name].is_paused and self._left_alone.get(name, now) <= now
        ]

    def _prepare(self, connection: Connection, rows: Sequence[Row], connected: Connected) -> list[Sending]:
        """The updates for claimed entries from the subjects' present states; the ledger is written first."""
        records = outbox.records_for(connection, {row["record"] for row in rows})
        owned = {record["subject"] for record in records.values()}
        subjects = subject_queries.states(connection, owned)
        identities = subject_queries.identities_of(connection, owned)
        sending = [
            Sending(row=row, record=record, update=self._update(row, record, subjects[of], identities[of], connected))
            for row in rows
            if (record := records[row["record"]]) and (of := record["subject"])
        ]
        now = self._clock()
        outbox.note_push(connection, [entry for one in sending for entry in ledger_rows(one, connected, now)])
        return sending

    def _update(
        self, row: Row, record: Row, subject: Row, identities: Sequence[tuple[str, str]], connected: Connected
    ) -> Update | None:
        status, since = str(subject["status"]), subject["since"]
        seen = SeenRecord(**{name: record[name] for name in ("object", "pipeline", "stage", "is_gone")})
        shown = ShownSubject(
            status=status,
            label=self._labels.get(status, status),
            since=since,
            owner=subject["owner"],
            profile=(subject["state"] or {}).get("profile", {}),
            identities=identities,
        )
        wanted = wanted_update(connected.rules, seen, shown, self._zone)
        if wanted is None or wanted.is_empty:
            return None
        return Update(
            key=f"{row['id']}.{row['revision']}",
            record=RecordRef(object=record["object"], id=record["external_id"]),
            status=status,
            label=wanted.label,
            since=since,
            fields=wanted.fields,
            owner=wanted.owner,
            owner_field=wanted.owner_field,
            attempted_at=self._clock(),
            identities=tuple(Identity(kind=IdentityKind(kind), value=value) for kind, value in identities),
        )

    def _send(self, connected: Connected, updates: Sequence[Update]) -> Mapping[str, Pushed]:
        try:
            pushed = connected.adapter.push(updates, self._api_for(connected))
        except CrmUnavailable as error:
            pushed = [later(update, str(error), error.retry_after) for update in updates]
        except CrmError as error:
            pushed = [Pushed(key=one.key, outcome=PushOutcome.REFUSED, reason=str(error)) for one in updates]
        except Exception as error:
            log.exception("push failed", connection=connected.name)
            pushed = [later(update, f"{type(error).__name__}: {error}", None) for update in updates]
        return {one.key: one for one in pushed}

    def _settle(
        self, connection: Connection, sending: Sequence[Sending], results: Mapping[str, Pushed], connected: Connected
    ) -> None:
        now = self._clock()
        finished: list[Row] = []
        postponed: list[Row] = []
        for one in sending:
            pushed = result_of(one, results)
            end = end_of(one.row, pushed, now, give_up=self._give_up)
            why = pushed.reason and pushed.reason.replace("\0", "\ufffd")[:LONGEST_REASON]
            common = {"of": one.row["id"], "at_revision": one.row["revision"], "why": why, "at": now}
            if end is None:
                until = now + pause_of(one.row["attempts"], pushed)
                postponed.append({**common, "until": until, "kept": {REFUSED: refusals_of(one.row, pushed)}})
            else:
                finished.append({**common, "ended": end})
        outbox.finish(connection, finished)
        outbox.postpone(connection, postponed)
        gone = {one.record["id"] for one in sending if result_of(one, results).outcome is PushOutcome.GONE}
        if gone:
            outbox.note_gone(connection, gone, now)
        outbox.note_shown(
            connection,
            [
                {"of": one.record["id"], "was": one.record["stage"], "now_in": stage}
                for one in sending
                if result_of(one, results).outcome is PushOutcome.DONE
                and (stage := dict(echoed(one.update, connected)).get("stage")) is not None
            ],
        )
