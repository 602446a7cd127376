"""Queries on re-mapping: which stored events a published mapping is still to be applied to, subject by subject."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, insert, or_, select, true, update

from connector.core.event import Outcome
from connector.store.database import new_id
from connector.store.rows import Row, among, fetch
from connector.store.subjects import EventRow
from connector.store.tables import deliveries, events, remaps, subjects

RULES: Final = "*"
"""In place of a connection's name: the rules document, which is for all of them; its run folds every subject anew."""
TRANSLATED: Final = (Outcome.APPLIED, Outcome.STALE, Outcome.HELD, Outcome.IGNORED)
"""Outcomes of events that a mapping decides about; an echo stays one."""
DELETED: Final = "deleted"
"""The kind of events that no mapping decides about."""
LATEST: Final = timedelta(minutes=5)
"""Clocks of several machines differ; ids of events begin with the time at which they were stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemapRun:
    """How far the events of a connection are translated for a version of its mapping, those since `since`.

    `after`: the id of the subject that it has come to. The counts: subjects looked at and changed, events released and
    held. Times are aware UTC.
    """

    connection: str
    version: int
    since: datetime | None
    after: str
    subjects: int
    changed: int
    released: int
    held: int
    started_at: datetime
    finished_at: datetime | None


def begin(connection: Connection, name: str, version: int, *, since: datetime | None, now: datetime) -> None:
    """Have the connection's stored events translated anew, and those that an unfinished run has left.

    Where nothing is stored yet the run is finished at once.
    """
    left = connection.execute(
        update(remaps)
        .where(remaps.c.connection == name, remaps.c.finished_at.is_(None))
        .values(finished_at=now)
        .returning(remaps.c.since)
    ).scalars()
    starts = [since, *left]
    start = None if None in starts else min(filter(None, starts))
    stored = subjects.c.id.is_not(None) if name == RULES else events.c.connection == name
    is_any = connection.execute(select(exists().where(stored))).scalar_one()
    row = {"connection": name, "version": version, "since": start, "after": "", "started_at": now}
    row |= {"finished_at": None if is_any else now}
    connection.execute(insert(remaps).values(**row, **dict.fromkeys(("subjects", "changed", "released", "held"), 0)))


def newest(connection: Connection, name: str, *, is_mine: bool = False) -> RemapRun | None:
    """The run for the version in force; `is_mine`: locked for this transaction. None: nothing was published."""
    query = select(remaps).where(remaps.c.connection == name).order_by(remaps.c.version.desc()).limit(1)
    found = fetch(connection, query.with_for_update() if is_mine else query)
    return RemapRun(**found[0]) if found else None


def waiting(connection: Connection, finished_after: datetime) -> list[str]:
    """Connections with a run that is not finished, or was finished after a time (UTC)."""
    query = (
        select(remaps.c.connection)
        .where(or_(remaps.c.finished_at.is_(None), remaps.c.finished_at > finished_after))
        .distinct()
        .order_by(remaps.c.connection)
    )
    return [str(name) for name in connection.execute(query).scalars()]


def advance(connection: Connection, run: RemapRun, **values: Any) -> None:
    """Note how far a run is."""
    connection.execute(
        update(remaps).where(remaps.c.connection == run.connection, remaps.c.version == run.version).values(**values)
    )


def next_subjects(connection: Connection, run: RemapRun, limit: int) -> list[str]:
    """Ids of subjects with events of the run, after the one that it has come to."""
    query = (
        select(events.c.subject)
        .where(*_of(run, by_connection=False), events.c.subject > run.after)
        .group_by(events.c.subject)
        .order_by(events.c.subject)
        .limit(limit)
    )
    return [str(found) for found in connection.execute(query).scalars()]


def missed_subjects(connection: Connection, run: RemapRun, limit: int) -> list[str]:
    """Ids of subjects with events that were stored or moved behind the run's back, translated by an older mapping.

    Once the run is finished only what was stored since it began is looked at, which the primary key finds.
    """
    is_over = run.finished_at is not None
    since_start = events.c.id > new_id(run.started_at - LATEST) if is_over else true()
    is_old = or_(events.c.mapping_version.is_(None), events.c.mapping_version < run.version)
    mine = _of(run, by_connection=not is_over)
    query = select(events.c.subject).where(*mine, since_start, is_old).distinct().limit(limit)
    return sorted(str(found) for found in connection.execute(query).scalars())


def events_of(connection: Connection, run: RemapRun, subjects: Collection[str]) -> list[EventRow]:
    """The events of the run that subjects have."""
    query = select(events).where(*_of(run, by_connection=False), among(connection, [events.c.subject], subjects))
    return [EventRow(**row) for row in fetch(connection, query)]


def mark(connection: Connection, run: RemapRun, ids: Collection[str]) -> None:
    """Note that events are translated by the run's mapping."""
    connection.execute(update(events).where(among(connection, [events.c.id], ids)).values(mapping_version=run.version))


def note_progress(connection: Connection, delivery: str, tally: Mapping[str, int]) -> None:
    """Note how those events of a pending delivery ended that are written so far."""
    is_meant = (deliveries.c.id == delivery, deliveries.c.outcome == Outcome.PENDING)
    connection.execute(update(deliveries).where(*is_meant).values(tally=tally))


def progress(connection: Connection, delivery: str) -> Mapping[str, int]:
    """How those events of a pending delivery ended that are written so far."""
    found: Mapping[str, int] | None = connection.scalar(select(deliveries.c.tally).where(deliveries.c.id == delivery))
    return found or {}


def tallies(connection: Connection, ids: Collection[str]) -> dict[str, Row]:
    """Of finished deliveries by id: outcome, tally, error, and the reason of an event of theirs that is held."""
    reason = select(func.min(events.c.reason)).where(
        events.c.delivery == deliveries.c.id, events.c.outcome == Outcome.HELD
    )
    columns = (deliveries.c.id, deliveries.c.outcome, deliveries.c.tally, deliveries.c.error)
    query = select(*columns, reason.scalar_subquery().label("reason")).where(
        among(connection, [deliveries.c.id], ids), deliveries.c.outcome != Outcome.PENDING
    )
    return {row["id"]: row for row in fetch(connection, query)}


def count_subjects(connection: Connection, run: RemapRun) -> int:
    """How many subjects have events of the run, for progress."""
    query = select(func.count(events.c.subject.distinct())).where(*_of(run))
    return int(connection.execute(query).scalar_one())


def _of(run: RemapRun, *, by_connection: bool = True) -> list[ColumnElement[bool]]:
    """The events of a run. Without `by_connection` the index of connections is left alone, for a better one to be used.

    A planner that knows nothing of the values takes an equality before a range, and reads every event for a page.
    """
    name: ColumnElement[str] = events.c.connection if by_connection else events.c.connection.concat("")
    since = [] if run.since is None else [events.c.at >= run.since]
    return [name == run.connection, *since]


def set_steps(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Overwrite what a mapping made of events. Rows: `of` (id), outcome, reason, steps, version."""
    columns = {"outcome": "outcome", "reason": "reason", "steps": "steps", "mapping_version": "version"}
    values: dict[str, Any] = {column: bindparam(name) for column, name in columns.items()}
    if rows:
        connection.execute(update(events).where(events.c.id == bindparam("of")).values(values), rows)
