"""The records of an emulated system: every change dated, numbered, kept, and told."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(slots=True, kw_only=True)
class Record:
    """An object of the system; times are aware UTC. `revision` counts its changes from 1; `by`: who made the last."""

    object: str
    id: str
    fields: dict[str, Any]
    created: datetime
    modified: datetime
    revision: int = 1
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to a record. `kind`: create, update, delete or restore. `origin`: people or api.

    `before` and `after` hold the fields that differ; `number` counts the changes of the whole system.
    """

    object: str
    id: str
    kind: str
    at: datetime
    origin: str
    by: str
    number: int
    revision: int
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


class Shelf:
    """Records by object and id, safe for threads. `now` (aware UTC) dates what has no `at`; `told` gets each change."""

    def __init__(
        self, *, now: Callable[[], datetime], on_change: Callable[[Change], object], first_id: int = 1
    ) -> None:
        self.lock = threading.RLock()
        self.changes: list[Change] = []
        self._now, self._on_change = now, on_change
        self._records: dict[str, dict[str, Record]] = {}
        self._deleted: dict[tuple[str, str], Record] = {}
        self._ids, self._numbers = itertools.count(first_id), itertools.count(1)

    def find(self, object_: str, record_id: str) -> Record | None:
        """The record; None: it was never there, or is deleted."""
        with self.lock:
            return self._records.get(object_, {}).get(record_id)

    def all(self, object_: str) -> list[Record]:
        """The records of an object in the order they were made."""
        with self.lock:
            return list(self._records.get(object_, {}).values())

    def modified_since(self, object_: str, since: datetime) -> list[Record]:
        """The records changed at or after an instant, the oldest change first."""
        found = [record for record in self.all(object_) if record.modified >= since]
        return sorted(found, key=lambda record: record.modified)

    def add(
        self,
        object_: str,
        fields: Mapping[str, Any],
        *,
        by: str = "",
        at: datetime | None = None,
        origin: str = "people",
        record_id: str | None = None,
    ) -> Record:
        """Make a record."""
        with self.lock:
            instant = (at or self._now()).astimezone(UTC)
            record = Record(
                object=object_,
                id=record_id or str(next(self._ids)),
                fields=dict(fields),
                created=instant,
                modified=instant,
                by=by,
            )
            self._records.setdefault(object_, {})[record.id] = record
            self._log(record, "create", instant, origin, by, before={}, after=dict(fields))
            return record

    def change(
        self,
        object_: str,
        record_id: str,
        fields: Mapping[str, Any],
        *,
        by: str = "",
        at: datetime | None = None,
        origin: str = "people",
    ) -> Change | None:
        """Save what differs; None: nothing did. Raises `KeyError` when there is no such record."""
        with self.lock:
            record = self._records.get(object_, {})[record_id]
            after = {name: value for name, value in fields.items() if record.fields.get(name) != value}
            if not after:
                return None
            before = {name: record.fields.get(name) for name in after}
            instant = (at or self._now()).astimezone(UTC)
            record.fields |= after
            record.modified = max(record.modified, instant)
            record.revision += 1
            record.by = by
            return self._log(record, "update", instant, origin, by, before=before, after=after)

    def delete(self, object_: str, record_id: str, *, by: str = "", at: datetime | None = None) -> None:
        """Delete a record. Raises `KeyError` when there is no such record."""
        with self.lock:
            record = self._records.get(object_, {}).pop(record_id)
            instant = (at or self._now()).astimezone(UTC)
            self._deleted[object_, record_id] = record
            record.revision += 1
            self._log(record, "delete", instant, "people", by, before=dict(record.fields), after={})

    def restore(self, object_: str, record_id: str, *, by: str = "", at: datetime | None = None) -> None:
        """Bring a deleted record back as it was. Raises `KeyError` when none was deleted."""
        with self.lock:
            record = self._deleted.pop((object_, record_id))
            record.modified = (at or self._now()).astimezone(UTC)
            record.revision += 1
            record.by = by
            self._records[object_][record_id] = record
            self._log(record, "restore", record.modified, "people", by, before={}, after=dict(record.fields))

    def _log(
        self,
        record: Record,
        kind: str,
        at: datetime,
        origin: str,
        by: str,
        *,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> Change:
        change = Change(
            object=record.object,
            id=record.id,
            kind=kind,
            at=at,
            origin=origin,
            by=by,
            number=next(self._numbers),
            revision=record.revision,
            before=before,
            after=after,
        )
        self.changes.append(change)
        self._on_change(change)
        return change
