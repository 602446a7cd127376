"""Queries on the outbox's notices: what is due, whole digests, and how mails ended. A try counts when it was one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, or_, select, update

from connector.store.database import new_id
from connector.store.outbox import NOTICE, WAITING
from connector.store.rows import Row, among, fetch
from connector.store.tables import outbox

_WAITS = (outbox.c.kind == NOTICE, outbox.c.outcome == WAITING)
_RANDOM = 16
"""Characters at the end of an id that do not tell its time."""


class Backlog(NamedTuple):
    """How many notices wait, since when the oldest does, and since when and why those fail that were tried in vain."""

    length: int
    oldest: datetime | None
    failing: int
    failing_since: datetime | None
    error: str | None


def due(connection: Connection, now: datetime, limit: int) -> list[Row]:
    """Notices whose time has come, oldest first; not taken yet."""
    query = select(outbox).where(*_WAITS, outbox.c.next_attempt_at <= now)
    return fetch(connection, query.order_by(outbox.c.next_attempt_at, outbox.c.id).limit(limit))


def is_any_due(connection: Connection, now: datetime) -> bool:
    """Whether the time of a notice has come."""
    query = select(outbox.c.id).where(*_WAITS, outbox.c.next_attempt_at <= now).limit(1)
    return connection.execute(query).first() is not None


def digest(connection: Connection, start: str, since: datetime) -> list[Row]:
    """All notices of a digest, however they stand: those whose key starts so, asked for at `since` or later."""
    earliest = new_id(since)[:-_RANDOM] + "0" * _RANDOM
    query = select(outbox).where(
        outbox.c.kind == NOTICE, outbox.c.id >= earliest, outbox.c.key.startswith(start, autoescape=True)
    )
    return [row for row in fetch(connection, query) if row["key"].startswith(start)]  # SQLite's LIKE ignores case


def claim(connection: Connection, ids: Collection[str], now: datetime, until: datetime) -> set[str]:
    """Take notices that are still due; the ids of those that nobody else took first."""
    statement = update(outbox).where(among(connection, [outbox.c.id], ids), *_WAITS, outbox.c.next_attempt_at <= now)
    return set(connection.execute(statement.values(next_attempt_at=until).returning(outbox.c.id)).scalars())


def finish(connection: Connection, ids: Collection[str], outcome: str, why: str | None, now: datetime) -> None:
    """End notices, after a try, as done or dead, or as gone: there is nothing to mail any more."""
    connection.execute(
        update(outbox)
        .where(among(connection, [outbox.c.id], ids), *_WAITS)
        .values(outcome=outcome, finished_at=now, error=why, failing_since=None, attempts=outbox.c.attempts + 1)
    )


def postpone(connection: Connection, ids: Collection[str], until: datetime, why: str, now: datetime) -> None:
    """Leave notices waiting after a try that failed."""
    connection.execute(
        update(outbox)
        .where(among(connection, [outbox.c.id], ids), *_WAITS)
        .values(
            next_attempt_at=until,
            error=why,
            failing_since=func.coalesce(outbox.c.failing_since, now),
            attempts=outbox.c.attempts + 1,
        )
    )


def postpone_all(connection: Connection, ids: Collection[str], until: datetime, why: str, now: datetime) -> None:
    """Leave these notices, and all others that are due, waiting for the mail server; that is no try of theirs."""
    connection.execute(
        update(outbox)
        .where(*_WAITS, or_(among(connection, [outbox.c.id], ids), outbox.c.next_attempt_at <= now))
        .values(next_attempt_at=until, error=why, failing_since=func.coalesce(outbox.c.failing_since, now))
    )


def backlog(connection: Connection) -> Backlog:
    """What waits now."""
    columns = (outbox.c.created_at, outbox.c.failing_since)
    total = (func.count(), func.min(columns[0]), func.count(columns[1]), func.min(columns[1]))
    length, oldest, failing, since = connection.execute(select(*total).where(*_WAITS)).one()
    newest = select(outbox.c.error).where(*_WAITS, columns[1].is_not(None)).order_by(outbox.c.next_attempt_at.desc())
    error = connection.execute(newest.limit(1)).scalar() if failing else None
    return Backlog(int(length), oldest, int(failing), since, error)
