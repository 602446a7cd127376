"""The daily sweep: runs the daily rules for the subjects that are due, missed dates one by one, and no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import OperationalError

from connector.core.decide.batch import Context, Refold
from connector.core.engine import Ruleset
from connector.pipeline.batch import run_batch
from connector.runtime.connections import Connections
from connector.store import histories, subjects
from connector.store.database import Database, is_overtaken

BATCH: Final = 500
log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """How many subjects were due, and whether something is to be sent."""

    due: int
    has_updates: bool


def sweep(
    database: Database,
    connections: Connections,
    ruleset: Callable[[], Ruleset],
    clock: Callable[[], datetime],
    *,
    day: int | None = None,
    has_time: Callable[[], bool] = lambda: True,
) -> Swept:
    """Run the daily rules up to the local day `day` (ordinal; None: today); again for the same day: nothing.

    Subjects for which a clock that was wrong has run them on dates to come are folded again up to today, unless a day
    is given. A subject that cannot be swept stops no other: the log names it, and it stays due.
    """
    count, has_updates = 0, False
    failed: set[str] = set()
    ahead: set[str] = set()
    while day is None and has_time():
        context = Context(ruleset=ruleset(), now=clock(), mappings=connections.pushed_mappings())
        with database.read() as connection:
            found = histories.run_ahead(connection, context.today, BATCH + len(ahead))
        ids = [one for one in found if one not in ahead]
        if not ids:
            break
        ahead.update(ids)
        has_updates |= _run(database, [Refold(subject=of, is_whole=True) for of in ids], context, failed)
    while has_time():
        mappings, identifying = connections.pushed_mappings(), connections.identifying()
        context = Context(ruleset=ruleset(), now=clock(), mappings=mappings, identifying=identifying)
        until = context.today if day is None else day
        with database.read() as connection:
            ids = [one for one in subjects.due(connection, until, BATCH + len(failed)) if one not in failed]
        if not ids:
            break
        has_updates |= _run(database, [Refold(subject=of, until=until) for of in ids], context, failed)
        count += len(ids)
    return Swept(due=count - len(failed), has_updates=has_updates)


def _run(database: Database, refolds: Sequence[Refold], context: Context, failed: set[str]) -> bool:
    """Sweep subjects in one transaction; if that fails, each alone, and note those on which it fails."""
    try:
        changes = database.attempt(lambda connection: run_batch(connection, context, refolds=refolds))
    except Exception as error:
        if isinstance(error, BaseTimeoutException) or (isinstance(error, OperationalError) and not is_overtaken(error)):
            raise
        if len(refolds) > 1:
            each = [_run(database, [one], context, failed) for one in refolds]
            return any(each)
        log.exception("subject not swept", subject=refolds[0].subject)
        failed.add(refolds[0].subject)
        return False
    return changes.is_anything_to_send
