"""What adapters keep of a connection: values under a name, sealed by whoever asks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from connector.store.tables import kept


def get(connection: Connection, of: str, name: str) -> str | None:
    """The sealed value; None: there is none."""
    query = select(kept.c.sealed).where(kept.c.connection == of, kept.c.name == name)
    found: str | None = connection.execute(query).scalar()
    return found


def put(connection: Connection, of: str, name: str, sealed: str, now: datetime) -> None:
    """Keep a sealed value in place of the one before; `now` aware UTC. Two at once: one raises `IntegrityError`."""
    connection.execute(delete(kept).where(kept.c.connection == of, kept.c.name == name))
    connection.execute(insert(kept).values(connection=of, name=name, sealed=sealed, kept_at=now))


def clear(connection: Connection, of: str, *, but: str | None = None) -> None:
    """Forget what is kept of a connection; all of it, or all but what is under names that begin with `but`."""
    query = delete(kept).where(kept.c.connection == of)
    if but is not None:
        query = query.where(~kept.c.name.startswith(but, autoescape=True))
    connection.execute(query)
