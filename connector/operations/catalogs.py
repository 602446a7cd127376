"""What the systems have (stages, owners, fields) as they were asked last, and where the mappings do not fit it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from connector.adapter_kit.contract import Catalog, Person
from connector.core.errors import CrmError
from connector.mapping import Mistake
from connector.mapping.drift import CatalogMismatch, mismatches, place_in
from connector.mapping.source import read
from connector.operations.connections import chosen, connected
from connector.operations.mappings import read_source
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections as queries
from connector.store.connections import CatalogRow

MOST_SHOWN: Final = 20
log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """Where a connection's mapping does not fit its system, or why the system could not be asked."""

    connection: str
    found: tuple[CatalogMismatch, ...] = ()
    error: str | None = None


def ask(runtime: Runtime, one: Connected) -> Catalog:
    """What the system has now; kept. Raises `CrmError` when it does not answer."""
    found = one.adapter.catalog(runtime.api_for(one))
    with runtime.database.write() as connection:
        queries.add_catalog(connection, one.name, _to_json(found), runtime.clock())
    return found


def watch(runtime: Runtime) -> None:
    """Look at every system whose connection is not paused, and warn of what does not fit. One that fails stops none."""
    for checked in drift(runtime):
        if checked.error is not None:
            log.warning("catalogue not read", connection=checked.connection, error=checked.error)
        for mismatch in checked.found[:MOST_SHOWN]:
            log.warning("mapping and system differ", connection=checked.connection, what=str(mismatch))
        if len(checked.found) > MOST_SHOWN:
            more = len(checked.found) - MOST_SHOWN
            log.warning("mapping and system differ", connection=checked.connection, more=more)


def stored_drift(runtime: Runtime, one: Connected) -> tuple[CatalogMismatch, ...]:
    """Where the mapping in force does not fit the catalogue that was kept last; nothing where there is none."""
    with runtime.database.read() as connection:
        kept = queries.list_catalogs(connection, one.name)
    if not kept or one.version is None:
        return ()
    return mismatches(one.rules, _from_json(kept[0].content), _fields_before(kept[1:]))


def known(runtime: Runtime, name: str) -> Catalog:
    """What the system had when it was asked last; it is asked where it never was. Raises `NotFound`, and `CrmError`."""
    one = connected(runtime, name)
    with runtime.database.read() as connection:
        kept = queries.newest_catalog(connection, name)
    return _from_json(kept.content) if kept else ask(runtime, one)


def drift(runtime: Runtime, name: str | None = None, *, asks: bool = True) -> Iterator[DriftReport]:
    """Compare one mapping in force, or all of connections that are not paused, with their systems.

    `asks`: as the systems are now; else as they were when they were asked last. A system that fails stops no other.
    """
    for one in chosen(runtime, name):
        yield _checked(runtime, one, asks=asks)


def check_text(runtime: Runtime, name: str, text: str, file: str) -> list[Mistake]:
    """What of a mapping's text for a connection its system does not have, each with its place in the `file`.

    Raises `BadMapping`, `NotFound`, `WrongSetting`, and `CrmError` when the system was never asked and does not answer.
    """
    rules, tree = read_source(runtime, name, text, file), read(text)[0]
    gone = [found for found in mismatches(rules, known(runtime, name)) if found.is_gone]
    return sorted(Mistake(file, *place_in(tree, found.place), str(found)) for found in gone)


def _checked(runtime: Runtime, one: Connected, *, asks: bool) -> DriftReport:
    try:
        if asks:
            ask(runtime, one)
    except CrmError as error:
        return DriftReport(connection=one.name, error=str(error))
    return DriftReport(connection=one.name, found=stored_drift(runtime, one))


def _fields_before(kept: Iterable[CatalogRow]) -> dict[str, frozenset[str]]:
    """Object → the fields that any of the catalogues has."""
    fields: dict[str, set[str]] = defaultdict(set)
    for row in kept:
        for of, names in row.content["fields"].items():
            fields[of].update(names)
    return {of: frozenset(names) for of, names in fields.items()}


def _to_json(catalog: Catalog) -> dict[str, Any]:
    """A catalogue as JSON values: `stages`, `owners`, `fields`."""
    owners = [
        {"id": one.id, "email": one.email, "name": one.name, "is_active": one.is_active} for one in catalog.owners
    ]
    stages = {of: {name: dict(labels) for name, labels in found.items()} for of, found in catalog.stages.items()}
    return {"stages": stages, "owners": owners, "fields": {of: dict(found) for of, found in catalog.fields.items()}}


def _from_json(content: Mapping[str, Any]) -> Catalog:
    """The catalogue that `_to_json` wrote."""
    owners = tuple(Person(**one) for one in content["owners"])
    return Catalog(stages=content["stages"], owners=owners, fields=content["fields"])
