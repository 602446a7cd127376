"""Queries on connections: themselves, their mappings, their adapters' secrets, their catalogues; and the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from connector.store.database import new_id
from connector.store.mapping_versions import PUBLISHED, add_version, put_in_force
from connector.store.rows import Row, fetch, upsert
from connector.store.tables import audit, catalogs, connections, mapping_versions, refusals
from connector.store.tables import connection_secrets as secrets

PUSH: Final = "push"
CHANGES: Final = "changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """A connection as it is stored; `sealed` holds its secrets. Times are aware UTC; the table says what each means."""

    id: str
    name: str
    adapter: str
    settings: Mapping[str, Any]
    sealed: str
    is_paused: bool
    removed_at: datetime | None
    created_at: datetime
    reconciled_at: datetime | None
    subscribe_at: datetime | None
    tried_at: datetime | None
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMapping:
    """The mapping version of a connection that is in force; `published_at` is aware UTC."""

    connection: str
    version: int
    source: str
    author: str
    comment: str
    published_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRow:
    """What a system had: when it was asked last and when first (aware UTC), and what it said."""

    id: str
    connection: str
    seen_at: datetime
    first_seen_at: datetime
    content: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A connection that its system refuses as a whole, for an act (`PUSH`, `CHANGES`). Times are aware UTC."""

    connection: str
    act: str
    since: datetime
    until: datetime
    error: str
    told_at: datetime | None


def listed(connection: Connection) -> list[ConnectionRow]:
    """All connections by name, without removed ones."""
    query = select(connections).where(connections.c.removed_at.is_(None)).order_by(connections.c.name)
    return [ConnectionRow(**row) for row in fetch(connection, query)]


def add(connection: Connection, row: Row) -> None:
    """Add a connection, or bring back a removed one. Raises `IntegrityError` when the name is taken."""
    revived = connection.execute(
        update(connections)
        .where(connections.c.name == row["name"], connections.c.removed_at.is_not(None))
        .values({**row, "removed_at": None})
    )
    if not revived.rowcount:
        connection.execute(insert(connections).values(dict(row)))


def change(connection: Connection, name: str, **values: Any) -> bool:
    """Change columns of a connection; whether there was one."""
    changed = connection.execute(
        update(connections).where(connections.c.name == name, connections.c.removed_at.is_(None)).values(**values)
    )
    return bool(changed.rowcount)


def published(connection: Connection) -> dict[str, PublishedMapping]:
    """The mapping version in force of each connection."""
    newest = (
        select(mapping_versions.c.connection, func.max(mapping_versions.c.version).label("version"))
        .where(mapping_versions.c.state == PUBLISHED)
        .group_by(mapping_versions.c.connection)
        .subquery()
    )
    columns = (mapping_versions.c[field.name] for field in fields(PublishedMapping))
    query = select(*columns).join(
        newest,
        (mapping_versions.c.connection == newest.c.connection) & (mapping_versions.c.version == newest.c.version),
    )
    return {row["connection"]: PublishedMapping(**row) for row in fetch(connection, query)}


def publish(
    connection: Connection,
    name: str,
    source: str,
    *,
    author: str,
    comment: str,
    now: datetime,
    based_on: int | None = None,
    since: datetime | None = None,
) -> int:
    """Publish a mapping as the next version; its number.

    `based_on`: the version that it was made of. The connection's stored events since `since` (UTC; None: all) are to be
    translated anew from now on, see `store.remaps`.
    """
    version = add_version(connection, name, source, author=author, comment=comment, now=now, based_on=based_on)
    put_in_force(connection, name, version, publisher=author, now=now, since=since)
    return version


def note(
    connection: Connection, now: datetime, *, actor: str, action: str, target: str, detail: dict[str, Any]
) -> None:
    """Write a line into the audit; `detail` holds no secret."""
    connection.execute(
        insert(audit).values(id=new_id(now), at=now, actor=actor, action=action, target=target, detail=detail)
    )


