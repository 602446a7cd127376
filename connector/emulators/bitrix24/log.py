"""What an emulated Bitrix24 portal remembers: its stage history, and each saved change with what it changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.emulators.bitrix24.fields import Entity


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


def older_after_newer(writes: Iterable[Write], name: str) -> list[Write]:
    """The REST writes that put a smaller value of a field (a date, a number as text) after a greater one."""
    return [
        write
        for write in writes
        if write.origin == "rest" and name in write.after and write.before[name] not in (None, "")
        if str(write.after[name]) < str(write.before[name])
    ]
