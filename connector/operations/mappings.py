"""Mappings as people handle them: publish a file and release what waited for it, show it, list what is held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.core.errors import NotFound, WrongSetting
from connector.core.status import StatusInfo
from connector.mapping_files import load_mapping
from connector.release import release
from connector.runtime import Runtime
from connector.store import connections as queries
from connector.store import deliveries, subjects


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A mapping's new version, and how much of what was held it released: events, and deliveries to be read again."""

    version: int
    events: int
    deliveries: int


def read_mapping(runtime: Runtime, path: Path, adapter: str) -> str:
    """The text of a mapping file for an adapter. Raises `BadMapping`, `NotFound`; `WrongSetting`: another adapter."""
    rules = load_mapping(path, _statuses(runtime))
    if rules.adapter != adapter:
        message = f"the mapping {path.name} is for the adapter {rules.adapter}; the connection's is {adapter}"
        raise WrongSetting(message)
    return path.read_text("utf-8")


def publish(runtime: Runtime, name: str, path: Path, *, actor: str, comment: str) -> Published:
    """Publish a file as a connection's next version, and release what was held for it."""
    with runtime.database.read() as connection:
        row = queries.get(connection, name)
    if row is None:
        message = f"there is no connection {name!r}; `connector connection list` shows them"
        raise NotFound(message)
    text = read_mapping(runtime, path, row["adapter"])
    now = runtime.clock()
    with runtime.database.write() as connection:
        version = queries.publish(connection, name, text, author=actor, comment=comment, now=now)
        detail = {"version": version, "comment": comment}
        queries.note(connection, now, actor=actor, action="mapping.publish", target=name, detail=detail)
    runtime.connections.forget()
    events, reread = release(runtime.database, runtime.connections.all()[name], runtime.context())
    wake(runtime)
    return Published(version=version, events=events, deliveries=reread)


def show(runtime: Runtime, name: str) -> dict[str, Any]:
    """The version in force with its source. Raises `NotFound` when nothing was published."""
    with runtime.database.read() as connection:
        found = queries.published(connection).get(name)
    if found is None:
        message = f"no mapping was published for {name!r}; do so by `connector mapping publish {name} FILE`"
        raise NotFound(message)
    return {key: found[key] for key in ("connection", "version", "author", "comment", "published_at", "source")}


def held(runtime: Runtime, name: str | None = None) -> Iterator[dict[str, Any]]:
    """What is held and why: `what` is events (unmapped) or deliveries (unknown words), `count`, an `example` id."""
    with runtime.database.read() as connection:
        found = [("events", row) for row in subjects.held(connection)]
        found += [("deliveries", row) for row in deliveries.held_unread(connection)]
    for what, row in found:
        if name in {None, row["connection"]}:
            yield {"what": what, **{key: row[key] for key in ("connection", "reason", "count", "example")}}


def wake(runtime: Runtime) -> None:
    """Wake the workers for everything that waits now."""
    with runtime.database.read() as connection:
        lanes = deliveries.waiting_lanes(connection, runtime.clock())
    runtime.wake_lanes(set(lanes))
    runtime.wake_push()


def _statuses(runtime: Runtime) -> tuple[StatusInfo, ...]:
    return tuple(runtime.ruleset.statuses.values())
