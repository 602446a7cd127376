"""Queries on the outbox's notices: what is due, whole digests, and how messages ended. A try counts when it was one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from connector.core.rules import Notice
from connector.store.database import new_id
from connector.store.outbox import NOTICE, WAITING
from connector.store.rows import among
from connector.store.tables import outbox, subjects

_WAITS: Final = (outbox.c.kind == NOTICE, outbox.c.outcome == WAITING)
_COLUMNS: Final = ("id", "key", "subject", "outcome", "attempts", "next_attempt_at", "failing_since", "created_at")
_RANDOM: Final = 16
"""Characters at the end of an id that do not tell its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeEntry:
    """A notice in the outbox: who is told of which subject, and of which decision. Times are aware UTC.

    `to`: an e-mail address. `day`: the local day (ordinal) of the decision; `before` and `after` are statuses.
    """

    id: str
    key: str
    subject: str
    outcome: str
    attempts: int
    next_attempt_at: datetime
    failing_since: datetime | None
    created_at: datetime
    to: str
    notice: Notice
    day: int
    rule: str
    before: str
    after: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectProfile:
    """What is known of a subject. `merged_into`: the subject that it is part of now."""

    id: str
    merged_into: str | None
    profile: Mapping[str, Any]


class Backlog(NamedTuple):
    """How many notices wait, since when the oldest does, and since when and why those fail that were tried in vain."""

    length: int
    oldest: datetime | None
    failing: int
    failing_since: datetime | None
    error: str | None


def due(connection: Connection, now: datetime, limit: int) -> list[NoticeEntry]:
    """Notices whose time has come, oldest first; not claimed yet."""
    return _entries(connection, *_WAITS, outbox.c.next_attempt_at <= now, limit=limit)


def is_any_due(connection: Connection, now: datetime) -> bool:
    """Whether the time of a notice has come."""
    query = select(outbox.c.id).where(*_WAITS, outbox.c.next_attempt_at <= now).limit(1)
    return connection.execute(query).first() is not None


def digest(connection: Connection, start: str, since: datetime) -> list[NoticeEntry]:
    """All notices of a digest, however they stand: those whose key starts so, asked for at `since` or later."""
    earliest = new_id(since)[:-_RANDOM] + "0" * _RANDOM
    is_its = (outbox.c.kind == NOTICE, outbox.c.id >= earliest, outbox.c.key.startswith(start, autoescape=True))
    # SQLite's LIKE ignores case
    return [entry for entry in _entries(connection, *is_its) if entry.key.startswith(start)]


def _entries(connection: Connection, *which: ColumnElement[bool], limit: int | None = None) -> list[NoticeEntry]:
    query = select(*(outbox.c[name] for name in _COLUMNS), outbox.c.payload).where(*which)
    query = query.order_by(outbox.c.next_attempt_at, outbox.c.id).limit(limit)
    found = []
    for row in connection.execute(query).mappings():
        payload = row["payload"]
        found.append(
            NoticeEntry(
                **{name: row[name] for name in _COLUMNS},
                **{name: payload[name] for name in ("to", "day", "rule", "before", "after", "facts")},
                notice=Notice(payload["notice"]),
            )
        )
    return found


def profiles(connection: Connection, ids: Collection[str]) -> dict[str, SubjectProfile]:
    """Subjects by id, as they are; unknown ones are left out."""
    query = select(subjects.c.id, subjects.c.merged_into, subjects.c.state)
    return {
        one: SubjectProfile(id=one, merged_into=merged_into, profile=(state or {}).get("profile", {}))
        for one, merged_into, state in connection.execute(query.where(among(connection, [subjects.c.id], ids)))
    }


def claim(connection: Connection, ids: Collection[str], now: datetime, until: datetime) -> set[str]:
    """Claim notices that are still due; the ids of those that nobody else claimed first."""
    statement = update(outbox).where(among(connection, [outbox.c.id], ids), *_WAITS, outbox.c.next_attempt_at <= now)
    return set(connection.execute(statement.values(next_attempt_at=until).returning(outbox.c.id)).scalars())


def wait_until(connection: Connection, ids: Collection[str], until: datetime) -> None:
    """Leave notices waiting until then; that is no try of theirs."""
    is_meant = (among(connection, [outbox.c.id], ids), *_WAITS)
    connection.execute(update(outbox).where(*is_meant).values(next_attempt_at=until))


def finish(connection: Connection, ids: Collection[str], outcome: str, why: str | None, now: datetime) -> None:
    """End notices, after a try, as done or dead, or as gone: there is nothing to send any more."""
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
    """Leave these notices, and all others that are due, waiting while none gets through; that is no try of theirs."""
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
