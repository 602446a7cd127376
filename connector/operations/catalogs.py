"""What the systems have now, for pick-lists and checks, and where the mappings do not fit them any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connector.adapter_kit.contract import Catalog
from connector.core.errors import CrmError
from connector.mapping import Mistake
from connector.mapping.known_drift import Drifted, drifted, place_in
from connector.mapping.source import read
from connector.operations.connections import connected
from connector.operations.mapping_versions import read_mapping, read_source
from connector.operations.watch import drift as kept_drift
from connector.operations.watch import from_json
from connector.operations.watch import look as look_at
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import catalogs


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Where a connection's mapping does not fit its system, or why the system could not be asked."""

    connection: str
    found: tuple[Drifted, ...] = ()
    error: str | None = None


def look(runtime: Runtime, name: str) -> Catalog:
    """Ask the system for its stages, owners and fields, and keep them. Raises `NotFound`, and `CrmError`."""
    return look_at(runtime, connected(runtime, name))


def known(runtime: Runtime, name: str) -> Catalog:
    """What the system had when it was asked last; it is asked where it never was. Raises `NotFound`, and `CrmError`."""
    one = connected(runtime, name)
    with runtime.database.read() as connection:
        kept = catalogs.newest(connection, name)
    return from_json(kept["content"]) if kept else look_at(runtime, one)


def drift(runtime: Runtime, name: str | None = None, *, asks: bool = True) -> Iterator[Checked]:
    """Compare one mapping in force, or all of connections that are not paused, with their systems.

    `asks`: as the systems are now; else as they were when they were asked last. A system that fails stops no other.
    """
    if name is not None:
        chosen = [connected(runtime, name)]
    else:
        chosen = [one for one in runtime.connections.all().values() if not one.is_paused]
    for one in chosen:
        yield _checked(runtime, one, asks=asks)


def check_file(runtime: Runtime, name: str, path: Path) -> list[Mistake]:
    """What of a connection's mapping file its system does not have, each with its place.

    Raises `BadMapping`, `NotFound`, `WrongSetting`, and `CrmError` when the system was never asked and does not answer.
    """
    one = connected(runtime, name)
    source = read_mapping(runtime, path, one.adapter.NAME)
    tree = read(source)[0]
    gone = [found for found in drifted(read_source(runtime, name, source), known(runtime, name)) if found.is_gone]
    return sorted(Mistake(path.name, *place_in(tree, found.place), str(found)) for found in gone)


def _checked(runtime: Runtime, one: Connected, *, asks: bool) -> Checked:
    try:
        if asks:
            look_at(runtime, one)
    except CrmError as error:
        return Checked(connection=one.name, error=str(error))
    return Checked(connection=one.name, found=kept_drift(runtime, one))
