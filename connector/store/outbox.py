"""Queries on the outbox: updates coalesce per record, notices are unique; claimed by lease, ended by revision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, func, null, select, update

from connector.store.rows import Row, among, fetch, insert_all, insert_new, upsert
from connector.store.tables import echoes, outbox, records

WAITING: Final = "waiting"
DONE: Final = "done"
UPDATE: Final = "update"
NOTICE: Final = "notice"


def ask(connection: Connection, rows: Sequence[Row]) -> None:
    """Ask for the update of records (rows of `outbox`); one that waits or was done gets a newer revision instead."""
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


def ask_notices(connection: Connection, rows: Sequence[Row]) -> None:
    """Ask for mails; one that was asked for before is not asked for again."""
    insert_new(connection, outbox, rows, "id")


def waiting_connections(connection: Connection, now: datetime) -> list[str]:
    """Connections with updates that are due."""
    query = (
        select(outbox.c.connection)
        .where(outbox.c.kind == UPDATE, outbox.c.outcome == WAITING, outbox.c.next_attempt_at <= now)
        .distinct()
    )
    return sorted(str(name) for name in connection.execute(query).scalars())


def claim(
    connection: Connection, kind: str, of: str | None, now: datetime, *, lease: timedelta, limit: int
) -> list[Row]:
    """Take up to `limit` entries that are due, oldest first; they are nobody else's until the lease ends."""
    query = select(outbox.c.id).where(
        outbox.c.kind == kind, outbox.c.outcome == WAITING, outbox.c.next_attempt_at <= now
    )
    if of is not None:
        query = query.where(outbox.c.connection == of)
    query = query.order_by(outbox.c.next_attempt_at, outbox.c.id).limit(limit).with_for_update(skip_locked=True)
    waiting = query.cte("due")  # a plain subquery may run more than once, see `deliveries.claim`
    claimed = (
        update(outbox)
        .where(outbox.c.id.in_(select(waiting.c.id)))
        .values(next_attempt_at=now + lease, attempts=outbox.c.attempts + 1)
        .returning(outbox)
    )
    return sorted(fetch(connection, claimed), key=itemgetter("id"))


def renew(connection: Connection, ids: Collection[str], until: datetime, *, before: datetime | None = None) -> None:
    """Keep claimed entries longer; `before`: only those whose lease still is the one that ended then."""
    statement = update(outbox).where(among(connection, [outbox.c.id], ids), outbox.c.outcome == WAITING)
    if before is not None:
        statement = statement.where(outbox.c.next_attempt_at == before)
    connection.execute(statement.values(next_attempt_at=until))


def finish(connection: Connection, rows: Sequence[Row]) -> None:
    """End entries as done, gone or dead. Rows: `of` (id), `at_revision`, `ended`, `why`, `at`.

    An entry that got a newer revision meanwhile stays waiting, due at once; also if that was sent meanwhile by another
    worker, since nobody knows which of the two came last.
    """
    if not rows:
        return
    is_same = outbox.c.revision == bindparam("at_revision")
    is_overtaken = (outbox.c.outcome == DONE) & (outbox.c.revision > bindparam("at_revision"))
    connection.execute(
        update(outbox)
        .where(outbox.c.id == bindparam("of"), (outbox.c.outcome == WAITING) | is_overtaken)
        .values(
            outcome=case((is_same, bindparam("ended")), else_=WAITING),
            finished_at=case((is_same, bindparam("at")), else_=None),
            next_attempt_at=bindparam("at"),
            error=bindparam("why"),
            attempts=case((is_same, outbox.c.attempts), else_=0),
            failing_since=None,
        ),
        [dict(row) for row in rows],
    )


def postpone(connection: Connection, rows: Sequence[Row]) -> None:
    """Leave updates waiting. Rows: `of` (id), `at_revision`, `until`, `why`, `kept`, `at`.

    `kept` is what is known of the tries of this revision; a newer one has its own. `at`: since when it fails, where it
    did not yet.
    """
    if rows:
        is_same = outbox.c.revision == bindparam("at_revision")
        kept = bindparam("kept", type_=outbox.c.payload.type)
        connection.execute(
            update(outbox)
            .where(outbox.c.id == bindparam("of"), outbox.c.outcome == WAITING)
            .values(
                next_attempt_at=bindparam("until"),
                error=bindparam("why"),
                payload=case((is_same, kept), else_=outbox.c.payload),
                failing_since=func.coalesce(outbox.c.failing_since, bindparam("at", type_=outbox.c.failing_since.type)),
            ),
            [dict(row) for row in rows],
        )


