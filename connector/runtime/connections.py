"""The connections as they are now: each with its adapter built from settings and secrets, and its mapping in force.

It is noted, too, which of them their systems refuse as a whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from connector.adapter_kit.contract import Adapter, persons_of
from connector.core.errors import ConnectorError, OperatorError
from connector.core.identity import Identifying
from connector.core.mapping import MappingRules
from connector.core.ruleset import Ruleset
from connector.core.status import StatusInfo
from connector.mapping import parse_mapping
from connector.mapping.region import in_region
from connector.runtime.retry import ACCESS
from connector.runtime.vault import Vault
from connector.store import connections as queries
from connector.store.connections import ConnectionRow, PublishedMapping, Refusal
from connector.store.database import Database

FRESH_SECONDS: Final = 1.0
_LONGEST_ERROR: Final = 1000
log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """One connection ready for use. `secrets` are the plain values, for masking only; `version` is the mapping's."""

    name: str
    adapter: Adapter = field(repr=False)
    is_paused: bool
    rules: MappingRules
    version: int | None
    secrets: tuple[str, ...] = field(repr=False)


class BrokenConnection(OperatorError):
    """A connection that is there and cannot be used: its key is lost, its adapter gone, its mapping unreadable."""

    reason = "broken_connection"


class Connections:
    """Looks connections up by name; what it gives is at most a second old, and a change needs no restart.

    One that is broken stops no other. While the database does not answer, the connections are as they were.
    """

    def __init__(
        self,
        database: Database,
        adapters: Mapping[str, type[Any]],
        vault: Vault,
        ruleset: Callable[[], Ruleset],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self.adapters = adapters
        self._vault = vault
        self._ruleset = ruleset
        self._monotonic = monotonic
        self._loading = threading.Lock()
        self._loaded: dict[str, Connected] = {}
        self._broken: dict[str, str] = {}
        self._marks: dict[str, tuple[Any, ...]] = {}
        self._until = 0.0
        self._forgotten = 0

    def get(self, name: str) -> Connected | None:
        """The connection of that name, paused ones included; None: there is none. Raises `BrokenConnection`."""
        found = self.all().get(name)
        if found is None and name in self._broken:
            raise BrokenConnection(self._broken[name])
        return found

    def pushed_mappings(self) -> dict[str, MappingRules]:
        """The mappings in force of the connections that take updates, by name."""
        return {name: found.rules for name, found in self.all().items() if found.adapter.takes_updates}

    def identifying(self) -> dict[str, Identifying]:
        """How the events of each connection identify people, by name."""
        return {
            name: Identifying(persons=persons_of(found.adapter), kinds=found.rules.identify_by)
            for name, found in self.all().items()
        }

    def broken(self) -> tuple[str, ...]:
        """What is wrong with the connections that cannot be used, a sentence each."""
        self.all()
        return tuple(self._broken.values())

    def all(self) -> Mapping[str, Connected]:
        """All connections that can be used, by name."""
        if self._monotonic() >= self._until:
            with self._loading:
                if self._monotonic() >= self._until:
                    self._load()
        return self._loaded

    def look_again(self, name: str) -> Connected | None:
        """The connection of that name as it is at this moment. Raises `BrokenConnection`."""
        self.forget()
        return self.get(name)

    def forget(self) -> None:
        """Read again at the next look-up, also where they are being read at this moment."""
        self._forgotten += 1
        self._until = 0.0

    def _load(self) -> None:
        forgotten = self._forgotten
        try:
            ruleset = self._ruleset()
            with self._database.read() as connection:
                rows = queries.listed(connection)
                published = queries.published(connection)
        except SQLAlchemyError:
            if not self._marks:
                raise
            log.warning("the connections cannot be read; they are used as they were")
            self._until = self._monotonic() + FRESH_SECONDS
            return
        loaded: dict[str, Connected] = {}
        broken: dict[str, str] = {}
        marks: dict[str, tuple[Any, ...]] = {}
        read_by = (tuple(ruleset.statuses.values()), ruleset.settings.region)
        for row in rows:
            name, mapping = row.name, published.get(row.name)
            mark = (row.adapter, row.sealed, row.settings, row.is_paused, mapping and mapping.version, read_by)
            marks[name] = mark
            if self._marks.get(name) == mark and name in self._loaded:
                loaded[name] = self._loaded[name]
                continue
            try:
                loaded[name] = self._build(row, mapping, *read_by)
            except (ConnectorError, KeyError, TypeError, ValueError) as error:
                broken[name] = f"the connection {name!r} cannot be used: {type(error).__name__}: {str(error)[:300]}"
                log.error("a connection cannot be used", connection=name, error=type(error).__name__)  # noqa: TRY400
        self._loaded, self._broken, self._marks = loaded, broken, marks
        self._until = self._monotonic() + FRESH_SECONDS if forgotten == self._forgotten else 0.0

    def _build(
        self,
        row: ConnectionRow,
        mapping: PublishedMapping | None,
        statuses: tuple[StatusInfo, ...],
        region: str | None,
    ) -> Connected:
        secrets = {name: tuple(values) for name, values in orjson.loads(self._vault.decrypt(row.sealed)).items()}
        settings = {name: tuple(value) if isinstance(value, list) else value for name, value in row.settings.items()}
        source = f"{row.name}, version {mapping.version}" if mapping else ""
        adapter = self.adapters[row.adapter](**settings, **secrets)
        rules = MappingRules(adapter=row.adapter)
        if mapping:
            rules = in_region(parse_mapping(mapping.source, source, statuses), region)
        return Connected(
            name=row.name,
            adapter=adapter,
            is_paused=row.is_paused,
            rules=replace(rules, takes_stand_ins=getattr(adapter, "TAKES_STAND_INS", False)),
            version=mapping.version if mapping else None,
            secrets=tuple(value for values in secrets.values() for value in values),
        )


def note_refused(connection: Connection, name: str, act: str, error: str, now: datetime) -> None:
    """The system refused a connection for an act (`PUSH`, `CHANGES`); `now` aware UTC."""
    known = _known(connection, name, act)
    since = known.since if known else now
    until = now + ACCESS.pause_since(now - since)
    text = error.replace("\0", "\ufffd")[:_LONGEST_ERROR]
    refusal = Refusal(connection=name, act=act, since=since, until=until, error=text, told_at=None)
    queries.note_refusal(connection, refusal)
    log.warning("access refused", connection=name, what=act, error=text, until=until.isoformat())


def note_granted(connection: Connection, name: str, act: str) -> None:
    """The system took what a connection asked for."""
    if (known := _known(connection, name, act)) is not None:
        queries.end_refusals(connection, name, act)
        log.info("access granted again", connection=name, what=act, since=known.since.isoformat())


def _known(connection: Connection, name: str, act: str) -> Refusal | None:
    return next((one for one in queries.list_refusals(connection, act) if one.connection == name), None)
