"""The daily sweep: runs the daily rules for the subjects that are due, missed dates one by one, and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connector.apply import Change, Context, settle
from connector.connections import Connections
from connector.core.engine import Ruleset
from connector.store import subjects
from connector.store.database import Database

BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """How many subjects were due, and whether something is to be sent."""

    due: int
    has_updates: bool


def sweep(
    database: Database,
    connections: Connections,
    ruleset: Ruleset,
    clock: Callable[[], datetime],
    *,
    day: int | None = None,
    has_time: Callable[[], bool] = lambda: True,
) -> Swept:
    """Run the daily rules up to the local day `day` (ordinal; None: today); again for the same day: nothing."""
    count, has_updates = 0, False
    while has_time():
        context = Context(ruleset=ruleset, connections=connections.all(), now=clock())
        until = context.today if day is None else day
        with database.write() as connection:
            ids = subjects.due(connection, until, BATCH)
            if not ids:
                break
            rows = subjects.load(connection, ids)
            has_updates |= settle(connection, [Change(id=of, row=rows[of], until=until) for of in ids], context)
        count += len(ids)
    return Swept(due=count, has_updates=has_updates)
