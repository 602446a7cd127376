"""Queries on imports: how far each is, and what the last row about each record said."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from connector.store.database import new_id
from connector.store.rows import Row, among, fetch, upsert
from connector.store.tables import imported, imports


def begin(
    connection: Connection,
    name: str,
    source: str,
    *,
    actor: str,
    now: datetime,
    file: str | None = None,
    since: datetime | None = None,
) -> Row:
    """Note that an import begins; its row."""
    row: dict[str, Any] = {
        "id": new_id(now),
        "connection": name,
        "source": source,
        "file": file,
        "since": since,
        "reached": None,
        "count": 0,
        "tally": {},
        "actor": actor,
        "started_at": now,
        "changed_at": now,
        "finished_at": None,
    }
    connection.execute(insert(imports).values(row))
    return row


def advance(connection: Connection, run: str, **values: Any) -> None:
    """Note how far an import is."""
    connection.execute(update(imports).where(imports.c.id == run).values(**values))


def newest(connection: Connection, name: str, source: str) -> Row | None:
    """The import of a connection that was begun last; None: there is none."""
    query = select(imports).where(imports.c.connection == name, imports.c.source == source)
    return next(iter(fetch(connection, query.order_by(imports.c.id.desc()).limit(1))), None)


def listed(connection: Connection, name: str, limit: int = 20) -> list[Row]:
    """The imports of a connection, newest first."""
    query = select(imports).where(imports.c.connection == name)
    return fetch(connection, query.order_by(imports.c.id.desc()).limit(limit))


def last_rows(connection: Connection, name: str, about: Collection[str]) -> dict[str, tuple[str, int]]:
    """Of records that rows told about: the digest of the last row that counted, and how many counted."""
    pairs = [(name, record) for record in about]
    query = select(imported).where(among(connection, (imported.c.connection, imported.c.about), pairs))
    return {row["about"]: (row["digest"], row["revision"]) for row in fetch(connection, query)}


def note(connection: Connection, rows: Sequence[Row]) -> None:
    """Note what the rows of a file said (rows of `imported`)."""
    upsert(connection, imported, rows, ("connection", "about"), ("digest", "revision"))
