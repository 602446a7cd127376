"""Queries on versions of mappings, and of the rules document: drafts and published ones, all kept for ever."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, insert, select, update

from connector.store import remaps
from connector.store.database import new_id
from connector.store.remaps import RULES
from connector.store.rows import fetch
from connector.store.tables import connections, mapping_versions

DRAFT: Final = "draft"
PUBLISHED: Final = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionHead:
    """A draft or published version of a connection's mapping. Times are aware UTC; a draft was never published.

    `based_on`: the number of the version that it was made of (None: of none). `published_by` is None for the first
    versions of old workspaces.
    """

    connection: str
    version: int
    state: str
    author: str
    comment: str
    created_at: datetime
    published_at: datetime | None
    published_by: str | None
    based_on: int | None

    @property
    def is_draft(self) -> bool:
        """Whether it was never in force."""
        return self.state == DRAFT


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingVersion(VersionHead):
    """A version with the text of its file."""

    source: str


_HEAD: Final = tuple(mapping_versions.c[field.name] for field in fields(VersionHead))
_WHOLE: Final = tuple(mapping_versions.c[field.name] for field in fields(MappingVersion))


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
    """Nobody else numbers or publishes versions of the connection until this transaction ends.

    Of the rules that is so from their first version on.
    """
    if name == RULES:
        first = (mapping_versions.c.connection == name, mapping_versions.c.version == 1)
        connection.execute(select(mapping_versions.c.id).where(*first).with_for_update())
    connection.execute(select(connections.c.id).where(connections.c.name == name).with_for_update())


def listed(connection: Connection, name: str) -> list[VersionHead]:
    """All versions of a connection without their sources, newest first."""
    query = select(*_HEAD).where(mapping_versions.c.connection == name).order_by(mapping_versions.c.version.desc())
    return [VersionHead(**row) for row in fetch(connection, query)]


def get(connection: Connection, name: str, version: int) -> MappingVersion | None:
    """One version with its source; None: there is none of that number."""
    query = select(*_WHOLE).where(mapping_versions.c.connection == name, mapping_versions.c.version == version)
    return next((MappingVersion(**row) for row in fetch(connection, query)), None)


def in_force(connection: Connection, name: str) -> MappingVersion | None:
    """The version in force, with its source; None: nothing was published."""
    query = (
        select(*_WHOLE)
        .where(mapping_versions.c.connection == name, mapping_versions.c.state == PUBLISHED)
        .order_by(mapping_versions.c.version.desc())
        .limit(1)
    )
    return next((MappingVersion(**row) for row in fetch(connection, query)), None)


def number_in_force(connection: Connection, name: str) -> int:
    """The number of the version in force; 0: nothing was published."""
    query = select(func.max(mapping_versions.c.version)).where(
        mapping_versions.c.connection == name, mapping_versions.c.state == PUBLISHED
    )
    return connection.execute(query).scalar() or 0


def newer(connection: Connection, name: str, version: int) -> list[MappingVersion]:
    """Drafts and published versions with a higher number, with their sources, oldest first."""
    query = (
        select(*_WHOLE)
        .where(mapping_versions.c.connection == name, mapping_versions.c.version > version)
        .order_by(mapping_versions.c.version)
    )
    return [MappingVersion(**row) for row in fetch(connection, query)]
