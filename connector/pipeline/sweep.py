"""The daily sweep: runs the daily rules for the subjects that are due, missed dates one by one, and no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import OperationalError

from connector.core.calendar import local_day
from connector.core.decide.batch import Context, Refold
from connector.core.engine import Ruleset
from connector.pipeline.batch import run_batch
from connector.runtime.connections import Connections
from connector.store import histories, subjects
from connector.store.database import Database, is_overtaken

BATCH: Final = 500
JUMP: Final = timedelta(days=2)
"""A sweep that catches up more than this asks whether the days have really passed."""
_BY_HAND: Final = "if that is right, run `connector sweep`; else set the clock"
log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """How many subjects were due, and whether something is to be sent."""

    due: int
    has_updates: bool


def doubt(database: Database, now: datetime, machine: datetime, zone: tzinfo) -> str | None:
    """Why the rules had better not be run now: it would jump over days that may not have passed; None: it may be run.

    `now`: the database's clock, `machine`: ours. Where the two agree, what was received says whether the days have
    passed: without a gap, or after it with events that their sender dates of today.
    """
    with database.read() as connection:
        if not subjects.due(connection, local_day(now - JUMP, zone) - 1, 1):
            return None
        before = histories.received_before(connection, now - JUMP)
        newest = histories.received_before(connection, now + JUMP)
        said = histories.said_since(connection, now - JUMP)
    if abs(now - machine) > JUMP:
        return f"the database's clock says {now:%F %R} UTC, this machine's {machine:%F %R}; set the one that is wrong"
    if said is not None and said > now - JUMP:
        return None
    if newest is None or newest <= now - JUMP:
        last = "nothing was ever received" if newest is None else f"nothing has been received since {newest:%F %R} UTC"
        return f"{last}, and the clock says {now:%F %R}; {_BY_HAND}"
    if before is not None and before <= now - 2 * JUMP:
        return f"nothing was received from {before:%F %R} UTC on, and no event is dated after that; {_BY_HAND}"
    return None


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
