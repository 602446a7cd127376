"""Queries on catalogues: what a connection's system had each time it was asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from connector.store.database import new_id
from connector.store.rows import Row, fetch
from connector.store.tables import catalogs


def keep(connection: Connection, name: str, content: dict[str, Any], now: datetime) -> None:
    """Keep what a system has now; where that is what it had before, only the time is noted."""
    last = newest(connection, name)
    if last is not None and last["content"] == content:
        connection.execute(update(catalogs).where(catalogs.c.id == last["id"]).values(seen_at=now))
        return
    row = {"id": new_id(now), "connection": name, "seen_at": now, "first_seen_at": now, "content": content}
    connection.execute(insert(catalogs).values(**row))


def newest(connection: Connection, name: str) -> Row | None:
    """What the system had when it was asked last; None: it never was."""
    return next(iter(listed(connection, name, limit=1)), None)


def listed(connection: Connection, name: str, limit: int = 30) -> list[Row]:
    """The catalogues of a connection that differ from each other, newest first."""
    query = select(catalogs).where(catalogs.c.connection == name).order_by(catalogs.c.id.desc()).limit(limit)
    return fetch(connection, query)
