"""Connections as people look at them: find one, list and show them, ask the system behind one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from adapters import ADAPTERS
from connector.adapter_kit.collecting import collects
from connector.core.errors import NotFound
from connector.operations.connection_settings import nearest
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections as queries
from connector.store import deliveries, subjects
from connector.store.rows import Row

_NO_DELIVERIES: Final = dict.fromkeys(("accepted", *deliveries.OUTCOMES), 0)


def find(runtime: Runtime, name: str) -> Row:
    """The connection's row. Raises `NotFound` with the nearest name."""
    with runtime.database.read() as connection:
        row = queries.get(connection, name)
        if row is not None:
            return row
        names = [str(other["name"]) for other in queries.listed(connection)]
    known = f" There are: {', '.join(names)}" if names else " There is none yet; add one by `connector connection add`"
    message = f"there is no connection {name!r}{nearest(name, names)}{known}"
    raise NotFound(message)


def connected(runtime: Runtime, name: str) -> Connected:
    """The connection ready for use. Raises `NotFound` as `find` does."""
    find(runtime, name)
    runtime.connections.forget()
    ready = runtime.connections.get(name)
    if ready is None:
        message = f"the connection {name!r} was removed meanwhile"
        raise NotFound(message)
    return ready


def listed(runtime: Runtime) -> Iterator[dict[str, Any]]:
    """Each connection: name, adapter, whether it is paused, mapping version, and its account."""
    with runtime.database.read() as connection:
        rows = queries.listed(connection)
        published = queries.published(connection)
        books = deliveries.account(connection)
    for row in rows:
        yield {
            **_head(runtime, row),
            "mapping_version": published[row["name"]]["version"] if row["name"] in published else None,
            "account": books.get(row["name"], _NO_DELIVERIES),
        }


def show(runtime: Runtime, name: str) -> dict[str, Any]:
    """All about a connection, but for the values of its secrets."""
    row = find(runtime, name)
    adapter = ADAPTERS[row["adapter"]]
    secrets = secrets_of(runtime, row)
    with runtime.database.read() as connection:
        published = queries.published(connection).get(name)
        book = deliveries.account(connection).get(name, _NO_DELIVERIES)
        quarantined = deliveries.count_quarantined(connection).get(name, 0)
        held = [*subjects.held(connection), *deliveries.held_unread(connection)]
    return {
        **_head(runtime, row),
        "settings": {
            key: row["settings"].get(key, setting.default)
            for key, setting in adapter.SETTINGS.items()
            if not setting.is_secret
        },
        "secrets": {key: len(secrets.get(key, ())) for key, setting in adapter.SETTINGS.items() if setting.is_secret},
        "mapping": _mapping(published),
        "account": book,
        "quarantined": quarantined,
        "held": [{"reason": one["reason"], "count": one["count"]} for one in held if one["connection"] == name],
        "created_at": row["created_at"],
        "reconciled_at": row["reconciled_at"],
        "missed": row["missed"],
    }


def _head(runtime: Runtime, row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "adapter": row["adapter"],
        "is_paused": row["is_paused"],
        "webhook": runtime.config.webhook_url(row["name"], is_collected=collects(ADAPTERS[row["adapter"]])),
    }


def _mapping(published: Row | None) -> dict[str, Any] | None:
    return {key: published[key] for key in ("version", "author", "comment", "published_at")} if published else None


def secrets_of(runtime: Runtime, row: Row) -> dict[str, tuple[str, ...]]:
    """The secrets of a connection's row by name, newest first. Raises `WrongSetting` when no key opens them."""
    return {key: tuple(values) for key, values in orjson.loads(runtime.vault.decrypt(row["sealed"])).items()}
