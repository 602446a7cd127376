"""Asks the systems what they have, keeps it, and says where the mappings in force do not fit it any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from connector.adapter_kit.contract import Catalog, Person
from connector.core.errors import CrmError
from connector.mapping.known_drift import Drifted, drifted
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import catalogs
from connector.store.rows import Row

MOST_TOLD: Final = 20
log: Final = structlog.get_logger(__name__)


def look(runtime: Runtime, connected: Connected) -> Catalog:
    """What the system has now; kept. Raises `CrmError` when it does not answer."""
    found = connected.adapter.catalog(runtime.api_for(connected))
    with runtime.database.write() as connection:
        catalogs.keep(connection, connected.name, to_json(found), runtime.clock())
    return found


def watch(runtime: Runtime) -> None:
    """Look at every system whose connection is not paused, and warn of what does not fit. One that fails stops none."""
    for connected in list(runtime.connections.all().values()):
        if connected.is_paused:
            continue
        try:
            look(runtime, connected)
        except CrmError as error:
            log.warning("catalogue not read", connection=connected.name, error=str(error))
            continue
        found = drift(runtime, connected)
        for one in found[:MOST_TOLD]:
            log.warning("mapping and system differ", connection=connected.name, what=str(one))
        if len(found) > MOST_TOLD:
            log.warning("mapping and system differ", connection=connected.name, more=len(found) - MOST_TOLD)


def drift(runtime: Runtime, connected: Connected) -> tuple[Drifted, ...]:
    """Where the mapping in force does not fit the catalogue that was kept last; nothing where there is none."""
    with runtime.database.read() as connection:
        kept = catalogs.listed(connection, connected.name)
    if not kept or connected.version is None:
        return ()
    return drifted(connected.rules, from_json(kept[0]["content"]), earlier(kept[1:]))


def earlier(kept: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Object → the fields that any of the catalogues has."""
    fields: dict[str, set[str]] = defaultdict(set)
    for row in kept:
        for of, names in row["content"]["fields"].items():
            fields[of].update(names)
    return {of: frozenset(names) for of, names in fields.items()}


def to_json(catalog: Catalog) -> dict[str, Any]:
    """A catalogue as JSON values: `stages`, `owners`, `fields`."""
    owners = [
        {"id": one.id, "email": one.email, "name": one.name, "is_active": one.is_active} for one in catalog.owners
    ]
    stages = {of: {name: dict(labels) for name, labels in found.items()} for of, found in catalog.stages.items()}
    return {"stages": stages, "owners": owners, "fields": {of: dict(found) for of, found in catalog.fields.items()}}


def from_json(content: Mapping[str, Any]) -> Catalog:
    """The catalogue that `to_json` wrote."""
    owners = tuple(Person(**one) for one in content["owners"])
    return Catalog(stages=content["stages"], owners=owners, fields=content["fields"])
