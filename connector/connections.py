"""The connections as they are now: each with its adapter built from settings and secrets, and its mapping in force."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from connector.adapter import Adapter
from connector.core.mapping import MappingRules
from connector.core.status import StatusInfo
from connector.mapping_files import parse_mapping
from connector.store import connections as queries
from connector.store.database import Database
from connector.vault import Vault

FRESH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """One connection ready for use. `secrets` are the plain values, for masking only; `version` is the mapping's."""

    name: str
    adapter: Adapter
    is_paused: bool
    rules: MappingRules
    version: int | None
    secrets: tuple[str, ...] = field(repr=False)


class Connections:
    """Looks connections up by name; what it gives is at most a second old, and a change needs no restart."""

    def __init__(
        self,
        database: Database,
        adapters: Mapping[str, type[Any]],
        vault: Vault,
        statuses: tuple[StatusInfo, ...],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._vault = vault
        self._statuses = statuses
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._loaded: dict[str, Connected] = {}
        self._marks: dict[str, tuple[Any, ...]] = {}
        self._until = 0.0

    def get(self, name: str) -> Connected | None:
        """The connection of that name, paused ones included; None: there is none."""
        return self.all().get(name)

    def all(self) -> Mapping[str, Connected]:
        """All connections by name."""
        if self._monotonic() >= self._until:
            with self._turn:
                if self._monotonic() >= self._until:
                    self._load()
        return self._loaded

    def look_again(self, name: str) -> Connected | None:
        """The connection of that name as it is at this moment."""
        self.forget()
        return self.get(name)

    def forget(self) -> None:
        """Read again at the next look-up."""
        self._until = 0.0

    def _load(self) -> None:
        with self._database.read() as connection:
            rows = queries.listed(connection)
            published = queries.published(connection)
        loaded: dict[str, Connected] = {}
        marks: dict[str, tuple[Any, ...]] = {}
        for row in rows:
            name = row["name"]
            mapping = published.get(name)
            mark = (
                row["adapter"],
                row["sealed"],
                orjson.dumps(row["settings"]),
                row["is_paused"],
                mapping["version"] if mapping else None,
            )
            marks[name] = mark
            is_known = self._marks.get(name) == mark
            loaded[name] = self._loaded[name] if is_known else self._build(row, mapping)
        self._loaded, self._marks = loaded, marks
        self._until = self._monotonic() + FRESH_SECONDS

    def _build(self, row: Mapping[str, Any], mapping: Mapping[str, Any] | None) -> Connected:
        secrets = {name: tuple(values) for name, values in orjson.loads(self._vault.decrypt(row["sealed"])).items()}
        settings = {name: tuple(value) if isinstance(value, list) else value for name, value in row["settings"].items()}
        source = f"{row['name']}, version {mapping['version']}" if mapping else ""
        return Connected(
            name=row["name"],
            adapter=self._adapters[row["adapter"]](**settings, **secrets),
            is_paused=row["is_paused"],
            rules=parse_mapping(mapping["source"], source, self._statuses)
            if mapping
            else MappingRules(adapter=row["adapter"]),
            version=mapping["version"] if mapping else None,
            secrets=tuple(value for values in secrets.values() for value in values),
        )