def records_for(connection: Connection, ids: Collection[str]) -> dict[str, Row]:
    """Records by id."""
    query = select(records).where(among(connection, [records.c.id], ids))
    return {row["id"]: row for row in fetch(connection, query)}


def note_push(connection: Connection, rows: Sequence[Row]) -> None:
    """Write into the echo ledger what is about to be sent (rows of `echoes`)."""
    insert_all(connection, echoes, rows)


def echoes_of(connection: Connection, ids: Collection[str], since: datetime) -> list[Row]:
    """Ledger entries of records that were sent at or after an instant, oldest first."""
    query = (
        select(echoes)
        .where(among(connection, [echoes.c.record], ids), echoes.c.at >= since)
        .order_by(echoes.c.at, echoes.c.id)
    )
    return fetch(connection, query)


def match_echoes(connection: Connection, rows: Sequence[Row]) -> None:
    """Note which event came back for a ledger entry. Rows: `of` (id), `came` (event key)."""
    if rows:
        connection.execute(
            update(echoes).where(echoes.c.id == bindparam("of")).values(matched=bindparam("came")),
            [dict(row) for row in rows],
        )


def note_shown(connection: Connection, rows: Sequence[Row]) -> None:
    """Note the stage that a read-back showed, unless another came in since. Rows: `of` (record id), `was`, `now_in`."""
    if rows:
        connection.execute(
            update(records)
            .where(records.c.id == bindparam("of"), records.c.stage.is_not_distinct_from(bindparam("was")))
            .values(stage=bindparam("now_in")),
            [dict(row) for row in rows],
        )


def note_gone(connection: Connection, ids: Collection[str], now: datetime) -> None:
    """Note that records do not exist any more; `now` aware UTC."""
    connection.execute(update(records).where(among(connection, [records.c.id], ids)).values(is_gone=True, gone_at=now))


def listed(
    connection: Connection,
    *,
    outcome: str | None = None,
    of: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[Row]:
    """Entries of the outbox, newest first; `after` is the id that the page before ended with."""
    query = select(outbox).order_by(outbox.c.id.desc()).limit(limit)
    if outcome is not None:
        query = query.where(outbox.c.outcome == outcome)
    if of is not None:
        query = query.where(outbox.c.connection == of)
    if after is not None:
        query = query.where(outbox.c.id < after)
    return fetch(connection, query)


def retry(connection: Connection, now: datetime, ids: Sequence[str] | None = None, of: str | None = None) -> list[str]:
    """Make dead entries wait again (all, or some by id or connection); their ids."""
    statement = update(outbox).where(outbox.c.outcome == "dead")
    if ids is not None:
        statement = statement.where(outbox.c.id.in_(ids))
    if of is not None:
        statement = statement.where(outbox.c.connection == of)
    values = {"outcome": WAITING, "attempts": 0, "failing_since": None, "next_attempt_at": now, "finished_at": None}
    tried = case((outbox.c.kind == UPDATE, null()), else_=outbox.c.payload)
    again = statement.values(**values, payload=tried).returning(outbox.c.id)
    return [str(found) for found in connection.execute(again).scalars()]


def count(connection: Connection) -> dict[tuple[str, str], int]:
    """How many entries per (connection or kind, outcome)."""
    query = select(outbox.c.kind, outbox.c.connection, outbox.c.outcome, func.count()).group_by(
        outbox.c.kind, outbox.c.connection, outbox.c.outcome
    )
    return {(str(of or kind), str(outcome)): int(number) for kind, of, outcome, number in connection.execute(query)}


def of_records(connection: Connection, ids: Collection[str]) -> dict[str, Row]:
    """The update that was last asked for, by record; records without any are left out."""
    query = select(outbox).where(outbox.c.kind == UPDATE, among(connection, [outbox.c.key], ids))
    return {row["key"]: row for row in fetch(connection, query)}
