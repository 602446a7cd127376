"""Queries on events that are older than events are kept whole: find them, and store what is left of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, select, update

from connector.core.event import Outcome
from connector.store.rows import Row, among, fetch
from connector.store.subjects import EventRow, merged_into
from connector.store.tables import decisions, deliveries, echoes, events, merges, subjects


def _is_old(before: datetime) -> ColumnElement[bool]:
    """Events that are still whole; what is held waits for its mapping as it is."""
    return and_(events.c.at < before, events.c.compacted_at.is_(None), events.c.outcome != Outcome.HELD)


def is_any_old(connection: Connection, before: datetime) -> bool:
    """Whether an event from before an instant (UTC) is still whole."""
    return bool(connection.execute(select(exists().where(_is_old(before)))).scalar_one())


def subjects_after(connection: Connection, after: str, before: datetime, limit: int) -> list[str]:
    """Ids of subjects, after an id, that have events from before an instant (UTC) that are still whole."""
    query = select(events.c.subject).where(events.c.subject > after, _is_old(before))
    return [str(one) for one in connection.execute(query.distinct().order_by(events.c.subject).limit(limit)).scalars()]


def events_of(connection: Connection, ids: Collection[str]) -> dict[str, list[EventRow]]:
    """Per subject all its events."""
    found: dict[str, list[EventRow]] = {subject: [] for subject in ids}
    for row in fetch(connection, select(events).where(among(connection, [events.c.subject], ids))):
        found[row["subject"]].append(EventRow(**row))
    return found


def facts_of(connection: Connection, ids: Collection[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Per subject the facts of its decisions, also of those that were revised."""
    found: dict[str, list[Mapping[str, Any]]] = {subject: [] for subject in ids}
    query = select(decisions.c.subject, decisions.c.facts).where(among(connection, [decisions.c.subject], ids))
    for subject, facts in connection.execute(query).all():
        found[subject].append(facts)
    return found


def merged(connection: Connection, ids: Collection[str]) -> dict[str, list[str]]:
    """Of the subjects that others were merged into: those others."""
    query = select(merges.c.survivor).where(among(connection, [merges.c.survivor], ids), merges.c.undone_at.is_(None))
    survivors = sorted({str(one) for one in connection.execute(query).scalars()})
    return {subject: merged_into(connection, subject) for subject in survivors}


def save_events(connection: Connection, rows: Sequence[Row], now: datetime) -> None:
    """Store what is left of events. Rows: `of` (id), event, steps."""
    if rows:
        connection.execute(
            update(events)
            .where(events.c.id == bindparam("of"))
            .values(event=bindparam("event"), steps=bindparam("steps"), compacted_at=now),
            rows,
        )


def save_states(connection: Connection, states: Mapping[str, Mapping[str, Any]]) -> None:
    """Store states (JSON) by the subject's id."""
    if states:
        connection.execute(
            update(subjects).where(subjects.c.id == bindparam("of")).values(state=bindparam("state")),
            [{"of": subject, "state": state} for subject, state in states.items()],
        )


def forget_sent(connection: Connection, before: datetime) -> int:
    """Drop what the echo ledger says was sent before an instant (UTC): nothing comes back for it; how many."""
    return connection.execute(delete(echoes).where(echoes.c.at < before)).rowcount


def forget_bodies(connection: Connection, before: datetime) -> int:
    """Drop the bodies of finished deliveries that were received before an instant; how many. Keys and counts stay."""
    return connection.execute(
        update(deliveries)
        .where(
            deliveries.c.received_at < before,
            deliveries.c.body.is_not(None),
            deliveries.c.outcome.not_in((Outcome.PENDING, Outcome.HELD)),
        )
        .values(body=None, headers={}, query=[])
    ).rowcount
