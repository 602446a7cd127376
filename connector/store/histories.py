"""Reads the whole population in pages of subjects with their stored events; what is read is as it was stored: text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, case, cast, false, func, null, or_, select

from connector.core.event import COUNTED
from connector.store.database import new_id
from connector.store.outbox import NOTICE
from connector.store.remaps import DELETED, TRANSLATED
from connector.store.rows import among
from connector.store.tables import deliveries, events, outbox, subjects

Stored: TypeAlias = Row[str, str, str, str | None, str]
"""A stored event: subject, connection, outcome, the event itself where it is translated anew, and its steps (JSON)."""

_LAST: Final = 200
"""So many deliveries tell what time it is for their senders."""


class Standing(NamedTuple):
    """A subject as it stands, its status since `since`; `state` is its JSON, None where nothing of it counts yet."""

    id: str
    due: int | None
    state: str | None
    since: datetime


_STANDING: Final = (subjects.c.id, subjects.c.due, cast(subjects.c.state, Text), subjects.c.since)


def count(connection: Connection, due: int | None = None) -> int:
    """How many subjects there are that were not merged away; `due`: on which a daily rule holds up to that day."""
    query = select(func.count()).select_from(subjects).where(subjects.c.merged_into.is_(None))
    return int(connection.execute(query if due is None else query.where(subjects.c.due <= due)).scalar_one())


def held_besides(connection: Connection, statuses: Collection[str]) -> dict[str, int]:
    """How many subjects hold a status that is none of these, by status."""
    query = select(subjects.c.status, func.count()).where(
        subjects.c.merged_into.is_(None), subjects.c.status.not_in(sorted(statuses))
    )
    rows = connection.execute(query.group_by(subjects.c.status)).all()
    return {status: number for status, number in rows}  # noqa: C416 - a row is no pair to mypy


def page(connection: Connection, after: str, limit: int) -> list[Standing]:
    """Subjects by id, after an id."""
    query = (
        select(*_STANDING)
        .where(subjects.c.id > after, subjects.c.merged_into.is_(None))
        .order_by(subjects.c.id)
        .limit(limit)
    )
    return [Standing(*row) for row in connection.execute(query)]


def due_page(connection: Connection, until: int, after: tuple[int, str], limit: int) -> list[Standing]:
    """Subjects on which a daily rule holds up to a local day (ordinal), by that day and id, after a day and an id."""
    day, subject = after
    is_after = or_(subjects.c.due > day, and_(subjects.c.due == day, subjects.c.id > subject))
    query = (
        select(*_STANDING)
        .where(subjects.c.due >= day, subjects.c.due <= until, is_after, subjects.c.merged_into.is_(None))
        .order_by(subjects.c.due, subjects.c.id)
        .limit(limit)
    )
    return [Standing(*row) for row in connection.execute(query)]


def run_ahead(connection: Connection, day: int, limit: int) -> list[str]:
    """Ids of subjects whose daily rules ran on dates after a local day (ordinal)."""
    query = select(subjects.c.id).where(subjects.c.last_run > day, subjects.c.merged_into.is_(None)).limit(limit)
    return [str(found) for found in connection.execute(query).scalars()]


def received_before(connection: Connection, before: datetime) -> datetime | None:
    """When the newest delivery was received of those before an instant (UTC); None: there was none."""
    query = select(deliveries.c.received_at).where(deliveries.c.id < new_id(before)).order_by(deliveries.c.id.desc())
    found: datetime | None = connection.execute(query.limit(1)).scalar()
    return found


def said_since(connection: Connection, since: datetime) -> datetime | None:
    """The newest time of the events of the last deliveries that were received since an instant (UTC); None: none."""
    last = select(deliveries.c.id).where(deliveries.c.id > new_id(since)).order_by(deliveries.c.id.desc()).limit(_LAST)
    query = select(func.max(events.c.at)).where(events.c.delivery.in_(last.scalar_subquery()))
    found: datetime | None = connection.execute(query).scalar()
    return found


def of_former_rules(connection: Connection, version: int, limit: int) -> list[str]:
    """Ids of subjects that were folded by rules before a version."""
    query = select(subjects.c.id).where(subjects.c.rules < version, subjects.c.merged_into.is_(None)).limit(limit)
    return [str(found) for found in connection.execute(query).scalars()]


def events_between(
    connection: Connection, after: str, last: str, *, anew: Collection[str], since: datetime | None
) -> Sequence[Stored]:
    """What the subjects after an id up to another were through, in order of subject and time.

    That is every applied event, and of the connections `anew` since `since` (UTC; None: ever) also those that were held
    or ignored.
    """
    is_anew = _is_anew(anew, since)
    is_wanted = or_(events.c.outcome.in_(sorted(COUNTED)), and_(is_anew, events.c.outcome.in_(TRANSLATED)))
    event = cast(case((is_anew, events.c.event), else_=null()), Text)
    query = (
        select(events.c.subject, events.c.connection, events.c.outcome, event, cast(events.c.steps, Text))
        .where(events.c.subject > after, events.c.subject <= last, is_wanted)
        .order_by(events.c.subject, events.c.at)
    )
    return connection.execute(query).all()


def count_compacted(
    connection: Connection, after: str, last: str, *, names: Collection[str] | None, since: datetime | None
) -> int:
    """How many events of these connections (None: of all) were compacted, of the subjects after an id up to another."""
    if names is not None and not names:
        return 0
    is_meant = [events.c.subject > after, events.c.subject <= last, events.c.compacted_at.is_not(None)]
    is_meant += [] if names is None else [events.c.connection.in_(sorted(names))]
    is_meant += [] if since is None else [events.c.at >= since]
    return int(connection.execute(select(func.count()).where(*is_meant)).scalar_one())


def _is_anew(names: Collection[str], since: datetime | None) -> ColumnElement[bool]:
    """No mapping decides about an end, nor about what was compacted: they keep their steps."""
    if not names:
        return false()
    is_theirs = and_(events.c.connection.in_(sorted(names)), events.c.kind != DELETED, events.c.compacted_at.is_(None))
    return is_theirs if since is None else and_(is_theirs, events.c.at >= since)


def first_at(connection: Connection, ids: Collection[str]) -> dict[str, datetime]:
    """When the first event of each subject was, whatever became of it (aware UTC)."""
    query = select(events.c.subject, func.min(events.c.at)).where(among(connection, [events.c.subject], ids))
    return {subject: at for subject, at in connection.execute(query.group_by(events.c.subject)).all()}  # noqa: C416 - rows


def asked_notices(connection: Connection, keys: Collection[str]) -> set[str]:
    """Which of these keys a notice in the outbox has."""
    query = select(outbox.c.key).where(outbox.c.kind == NOTICE, among(connection, [outbox.c.key], keys))
    return set(connection.execute(query).scalars())


def as_it_is_now(connection: Connection) -> None:
    """Let all that is read in this transaction be of one moment; SQLite does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="REPEATABLE READ")
