"""The state of an emulated Bitrix24 portal, and what people and REST do to it: each change dated, logged and told."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.emulators.bitrix24.directory import CUSTOM_FIELDS, FUNNELS, STAGES, USERS, Stage, User, directory_of
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.records import Multi, Record, Refused, bad_value, read_values, write_multis

MOVED_FUNNEL: Final = "ONCRMDEALMOVETOCATEGORY"
CREATED, MOVED, CLOSED, CHANGED_FUNNEL = 1, 2, 3, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One row of the stage history; `type` is 1 created, 2 moved, 3 closed, 5 other funnel."""

    id: int
    type: int
    entity: Entity
    owner: int
    at: datetime
    category: int
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One saved change of a record: `origin` is `people` or `rest`, `before` and `after` hold what differs."""

    entity: Entity
    id: int
    at: datetime
    by: int
    origin: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


class Portal:
    """Leads, deals and contacts of one company, safe for threads.

    `now` gives aware UTC and dates what has no `at`. `announce` is told each event's code and the record, in order.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        announce: Callable[[str, Entity, int], None] | None = None,
        zone: str = "Europe/Athens",
    ) -> None:
        self.now, self.announce, self.zone = now, announce, ZoneInfo(zone)
        self.lock = threading.RLock()
        self.stages: dict[str, tuple[Stage, ...]] = dict(STAGES)
        self.users: dict[int, User] = {user.id: user for user in USERS}
        self.customs: dict[Entity, dict[str, str]] = {entity: dict(rows) for entity, rows in CUSTOM_FIELDS.items()}
        self.webhook_scopes: tuple[str, ...] = ("crm", "user_basic")
        self.triggers: dict[str, tuple[Entity, str]] = {}
        self.records: dict[Entity, dict[int, Record]] = {entity: {} for entity in Entity}
        self.history: list[Move] = []
        self.writes: list[Write] = []
        self._ids = {entity: itertools.count(start) for entity, start in zip(Entity, (1, 1, 1), strict=True)}
        self._multi_ids, self._move_ids = itertools.count(9001), itertools.count(1)

    def find(self, entity: Entity, record_id: int) -> Record:
        """The record; raises `Refused` as `crm.item.*` does when there is none."""
        with self.lock:
            if record := self.records[entity].get(record_id):
                return record
        raise Refused(code="NOT_FOUND", text="Element not found")

    def stage_of(self, entity: Entity, record_id: int) -> str:
        """The stage that the portal shows now."""
        return str(self.find(entity, record_id).get("stageId"))

    def semantics(self, record: Record) -> str:
        """P, S or F; empty where the object has no stages."""
        stages = self.stages.get(directory_of(record.entity, record.get("categoryId") or 0) or "", ())
        return next((stage.semantics for stage in stages if stage.status_id == record.get("stageId")), "")

    def add(
        self,
        entity: Entity,
        values: Mapping[str, Any],
        *,
        by: int,
        email: str | None = None,
        at: datetime | None = None,
        origin: str = "people",
    ) -> int:
        """Makes a record and returns its id; `values` by `crm.item.*` name, custom fields by original name."""
        with self.lock:
            record = Record(entity=entity, id=next(self._ids[entity]))
            instant = self._instant(at)
            read = self._read(record, {"assignedById": by, **values})
            if directory := directory_of(entity, read.get("categoryId") or 0):
                read |= {"categoryId": read.get("categoryId") or 0} if entity is Entity.DEAL else {}
                read.setdefault("stageId", self.stages[directory][0].status_id)
            self._check(record, read)
            record.multis = write_multis(record.multis, values.get("fm"), self._multi_ids)
            if email:
                record.multis.append(Multi(id=next(self._multi_ids), type_id="EMAIL", value=email))
            self.records[entity][record.id] = record
            self._save(record, {**read, "createdTime": instant, "createdBy": by}, by, instant, origin)
            if directory:
                record.values |= {"movedTime": instant, "movedBy": by}
                self._remember(record, CREATED, instant)
            self._announce(f"ONCRM{entity.name}ADD", record)
            return record.id

    def change(
        self,
        entity: Entity,
        record_id: int,
        values: Mapping[str, Any],
        *,
        by: int,
        at: datetime | None = None,
        origin: str = "people",
    ) -> bool:
        """Saves what differs and says whether anything did. A deal's new funnel without a stage gets its first one."""
        with self.lock:
            record = self.find(entity, record_id)
            read = self._read(record, values)
            if read.get("categoryId", record.get("categoryId")) != record.get("categoryId"):
                directory = directory_of(entity, read["categoryId"] or 0) or ""
                read.setdefault("stageId", self.stages[directory][0].status_id)
            self._check(record, read)
            after = {name: value for name, value in read.items() if record.get(name) != value}
            multis = write_multis(record.multis, values.get("fm"), self._multi_ids)
            if not after and multis == record.multis:
                return False
            instant = self._instant(at)
            record.multis = multis
            self._save(record, after, by, instant, origin)
            is_moved, is_other_funnel = "stageId" in after, "categoryId" in after
            if is_moved or is_other_funnel:
                record.values |= {"movedTime": instant, "movedBy": by}
                is_open = self.semantics(record) == "P"
                self._remember(record, CHANGED_FUNNEL if is_other_funnel else MOVED if is_open else CLOSED, instant)
            self._announce(MOVED_FUNNEL if is_other_funnel else f"ONCRM{entity.name}UPDATE", record)
            return True

    def move(self, entity: Entity, record_id: int, stage: str, *, by: int, at: datetime | None = None) -> bool:
        """A person drags the card to another stage."""
        return self.change(entity, record_id, {"stageId": stage}, by=by, at=at)

    def assign(self, entity: Entity, record_id: int, owner: int, *, by: int, at: datetime | None = None) -> bool:
        """A person hands the record to a colleague."""
        return self.change(entity, record_id, {"assignedById": owner}, by=by, at=at)

    def delete(self, entity: Entity, record_id: int) -> None:
        """A person deletes the record; its stage history goes with it."""
        with self.lock:
            record = self.find(entity, record_id)
            del self.records[entity][record_id]
            self.history = [move for move in self.history if (move.entity, move.owner) != (entity, record_id)]
            self._announce(f"ONCRM{entity.name}DELETE", record)

    def _instant(self, at: datetime | None) -> datetime:
        return (at or self.now()).astimezone(UTC).replace(microsecond=0)

    def _read(self, record: Record, values: Mapping[str, Any]) -> dict[str, Any]:
        read = read_values(record.entity, values, self.customs[record.entity], self.zone)
        if (read.get("categoryId") or 0) not in {funnel.id for funnel in FUNNELS}:
            raise bad_value(name="categoryId")
        return read

    def _check(self, record: Record, read: Mapping[str, Any]) -> None:
        category = read.get("categoryId", record.get("categoryId")) or 0
        directory = directory_of(record.entity, category)
        stages = {stage.status_id for stage in self.stages.get(directory or "", ())}
        if "stageId" in read and read["stageId"] not in stages:
            raise bad_value(name="stageId")
        if read.get("assignedById", 0) not in {0, *self.users}:
            raise bad_value(name="assignedById")

    def _save(self, record: Record, after: Mapping[str, Any], by: int, instant: datetime, origin: str) -> None:
        before = {name: record.get(name) for name in after}
        record.values |= {
            **after,
            "updatedTime": instant,
            "updatedBy": by,
            "lastActivityBy": by,
            "lastActivityTime": instant,
        }
        if record.entity is Entity.LEAD and "stageId" in after:
            record.values["dateClosed"] = None if self.semantics(record) == "P" else instant
        self.writes.append(
            Write(entity=record.entity, id=record.id, at=instant, by=by, origin=origin, before=before, after=after)
        )

    def _remember(self, record: Record, kind: int, instant: datetime) -> None:
        self.history.append(
            Move(
                id=next(self._move_ids),
                type=kind,
                entity=record.entity,
                owner=record.id,
                at=instant,
                category=record.get("categoryId") or 0,
                stage=record.get("stageId"),
            )
        )

    def _announce(self, event: str, record: Record) -> None:
        if self.announce:
            self.announce(event, record.entity, record.id)
