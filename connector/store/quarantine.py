"""Queries on the quarantine: deliveries that could not be authenticated or read, kept for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, select, true

from connector.store.rows import as_row, chunks, fetch, insert_new
from connector.store.tables import quarantine

ROW_BYTES: Final = 500
"""What a row takes beside its texts, with its places in the indexes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How large it may be: deliveries of each connection, bytes in all; a connection has a fourth of those."""

    most: int
    most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedDelivery:
    """A quarantined delivery. `size`: the bytes of its body. `sealed`: all of it; empty where it was too large.

    `is_plausible`: it looks as if the configured sender had sent it; what does not goes first. `weight`: what it takes
    in the database, in bytes.
    """

    id: str
    connection: str
    received_at: datetime
    reason: str
    error: str
    size: int
    sealed: str
    is_plausible: bool
    weight: int


def add(connection: Connection, rows: Sequence[QuarantinedDelivery], bounds: Bounds) -> None:
    """Quarantine deliveries; what is above the bounds goes: what is not plausible first, the oldest first."""
    insert_new(connection, quarantine, [as_row(row) for row in rows], "id")
    for name in sorted({row.connection for row in rows}):
        _trim(connection, quarantine.c.connection == name, bounds.most, bounds.most_bytes // 4)
    _trim(connection, true(), None, bounds.most_bytes)


def _trim(connection: Connection, which: ColumnElement[bool], most: int | None, most_bytes: int) -> None:
    worth = (quarantine.c.is_plausible.desc(), quarantine.c.received_at.desc(), quarantine.c.id.desc())
    ranked = select(
        quarantine.c.id,
        func.row_number().over(order_by=worth).label("place"),
        func.sum(quarantine.c.weight).over(order_by=worth).label("bytes"),
    )
    kept = ranked.where(which).subquery()
    is_above = kept.c.bytes > most_bytes
    if most is not None:
        is_above |= kept.c.place > most
    connection.execute(delete(quarantine).where(quarantine.c.id.in_(select(kept.c.id).where(is_above))))


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
