"""Changes to connections by people: add, pause, resume, remove, change settings, rotate secrets; each in the audit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from connector.adapter_kit.contract import Adapter
from connector.core.errors import WrongSetting
from connector.operations.connection_settings import Draft
from connector.operations.connections import find, secrets_of, show
from connector.operations.mapping_versions import read_mapping
from connector.runtime.parts import Runtime
from connector.store import connections as queries
from connector.store import kept
from connector.store.database import new_id

CONSOLE: Final = "console"
"""The connection that events of people carry; nobody can add one of that name."""
ROTATED: Final = "rotated:"
"""What adapters keep by such names outlives changes: see `Api`."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MAPPINGS: Final = Path(__file__).parents[2] / "mappings"


def check_name(name: str) -> None:
    """Raises `WrongSetting` when no connection can be called that."""
    if not _NAME.fullmatch(name):
        message = (
            f"{name!r} cannot be a connection's name; allowed: 1 to 63 lower-case letters, digits and hyphens, "
            "a hyphen not first"
        )
        raise WrongSetting(message)
    if name == CONSOLE:
        message = f"{name!r} is the name under which people's own changes are kept; choose another"
        raise WrongSetting(message)


def add(
    runtime: Runtime, name: str, adapter: type[Adapter], given: Draft, *, mapping: Path | None, actor: str
) -> dict[str, Any]:
    """Add a connection and publish its first mapping; what `show` gives.

    Without `mapping` the one that comes with the connector is published. Raises `WrongSetting` and `BadMapping`.
    """
    check_name(name)
    now = runtime.clock()
    source = mapping or shipped_mapping(name, adapter.NAME)
    text = read_mapping(runtime, source, adapter.NAME) if source else None
    row = {
        "id": new_id(now),
        "name": name,
        "adapter": adapter.NAME,
        "settings": dict(given.settings),
        "sealed": _seal(runtime, given.secrets),
        "is_paused": False,
        "created_at": now,
        "reconciled_at": None,
        "subscribe_at": None,
    }
    try:
        with runtime.database.write() as connection:
            queries.add(connection, row)
            if text is not None and source is not None:
                queries.publish(connection, name, text, author=actor, comment=f"from {source.name}", now=now)
            detail = {"adapter": adapter.NAME, "settings": row["settings"], "secrets": _counts(given.secrets)}
            queries.note(connection, now, actor=actor, action="connection.add", target=name, detail=detail)
    except IntegrityError as error:
        message = f"there is a connection {name!r} already; remove it first, or choose another name"
        raise WrongSetting(message) from error
    runtime.connections.forget()
    return show(runtime, name)


def shipped_mapping(name: str, adapter: str, folder: Path = _MAPPINGS) -> Path | None:
    """The mapping file for a connection that comes with the connector; None: there is none."""
    return next((path for of in (name, adapter) if (path := folder / f"{of}.yaml").is_file()), None)


def set_paused(runtime: Runtime, name: str, *, is_paused: bool, actor: str) -> bool:
    """Pause or resume a connection; whether that changed anything. Raises `NotFound`."""
    if find(runtime, name)["is_paused"] == is_paused:
        return False
    with runtime.database.write() as connection:
        queries.change(connection, name, is_paused=is_paused)
        _note(connection, runtime.clock(), name, "pause" if is_paused else "resume", actor)
    runtime.connections.forget()
    return True


def remove(runtime: Runtime, name: str, *, actor: str) -> None:
    """Remove a connection and its secrets; its deliveries, events and mapping versions stay. Raises `NotFound`."""
    find(runtime, name)
    now = runtime.clock()
    with runtime.database.write() as connection:
        _note(connection, now, name, "remove", actor)
        queries.change(connection, name, removed_at=now, sealed=_seal(runtime, {}))
        kept.clear(connection, name)
    runtime.connections.forget()


def change(runtime: Runtime, name: str, settings: Mapping[str, Any], *, actor: str) -> None:
    """Change settings of a connection, checked by `draft`; the others stay. Raises `NotFound`."""
    row = find(runtime, name)
    with runtime.database.write() as connection:
        queries.change(connection, name, settings={**row["settings"], **settings}, subscribe_at=None)
        kept.clear(connection, name, but=ROTATED)
        _note(connection, runtime.clock(), name, "change", actor, settings=dict(settings))
    runtime.connections.forget()


def rotate(
    runtime: Runtime, name: str, secrets: Mapping[str, Sequence[str]], *, keeps_old: bool, actor: str
) -> dict[str, int]:
    """Put new secrets in front of, or (without `keeps_old`) in place of the old ones; how many each name has now."""
    row = find(runtime, name)
    stored = secrets_of(runtime, row)
    for key, values in secrets.items():
        old = stored.get(key, ()) if keeps_old else ()
        stored[key] = tuple(dict.fromkeys((*values, *old)))
    counts = _counts({key: stored[key] for key in secrets})
    with runtime.database.write() as connection:
        queries.change(connection, name, sealed=_seal(runtime, stored), subscribe_at=None)
        kept.clear(connection, name, but=ROTATED)
        _note(connection, runtime.clock(), name, "rotate", actor, secrets=counts)
    runtime.connections.forget()
    return counts


def _note(connection: Connection, now: datetime, name: str, verb: str, actor: str, **detail: Any) -> None:
    queries.note(connection, now, actor=actor, action=f"connection.{verb}", target=name, detail=detail)


def _seal(runtime: Runtime, secrets: Mapping[str, Sequence[str]]) -> str:
    return runtime.vault.encrypt(orjson.dumps({key: list(values) for key, values in secrets.items()}).decode())


def _counts(secrets: Mapping[str, Sequence[str]]) -> dict[str, int]:
    return {key: len(values) for key, values in secrets.items()}
