"""Queries on connections, their mapping versions, and the audit of who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from connector.store.database import new_id
from connector.store.mapping_versions import PUBLISHED, add_version, put_in_force
from connector.store.rows import Row
from connector.store.tables import audit, connections, mapping_versions


def listed(connection: Connection, *, with_removed: bool = False) -> list[Row]:
    """All connections by name."""
    query = select(connections).order_by(connections.c.name)
    if not with_removed:
        query = query.where(connections.c.removed_at.is_(None))
    return [dict(row) for row in connection.execute(query).mappings()]


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


def published(connection: Connection) -> dict[str, Row]:
    """The mapping version in force of each connection."""
    newest = (
        select(mapping_versions.c.connection, func.max(mapping_versions.c.version).label("version"))
        .where(mapping_versions.c.state == PUBLISHED)
        .group_by(mapping_versions.c.connection)
        .subquery()
    )
    query = select(mapping_versions).join(
        newest,
        (mapping_versions.c.connection == newest.c.connection) & (mapping_versions.c.version == newest.c.version),
    )
    return {row["connection"]: dict(row) for row in connection.execute(query).mappings()}


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


def get(connection: Connection, name: str) -> Row | None:
    """One connection; None: there is none, or it was removed."""
    query = select(connections).where(connections.c.name == name, connections.c.removed_at.is_(None))
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None
