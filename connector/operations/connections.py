"""Connections: find, list and show them; add, pause, change and remove them, rotate secrets. Changes are audited."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from adapters import ADAPTERS
from connector.adapter_kit.contract import Adapter, is_browser_collector
from connector.core.errors import NotFound, WrongSetting
from connector.core.identity import CONSOLE
from connector.core.ruleset import Ruleset
from connector.mapping import parse_mapping_for, read_text
from connector.mapping.region import lacks_region, with_region
from connector.operations.connection_settings import CheckedSettings, check_together, nearest
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections as queries
from connector.store import deliveries, quarantine, subjects
from connector.store.connections import ConnectionRow, PublishedMapping
from connector.store.database import new_id

ROTATED: Final = "rotated:"
"""What adapters keep by such names outlives changes: see `Api`."""
_TAKEN: Final = {CONSOLE: "what people change themselves", "rules": "the rules of the whole workspace"}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MAPPINGS: Final = Path(__file__).parents[2] / "mappings"


class LacksRegion(WrongSetting):
    """A mapping reads phone numbers, and nobody has said of which country those are that are written without theirs."""

    def __init__(self, file: str) -> None:
        super().__init__(
            f"the mapping {file} reads phone numbers, and nothing says of which country they are when it is not "
            "written; give --region with two letters (ISO 3166-1), such as --region VN, or write `region` into the "
            "file or, for all connections, into the rules of the workspace"
        )


def find(runtime: Runtime, name: str) -> ConnectionRow:
    """The connection's row. Raises `NotFound` with the nearest name."""
    with runtime.database.read() as connection:
        row = queries.get(connection, name)
        if row is not None:
            return row
        names = [other.name for other in queries.listed(connection)]
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


def chosen(runtime: Runtime, name: str | None) -> list[Connected]:
    """The connection of that name; None: all that are not paused. Raises `NotFound` as `find` does."""
    if name is not None:
        return [connected(runtime, name)]
    return [one for one in runtime.connections.all().values() if not one.is_paused]


def adapter_failure(one: Connected, error: Exception) -> str:
    """The sentence about a mistake in an adapter."""
    detail = " ".join(str(error).split())[:300]
    return f"the adapter {one.adapter.NAME} failed with {type(error).__name__}: {detail}; please report it"


def listed(runtime: Runtime) -> Iterator[dict[str, Any]]:
    """Each connection: name, adapter, whether it is paused, mapping version, and its account."""
    with runtime.database.read() as connection:
        rows = queries.listed(connection)
        published = queries.published(connection)
        books = deliveries.account(connection)
    for row in rows:
        yield {
            **_head(runtime, row),
            "mapping_version": published[row.name].version if row.name in published else None,
            "account": books.get(row.name, deliveries.empty_account()),
        }


def show(runtime: Runtime, name: str) -> dict[str, Any]:
    """All about a connection, but for the values of its secrets."""
    row = find(runtime, name)
    adapter = ADAPTERS[row.adapter]
    secrets = secrets_of(runtime, row)
    with runtime.database.read() as connection:
        published = queries.published(connection).get(name)
        book = deliveries.account(connection).get(name, deliveries.empty_account())
        quarantined = quarantine.count(connection).get(name, 0)
        held = [*subjects.held(connection), *deliveries.held_unread(connection)]
    return {
        **_head(runtime, row),
        "settings": {
            key: row.settings.get(key, setting.default)
            for key, setting in adapter.SETTINGS.items()
            if not setting.is_secret
        },
        "secrets": {key: len(secrets.get(key, ())) for key, setting in adapter.SETTINGS.items() if setting.is_secret},
        "mapping": _mapping(published),
        "account": book,
        "quarantined": quarantined,
        "held": [{"reason": one.reason, "count": one.count} for one in held if one.connection == name],
        "created_at": row.created_at,
        "reconciled_at": row.reconciled_at,
        "missed": row.missed,
    }


def check_name(name: str) -> None:
    """Raises `WrongSetting` when no connection can be called that."""
    if not _NAME.fullmatch(name):
        message = (
            f"{name!r} cannot be a connection's name; allowed: 1 to 63 lower-case letters, digits and hyphens, "
            "a hyphen not first"
        )
        raise WrongSetting(message)
    if name in _TAKEN:
        message = f"{name!r} is the name of {_TAKEN[name]}; choose another"
        raise WrongSetting(message)


def add(
    runtime: Runtime,
    name: str,
    adapter: type[Adapter],
    given: CheckedSettings,
    *,
    actor: str,
    mapping: str | None = None,
    file: str = "",
    region: str | None = None,
) -> dict[str, Any]:
    """Add a connection and publish its first mapping; what `show` gives.

    `mapping`: a text, `file` its name. Without it the one that comes with the connector is published. `region`: the
    country of phone numbers, for a mapping that says none.

    Raises `WrongSetting`, `LacksRegion` and `BadMapping`.
    """
    check_name(name)
    check_together(adapter, {**given.settings, **given.secrets})
    now = runtime.clock()
    if mapping is None and (shipped := shipped_mapping(name, adapter.NAME)) is not None:
        mapping, file = read_text(shipped), shipped.name
    if mapping is not None:
        mapping = _in_region(mapping, file, adapter.NAME, runtime.ruleset, region)
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
            if mapping is not None:
                queries.publish(connection, name, mapping, author=actor, comment=f"from {file}", now=now)
            detail = {"adapter": adapter.NAME, "settings": row["settings"], "secrets": _counts(given.secrets)}
            queries.note(connection, now, actor=actor, action="connection.add", target=name, detail=detail)
    except IntegrityError as error:
        message = f"there is a connection {name!r} already; remove it first, or choose another name"
        raise WrongSetting(message) from error
    runtime.connections.forget()
    return show(runtime, name)


