"""Queries on mapping versions: drafts and published ones, numbered together per connection, kept for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, insert, select, update

from connector.store import remaps
from connector.store.database import new_id
from connector.store.rows import Row, fetch
from connector.store.tables import connections, mapping_versions

DRAFT: Final = "draft"
PUBLISHED: Final = "published"
_HEAD: Final = tuple(column for column in mapping_versions.c if column.name not in {"id", "source"})


def add_version(
    connection: Connection, name: str, source: str, *, author: str, comment: str, now: datetime, based_on: int | None
) -> int:
    """Add a draft with the connection's next number, which it gives."""
    lock(connection, name)
    newest = select(func.coalesce(func.max(mapping_versions.c.version), 0)).where(mapping_versions.c.connection == name)
    version = int(connection.execute(newest).scalar_one()) + 1
    connection.execute(
        insert(mapping_versions).values(
            id=new_id(now),
            connection=name,
            version=version,
            state=DRAFT,
            source=source,
            author=author,
            comment=comment,
            created_at=now,
            based_on=based_on,
        )
    )
    return version


def put_in_force(
    connection: Connection, name: str, version: int, *, publisher: str, now: datetime, since: datetime | None
) -> None:
    """Publish a draft, and have the stored events since `since` (UTC; None: all) translated anew."""
    connection.execute(
        update(mapping_versions)
        .where(mapping_versions.c.connection == name, mapping_versions.c.version == version)
        .values(state=PUBLISHED, published_at=now, published_by=publisher)
    )
    remaps.begin(connection, name, version, since=since, now=now)


def lock(connection: Connection, name: str) -> None:
    """Nobody else numbers or publishes versions of the connection until this transaction ends."""
    connection.execute(select(connections.c.id).where(connections.c.name == name).with_for_update())


def listed(connection: Connection, name: str) -> list[Row]:
    """All versions of a connection without their sources, newest first."""
    query = select(*_HEAD).where(mapping_versions.c.connection == name).order_by(mapping_versions.c.version.desc())
    return fetch(connection, query)


def get(connection: Connection, name: str, version: int) -> Row | None:
    """One version with its source; None: there is none of that number."""
    query = select(mapping_versions).where(mapping_versions.c.connection == name, mapping_versions.c.version == version)
    return next(iter(fetch(connection, query)), None)


def in_force(connection: Connection, name: str) -> Row | None:
    """The version in force, with its source; None: nothing was published."""
    query = (
        select(mapping_versions)
        .where(mapping_versions.c.connection == name, mapping_versions.c.state == PUBLISHED)
        .order_by(mapping_versions.c.version.desc())
        .limit(1)
    )
    return next(iter(fetch(connection, query)), None)


def newer(connection: Connection, name: str, version: int) -> list[Row]:
    """Drafts and published versions with a higher number, with their sources, oldest first."""
    query = (
        select(mapping_versions)
        .where(mapping_versions.c.connection == name, mapping_versions.c.version > version)
        .order_by(mapping_versions.c.version)
    )
    return fetch(connection, query)
