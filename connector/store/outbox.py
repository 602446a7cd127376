"""Queries on the outbox: updates coalesce per record, notices are unique; claimed by lease, ended by revision."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, delete, func, null, select, update

from connector.store.rows import Row, among, fetch, insert_all, upsert
from connector.store.tables import echoes, outbox, records, subjects

WAITING: Final = "waiting"
DEAD: Final = "dead"
DONE: Final = "done"
UPDATE: Final = "update"
NOTICE: Final = "notice"
_REFUSALS: Final = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """An update or a notice in the outbox, as people look at it. Times are aware UTC."""

    id: str
    kind: str
    key: str
    connection: str | None
    record: str | None
    subject: str | None
    revision: int
    outcome: str
    attempts: int
    next_attempt_at: datetime
    failing_since: datetime | None
    error: str | None
    payload: Mapping[str, Any] | None
    delivery: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedUpdate:
    """An update that is ours to send. `attempts` counts this one; `refusals` of this revision do not."""

    id: str
    record: str
    revision: int
    attempts: int
    failing_since: datetime | None
    refusals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordToPush:
    """A record as its system showed it last, and its subject as it is now; `since` is aware UTC.

    `shown_owner`: that of the record, as of `KnownRecord`.
    """

    id: str
    object: str
    external_id: str
    pipeline: str | None
    stage: str | None
    shown_owner: str | None
    is_gone: bool
    subject: str
    status: str
    since: datetime
    owner: str | None
    profile: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """How the try of an update ended. `until`: when it is tried again; None: it has ended with that outcome."""

    update: ClaimedUpdate
    outcome: str
    why: str | None
    until: datetime | None = None
    refusals: int = 0


def enqueue_updates(connection: Connection, rows: Sequence[Row]) -> None:
    """Enqueue updates of records (rows of `outbox`); one that waits or was done gets a newer revision instead."""
    upsert(connection, outbox, rows, ("kind", "key"), _newer)


def _newer(new: Any) -> dict[str, Any]:
    is_waiting = outbox.c.outcome == WAITING
    return {
        "revision": outbox.c.revision + 1,
        "subject": new.subject,
        "delivery": new.delivery,
        "outcome": WAITING,
        "next_attempt_at": case((is_waiting, outbox.c.next_attempt_at), else_=new.next_attempt_at),
        "attempts": case((is_waiting, outbox.c.attempts), else_=0),
        "failing_since": case((is_waiting, outbox.c.failing_since), else_=None),
        "created_at": case((is_waiting, outbox.c.created_at), else_=new.created_at),
        "payload": None,
        "finished_at": None,
    }


def waiting_connections(connection: Connection, now: datetime) -> list[str]:
    """Connections with updates that are due."""
    query = (
        select(outbox.c.connection)
        .where(outbox.c.kind == UPDATE, outbox.c.outcome == WAITING, outbox.c.next_attempt_at <= now)
        .distinct()
    )
    return sorted(str(name) for name in connection.execute(query).scalars())


def claim(connection: Connection, name: str, now: datetime, *, lease: timedelta, limit: int) -> list[ClaimedUpdate]:
    """Claim up to `limit` updates of a connection that are due, oldest first; nobody else's until the lease ends."""
    due = (
        select(outbox.c.id)
        .where(
            outbox.c.kind == UPDATE,
            outbox.c.connection == name,
            outbox.c.outcome == WAITING,
            outbox.c.next_attempt_at <= now,
        )
        .order_by(outbox.c.next_attempt_at, outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")  # a plain subquery may run more than once, see `deliveries.claim`
    )
    names = ("id", "record", "revision", "attempts", "failing_since", "payload")
    claimed = (
        update(outbox)
        .where(outbox.c.id.in_(select(due.c.id)))
        .values(next_attempt_at=now + lease, attempts=outbox.c.attempts + 1)
        .returning(*(outbox.c[name] for name in names))
    )
    found = []
    for row in connection.execute(claimed).mappings():
        refusals = int((row["payload"] or {}).get(_REFUSALS, 0))
        found.append(ClaimedUpdate(**{name: row[name] for name in names[:-1]}, refusals=refusals))
    return sorted(found, key=attrgetter("id"))


def renew(connection: Connection, ids: Collection[str], *, before: datetime, until: datetime) -> None:
    """Keep claimed entries longer: those whose lease still is the one that ended at `before`."""
    is_ours = (outbox.c.outcome == WAITING, outbox.c.next_attempt_at == before)
    connection.execute(
        update(outbox).where(among(connection, [outbox.c.id], ids), *is_ours).values(next_attempt_at=until)
    )


def held(connection: Connection, ids: Collection[str], until: datetime, *, lock: bool = False) -> set[str]:
    """Those of claimed entries whose lease still is the one that ends then. `lock`: it stays so in this transaction."""
    query = select(outbox.c.id).where(
        among(connection, [outbox.c.id], ids), outbox.c.outcome == WAITING, outbox.c.next_attempt_at == until
    )
    return set(connection.execute(query.with_for_update() if lock else query).scalars())


def push_again(connection: Connection, ids: Collection[str], now: datetime) -> None:
    """Have updates sent once more, after what another worker sends or has sent of them; `now` is aware UTC."""
    is_waiting = outbox.c.outcome == WAITING
    connection.execute(
        update(outbox)
        .where(among(connection, [outbox.c.id], ids), outbox.c.outcome.in_((WAITING, DONE)))
        .values(
            revision=outbox.c.revision + 1,
            outcome=WAITING,
            next_attempt_at=case((is_waiting, outbox.c.next_attempt_at), else_=now),
            attempts=case((is_waiting, outbox.c.attempts), else_=0),
            finished_at=None,
        )
    )


_IS_SAME: Final = outbox.c.revision == bindparam("at_revision")
_FINISH: Final = (
    update(outbox)
    .where(outbox.c.id == bindparam("row_id"), outbox.c.outcome == WAITING)
    .values(
        outcome=case((_IS_SAME, bindparam("ended")), else_=WAITING),
        finished_at=case((_IS_SAME, bindparam("at")), else_=None),
        next_attempt_at=bindparam("at"),
        error=bindparam("why"),
        attempts=case((_IS_SAME, outbox.c.attempts), else_=0),
        failing_since=None,
    )
)
_POSTPONE: Final = (
    update(outbox)
    .where(outbox.c.id == bindparam("row_id"), outbox.c.outcome == WAITING)
    .values(
        next_attempt_at=bindparam("until"),
        error=bindparam("why"),
        payload=case((_IS_SAME, bindparam("kept", type_=outbox.c.payload.type)), else_=outbox.c.payload),
        failing_since=func.coalesce(outbox.c.failing_since, bindparam("at", type_=outbox.c.failing_since.type)),
    )
)


def record_results(connection: Connection, results: Sequence[UpdateResult], now: datetime) -> None:
    """Write down how tries ended whose lease still is ours; `now` is aware UTC.

    An entry that got a newer revision meanwhile stays waiting, due at once. What is kept of the tries of one revision
    is not kept of a newer one.
    """
    finished, postponed = [], []
    for one in results:
        row = {"row_id": one.update.id, "at_revision": one.update.revision, "why": one.why, "at": now}
        if one.until is None:
            finished.append({**row, "ended": one.outcome})
        else:
            postponed.append({**row, "until": one.until, "kept": {_REFUSALS: one.refusals}})
    for statement, rows in ((_FINISH, finished), (_POSTPONE, postponed)):
        if rows:
            connection.execute(statement, rows)


def records_for(connection: Connection, ids: Collection[str]) -> dict[str, RecordToPush]:
    """Records by id, with their subjects."""
    names = ("id", "object", "external_id", "pipeline", "stage", "is_gone", "subject")
    of_subject = (subjects.c.status, subjects.c.since, subjects.c.owner, subjects.c.state)
    query = (
        select(*(records.c[name] for name in names), records.c.owner.label("shown_owner"), *of_subject)
        .join(subjects, subjects.c.id == records.c.subject)
        .where(among(connection, [records.c.id], ids))
    )
    found = {}
    for row in fetch(connection, query):
        profile = (row["state"] or {}).get("profile", {})
        found[row["id"]] = RecordToPush(**{key: row[key] for key in row if key != "state"}, profile=profile)
    return found


def note_push(connection: Connection, rows: Sequence[Row]) -> None:
    """Write into the echo ledger what is about to be sent (rows of `echoes`)."""
    insert_all(connection, echoes, rows)


def withdraw(connection: Connection, ids: Collection[str]) -> None:
    """Take back entries of the echo ledger to which nothing came back yet."""
    if ids:
        connection.execute(delete(echoes).where(among(connection, [echoes.c.id], ids), echoes.c.matched.is_(None)))


def note_shown(connection: Connection, name: str, rows: Sequence[Row]) -> None:
    """Note the `stage` or `owner` that a read-back showed, unless another came since.

    Rows: `row_id` (record), `was`, `now_in`.
    """
    shown = records.c[name]
    if rows:
        connection.execute(
            update(records)
            .where(records.c.id == bindparam("row_id"), shown.is_not_distinct_from(bindparam("was")))
            .values({name: bindparam("now_in")}),
            [dict(row) for row in rows],
        )


def note_overwritten(connection: Connection, name: str, rows: Sequence[Row]) -> None:
    """Note the `stage` or `owner` that a record may show again. Rows: `row_id` (record), `now_in`."""
    if rows:
        statement = update(records).where(records.c.id == bindparam("row_id")).values({name: bindparam("now_in")})
        connection.execute(statement, [dict(row) for row in rows])


def note_gone(connection: Connection, ids: Collection[str], now: datetime) -> None:
    """Note that records do not exist any more; `now` aware UTC."""
    connection.execute(
        update(records)
        .where(among(connection, [records.c.id], ids))
        .values(is_gone=True, gone_at=now, gone_order=null())
    )


def listed(
    connection: Connection,
    *,
    outcome: str | None = None,
    name: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[OutboxEntry]:
    """Entries of the outbox, newest first; `after` is the id that the page before ended with."""
    query = select(outbox).order_by(outbox.c.id.desc()).limit(limit)
    if outcome is not None:
        query = query.where(outbox.c.outcome == outcome)
    if name is not None:
        query = query.where(outbox.c.connection == name)
    if after is not None:
        query = query.where(outbox.c.id < after)
    return [OutboxEntry(**row) for row in fetch(connection, query)]


def retry(
    connection: Connection, now: datetime, ids: Sequence[str] | None = None, name: str | None = None
) -> list[str]:
    """Make dead entries wait again (all, or some by id or connection); their ids."""
    statement = update(outbox).where(outbox.c.outcome == DEAD)
    if ids is not None:
        statement = statement.where(outbox.c.id.in_(ids))
    if name is not None:
        statement = statement.where(outbox.c.connection == name)
    values = {"outcome": WAITING, "attempts": 0, "failing_since": None, "next_attempt_at": now, "finished_at": None}
    tried = case((outbox.c.kind == UPDATE, null()), else_=outbox.c.payload)
    again = statement.values(**values, payload=tried).returning(outbox.c.id)
    return [str(found) for found in connection.execute(again).scalars()]


def count(connection: Connection) -> dict[tuple[str, str], int]:
    """How many entries per (connection or kind, outcome)."""
    query = select(outbox.c.kind, outbox.c.connection, outbox.c.outcome, func.count()).group_by(
        outbox.c.kind, outbox.c.connection, outbox.c.outcome
    )
    return {(str(name or kind), str(outcome)): int(number) for kind, name, outcome, number in connection.execute(query)}


def of_records(connection: Connection, ids: Collection[str]) -> dict[str, OutboxEntry]:
    """The update that was last asked for, by record; records without any are left out."""
    query = select(outbox).where(outbox.c.kind == UPDATE, among(connection, [outbox.c.key], ids))
    return {row["key"]: OutboxEntry(**row) for row in fetch(connection, query)}