def reconciled_at(connection: Connection, name: str) -> datetime | None:
    """When the last reconciliation of a connection began (UTC); None: never."""
    found: datetime | None = connection.execute(
        select(connections.c.reconciled_at).where(connections.c.name == name)
    ).scalar()
    return found


def count_missed(connection: Connection, name: str, number: int) -> None:
    """Count events that reconciliation found and no webhook had brought."""
    raised = connections.c.missed + number
    connection.execute(update(connections).where(connections.c.name == name).values(missed=raised))


def get(connection: Connection, name: str) -> ConnectionRow | None:
    """One connection; None: there is none, or it was removed."""
    query = select(connections).where(connections.c.name == name, connections.c.removed_at.is_(None))
    return next((ConnectionRow(**row) for row in fetch(connection, query)), None)


def get_secret(connection: Connection, name: str, key: str) -> str | None:
    """The sealed value; None: there is none."""
    query = select(secrets.c.sealed).where(secrets.c.connection == name, secrets.c.name == key)
    found: str | None = connection.execute(query).scalar()
    return found


def set_secret(connection: Connection, name: str, key: str, sealed: str, now: datetime) -> None:
    """Store a sealed value in place of the one before; `now` aware UTC. Two at once: one raises `IntegrityError`."""
    connection.execute(delete(secrets).where(secrets.c.connection == name, secrets.c.name == key))
    connection.execute(insert(secrets).values(connection=name, name=key, sealed=sealed, set_at=now))


def forget_secrets(connection: Connection, name: str, *, but: str | None = None) -> None:
    """Forget the secrets that an adapter stored; all of them, or all but those whose names begin with `but`."""
    query = delete(secrets).where(secrets.c.connection == name)
    if but is not None:
        query = query.where(~secrets.c.name.startswith(but, autoescape=True))
    connection.execute(query)


def list_refusals(connection: Connection, act: str | None = None) -> list[Refusal]:
    """What is refused now (for an act, or for any), by connection."""
    query = select(refusals).order_by(refusals.c.connection, refusals.c.act)
    if act is not None:
        query = query.where(refusals.c.act == act)
    return [Refusal(**row) for row in fetch(connection, query)]


def note_refusal(connection: Connection, refusal: Refusal) -> None:
    """Note that a connection is refused as a whole, or still is."""
    upsert(connection, refusals, [asdict(refusal)], ("connection", "act"), _renewed)


def _renewed(new: Any) -> dict[str, Any]:
    return {"until": new.until, "error": new.error}


def note_told(connection: Connection, name: str, now: datetime) -> None:
    """Note that administrators were told that a connection is refused."""
    connection.execute(update(refusals).where(refusals.c.connection == name).values(told_at=now))


def end_refusals(connection: Connection, name: str, act: str | None = None) -> bool:
    """A connection is not refused any more (for an act, or for any): it is tried at once; whether it was."""
    query = delete(refusals).where(refusals.c.connection == name)
    if act is not None:
        query = query.where(refusals.c.act == act)
    return bool(connection.execute(query).rowcount)


def add_catalog(connection: Connection, name: str, content: dict[str, Any], now: datetime) -> None:
    """Store what a system has now; where that is what it had before, only the time is noted."""
    last = newest_catalog(connection, name)
    if last is not None and last.content == content:
        connection.execute(update(catalogs).where(catalogs.c.id == last.id).values(seen_at=now))
        return
    row = {"id": new_id(now), "connection": name, "seen_at": now, "first_seen_at": now, "content": content}
    connection.execute(insert(catalogs).values(**row))


def newest_catalog(connection: Connection, name: str) -> CatalogRow | None:
    """What the system had when it was asked last; None: it never was."""
    return next(iter(list_catalogs(connection, name, limit=1)), None)


def list_catalogs(connection: Connection, name: str, limit: int = 30) -> list[CatalogRow]:
    """The catalogues of a connection that differ from each other, newest first."""
    query = select(catalogs).where(catalogs.c.connection == name).order_by(catalogs.c.id.desc()).limit(limit)
    return [CatalogRow(**row) for row in fetch(connection, query)]
