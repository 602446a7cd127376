"""Queries on the quarantine: deliveries that could not be authenticated or read, kept for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from connector.store.rows import as_row, chunks, fetch, insert_new
from connector.store.tables import quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedDelivery:
    """A quarantined delivery. `size`: the bytes of its body. `sealed`: all of it; empty where it was too large."""

    id: str
    connection: str
    received_at: datetime
    reason: str
    error: str
    size: int
    sealed: str


def add(connection: Connection, rows: Sequence[QuarantinedDelivery], most: int) -> None:
    """Quarantine deliveries; of each of their connections at most the newest `most` stay."""
    insert_new(connection, quarantine, [as_row(row) for row in rows], "id")
    for name in sorted({row.connection for row in rows}):
        is_its = quarantine.c.connection == name
        newest_first = select(quarantine.c.received_at).where(is_its).order_by(quarantine.c.received_at.desc())
        too_old = newest_first.limit(1).offset(most).scalar_subquery()
        connection.execute(delete(quarantine).where(is_its, quarantine.c.received_at <= too_old))


def listed(
    connection: Connection, name: str | None = None, limit: int = 1000, after: str = ""
) -> list[QuarantinedDelivery]:
    """Quarantined deliveries, oldest first; `after` is the id that the page before ended with."""
    query = select(quarantine).where(quarantine.c.id > after).order_by(quarantine.c.id).limit(limit)
    if name is not None:
        query = query.where(quarantine.c.connection == name)
    return [QuarantinedDelivery(**row) for row in fetch(connection, query)]


def newest(connection: Connection, name: str) -> QuarantinedDelivery | None:
    """The delivery of a connection that came last; None: there is none."""
    query = select(quarantine).where(quarantine.c.connection == name).order_by(quarantine.c.received_at.desc()).limit(1)
    return next((QuarantinedDelivery(**row) for row in fetch(connection, query)), None)


def count(connection: Connection) -> dict[str, int]:
    """How many deliveries of each connection are in the quarantine."""
    query = select(quarantine.c.connection, func.count()).group_by(quarantine.c.connection)
    return {str(name): int(number) for name, number in connection.execute(query)}


def release(connection: Connection, ids: Sequence[str]) -> None:
    """Remove deliveries from the quarantine."""
    for part in chunks(ids):
        connection.execute(delete(quarantine).where(quarantine.c.id.in_(part)))


def forget(connection: Connection, before: datetime) -> int:
    """Drop what was received before an instant; how many."""
    return connection.execute(delete(quarantine).where(quarantine.c.received_at < before)).rowcount
