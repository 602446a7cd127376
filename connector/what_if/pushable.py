"""Which updates a change of a subject would ask for, and what of them the external systems could not take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import tzinfo
from typing import Any, Final

from sqlalchemy import Connection

from connector.adapter_kit.contract import EMPTIED_STAGE
from connector.core.mapping import MappingRules
from connector.core.updates import SeenRecord, ShownSubject, follows_subject, wanted_update
from connector.runtime.connections import Connected
from connector.store import catalogs
from connector.store.rows import Row
from connector.what_if.report import Push

STAGE_WORDS: Final = frozenset({"stage", EMPTIED_STAGE})
"""What `ECHOES` calls a stage's field."""


class Pushable:
    """Looks through the push sections in force, those of `drafts` in place of their connections' own."""

    def __init__(self, connections: Mapping[str, Connected], drafts: Mapping[str, MappingRules], zone: tzinfo) -> None:
        self._zone: Final = zone
        self._connections: Final = {
            name: replace(one, rules=drafts.get(name, one.rules))
            for name, one in connections.items()
            if one.adapter.takes_updates
        }
        self._stages: Final[dict[str, Mapping[str, Any]]] = {}

    def look_up(self, connection: Connection) -> None:
        """Read the stages that the systems had when they were asked last."""
        for name in self._connections:
            newest = catalogs.newest(connection, name)
            if newest is not None:
                self._stages[name] = newest["content"].get("stages", {})

    def pushes(self, subject: ShownSubject, records: Iterable[Row]) -> tuple[Push, ...]:
        """The updates of a subject's records (those that are not gone), had it changed to what is given."""
        return tuple(
            push
            for record in records
            if (one := self._connections.get(record["connection"])) is not None
            and follows_subject(one.rules, record["object"])
            and (push := self._push(one, record, subject)) is not None
        )

    def _push(self, one: Connected, record: Row, subject: ShownSubject) -> Push | None:
        """None: nothing is to be sent."""
        seen = SeenRecord(**{name: record[name] for name in ("object", "pipeline", "stage", "is_gone")})
        wanted = wanted_update(one.rules, seen, subject, self._zone)
        if wanted is None:
            return None
        wrong = None
        if wanted.status is None:
            wrong = f"no push value for the status {subject.status}"
        elif stage := self._missing_stage(one, record, wanted.status):
            wrong = f"the system has no stage {stage}"
        elif wanted.is_empty:
            return None
        return Push(connection=one.name, object=record["object"], record=record["external_id"], wrong=wrong)

    def _missing_stage(self, one: Connected, record: Row, values: Mapping[str, Any]) -> str | None:
        """A stage that is to be set and that the system had not; None also where it was never asked."""
        pipelines: Mapping[str, Mapping[str, str]] = self._stages.get(one.name, {}).get(record["object"], {})
        known = pipelines.get(record["pipeline"] or "") or {stage for own in pipelines.values() for stage in own}
        asked = (str(value) for name, value in values.items() if one.adapter.ECHOES.get(name) in STAGE_WORDS)
        return next((stage for stage in asked if known and stage not in known), None)