def _in_region(text: str, file: str, adapter: str, ruleset: Ruleset, region: str | None) -> str:
    """The mapping's text; it or the workspace's rules say of which country phone numbers are, where it reads any."""
    statuses = ruleset.statuses.values()
    rules = parse_mapping_for(adapter, text, file, statuses)
    if region is not None and rules.region is None:
        text = with_region(text, region)
        rules = parse_mapping_for(adapter, text, file, statuses)
    if region not in {None, rules.region}:
        message = f"the mapping {file} says region {rules.region}; leave --region out, or change the file"
        raise WrongSetting(message)
    if ruleset.settings.region is None and lacks_region(rules):
        raise LacksRegion(file)
    return text


def shipped_mapping(name: str, adapter: str, folder: Path = _MAPPINGS) -> Path | None:
    """The mapping file for a connection that comes with the connector; None: there is none."""
    return next((path for of in (name, adapter) if (path := folder / f"{of}.yaml").is_file()), None)


def set_paused(runtime: Runtime, name: str, *, is_paused: bool, actor: str) -> bool:
    """Pause or resume a connection; whether that changed anything. Raises `NotFound`."""
    if find(runtime, name).is_paused == is_paused:
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
        queries.forget_secrets(connection, name)
        queries.end_refusals(connection, name)
    runtime.connections.forget()


def change(runtime: Runtime, name: str, settings: Mapping[str, Any], *, actor: str) -> None:
    """Change settings of a connection, checked by `check_settings`; the others stay.

    Raises `NotFound`, and `WrongSetting` where they do not go together.
    """
    row = find(runtime, name)
    before = {**row.settings, **secrets_of(runtime, row)}
    check_together(runtime.connections.adapters[row.adapter], {**before, **settings}, before)
    with runtime.database.write() as connection:
        queries.change(connection, name, settings={**row.settings, **settings}, subscribe_at=None)
        queries.forget_secrets(connection, name, but=ROTATED)
        queries.end_refusals(connection, name)
        _note(connection, runtime.clock(), name, "change", actor, settings=dict(settings))
    runtime.connections.forget()
    runtime.wakeups.enqueue_senders()


def rotate(
    runtime: Runtime, name: str, secrets: Mapping[str, Sequence[str]], *, keeps_old: bool, actor: str
) -> dict[str, int]:
    """Put new secrets in front of, or (without `keeps_old`) in place of the old ones; how many each name has now.

    Raises `NotFound`, and `WrongSetting` where a secret cannot be used.
    """
    row = find(runtime, name)
    stored = secrets_of(runtime, row)
    before = {**row.settings, **stored}
    for key, values in secrets.items():
        old = stored.get(key, ()) if keeps_old else ()
        stored[key] = tuple(dict.fromkeys((*values, *old)))
    check_together(runtime.connections.adapters[row.adapter], {**row.settings, **stored}, before)
    counts = _counts({key: stored[key] for key in secrets})
    with runtime.database.write() as connection:
        queries.change(connection, name, sealed=_seal(runtime, stored), subscribe_at=None)
        queries.forget_secrets(connection, name, but=ROTATED)
        queries.end_refusals(connection, name)
        _note(connection, runtime.clock(), name, "rotate", actor, secrets=counts)
    runtime.connections.forget()
    runtime.wakeups.enqueue_senders()
    return counts


def _head(runtime: Runtime, row: ConnectionRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "adapter": row.adapter,
        "is_paused": row.is_paused,
        "webhook": runtime.config.webhook_url(row.name, is_collected=is_browser_collector(ADAPTERS[row.adapter])),
    }


def _mapping(published: PublishedMapping | None) -> dict[str, Any] | None:
    return (
        {key: getattr(published, key) for key in ("version", "author", "comment", "published_at")}
        if published
        else None
    )


def secrets_of(runtime: Runtime, row: ConnectionRow) -> dict[str, tuple[str, ...]]:
    """The secrets of a connection's row by name, newest first. Raises `WrongSetting` when no key opens them."""
    return {key: tuple(values) for key, values in orjson.loads(runtime.vault.decrypt(row.sealed)).items()}


def _note(connection: Connection, now: datetime, name: str, verb: str, actor: str, **detail: Any) -> None:
    queries.note(connection, now, actor=actor, action=f"connection.{verb}", target=name, detail=detail)


def _seal(runtime: Runtime, secrets: Mapping[str, Sequence[str]]) -> str:
    return runtime.vault.encrypt(orjson.dumps({key: list(values) for key, values in secrets.items()}).decode())


def _counts(secrets: Mapping[str, Sequence[str]]) -> dict[str, int]:
    return {key: len(values) for key, values in secrets.items()}
