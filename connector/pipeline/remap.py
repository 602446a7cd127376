"""Translates a connection's stored events anew after a mapping was published, subject by subject, and folds them again.

Held events that the mapping covers are released in their place in time; those that it no longer covers are held. The
work is kept track of in the store: whoever comes next goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias

import orjson
from sqlalchemy import Connection

from connector.core.decide.batch import Context, Refold
from connector.core.engine import Ruleset
from connector.core.errors import Unmapped
from connector.core.event import COUNTED, Kind, Outcome
from connector.core.identity import RecordKey
from connector.core.mapping import MappingRules, translate
from connector.core.order import Order
from connector.pipeline.batch import run_batch
from connector.pipeline.recount import recount
from connector.runtime.connections import Connected, Connections
from connector.runtime.wakeups import Wakeups
from connector.store import batches, deliveries, remaps
from connector.store.database import Database
from connector.store.event_json import event_from_json, step_to_json
from connector.store.remaps import RemapRun
from connector.store.subjects import EventRow

PAGE: Final = 50
"""Subjects in one transaction: webhooks wait for it on SQLite."""
WATCHED: Final = timedelta(hours=1)
"""How long a finished run is looked after: a batch that was being read may still be written by the mapping before."""
Translation: TypeAlias = tuple[Outcome, str | None, list[dict[str, Any]]]
"""What a mapping makes of a stored event: outcome, reason, steps as JSON values."""
_Change: TypeAlias = tuple[EventRow, Translation]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Some subjects of a run: those that change, and the events that are translated as before."""

    run: RemapRun
    subjects: tuple[str, ...]
    is_missed: bool
    changed: tuple[str, ...]
    same: tuple[str, ...]


def remap(
    name: str,
    *,
    database: Database,
    connections: Connections,
    ruleset: Callable[[], Ruleset],
    clock: Callable[[], datetime],
    wakeups: Wakeups,
    has_time: Callable[[], bool] = lambda: True,
    progress: Callable[[int], None] = lambda _done: None,
) -> RemapRun | None:
    """Go on translating for the version in force; the run as it stands, None: nothing was published.

    `progress` is told how many subjects are done. A run that was finished is only searched for events that came late.
    """
    while has_time():
        connections.forget()  # with a mapping of a second ago the wrong one would be applied
        mappings, identifying = connections.pushed_mappings(), connections.identifying()
        context = Context(ruleset=ruleset(), now=clock(), mappings=mappings, identifying=identifying)
        connected = connections.all().get(name)
        if connected is None:
            break
        page = _read(database, connected)
        if page is None:
            break
        if page.subjects:
            has_updates = database.attempt(partial(_write, page=page, connected=connected, context=context))
            if has_updates:
                wakeups.enqueue_senders()
            progress(page.run.subjects + len(page.subjects))
        elif page.run.finished_at is not None:
            break
        else:
            _finish(page.run, database, clock(), wakeups)
    with database.read() as connection:
        return remaps.newest(connection, name)


def waiting(database: Database, now: datetime) -> list[str]:
    """Connections whose run is not finished, or is still to be looked after."""
    with database.read() as connection:
        return remaps.waiting(connection, now - WATCHED)


def _translated(row: EventRow, rules: MappingRules) -> Translation:
    """What a mapping makes of a stored event; one that counts keeps its outcome as long as it does.

    Of what was compacted nothing is left to be read: it keeps its steps.
    """
    outcome = Outcome(row.outcome)
    if outcome not in remaps.TRANSLATED or row.kind == Kind.DELETED or row.compacted_at is not None:
        return outcome, row.reason, row.steps
    try:
        steps = translate(event_from_json(row.event), rules)
    except Unmapped as error:
        return Outcome.HELD, error.held_for, []
    if not steps:
        return Outcome.IGNORED, None, []
    counts = outcome if outcome in COUNTED else Outcome.APPLIED
    return counts, None, [step_to_json(step) for step in steps]


def _read(database: Database, connected: Connected) -> _Page | None:
    """The next page, read without keeping anybody from writing. None: another version is in force by now."""
    with database.read() as connection:
        run = remaps.newest(connection, connected.name)
        if run is None or run.version != connected.version:
            return None
        found = [] if run.finished_at else remaps.next_subjects(connection, run, PAGE)
        missed = [] if found else remaps.missed_subjects(connection, run, PAGE)
        rows = remaps.events_of(connection, run, found or missed)
    others = [row for row in rows if _is_other(row, _translated(row, connected.rules))]
    moved = {row.id for row in others}
    return _Page(
        run=run,
        subjects=tuple(found or missed),
        is_missed=bool(missed),
        changed=tuple(sorted({row.subject for row in others})),
        same=tuple(row.id for row in rows if row.id not in moved and row.mapping_version != run.version),
    )


def _write(connection: Connection, page: _Page, connected: Connected, context: Context) -> bool:
    """Bring the page's subjects up to date; whether something is to be sent. Nothing, if another was faster."""
    run = remaps.newest(connection, connected.name, is_mine=True)
    if run is None or _place(run) != _place(page.run):
        return False
    locked = batches.lock_subjects(connection, page.changed)
    found = [subject.id for subject in locked.values() if subject.merged_into is None]
    rows = remaps.events_of(connection, run, page.changed)
    anew = [(row, _translated(row, connected.rules)) for row in rows]
    changed = _dated(connection, [(row, made) for row, made in anew if _is_other(row, made)])
    remaps.set_steps(
        connection,
        [
            {"of": row.id, "outcome": outcome.value, "reason": reason, "steps": steps, "version": run.version}
            for row, (outcome, reason, steps) in changed
        ],
    )
    remaps.mark(connection, run, {*page.same, *(row.id for row in rows)})
    refolds = [Refold(subject=subject, until=context.today, is_whole=True) for subject in found]
    changes = run_batch(connection, context, refolds=refolds)
    moves = [(row.delivery, Outcome(row.outcome), outcome) for row, (outcome, _, _) in changed]
    recount(connection, moves, context.now)
    remaps.advance(
        connection,
        run,
        after=run.after if page.is_missed else page.subjects[-1],
        subjects=run.subjects + (0 if page.is_missed else len(page.subjects)),
        changed=run.changed + len(found),
        released=run.released + sum(before is Outcome.HELD is not after for _, before, after in moves),
        held=run.held + sum(before is not Outcome.HELD is after for _, before, after in moves),
    )
    return changes.is_anything_to_send


def _place(run: RemapRun) -> tuple[int, str, datetime | None]:
    """Where a run is."""
    return run.version, run.after, run.finished_at


def _dated(connection: Connection, changed: Sequence[_Change]) -> list[_Change]:
    """Stages that count from now on are stale where their record has a newer one."""
    new = {row.id: key for row, made in changed if made[0] is Outcome.APPLIED and (key := _new_stage(row))}
    records = batches.records_by_key(connection, set(new.values())) if new else {}
    newest = {of: record.stage_order for of, key in new.items() if (record := records.get(key)) is not None}
    return [
        (row, (Outcome.STALE, *made[1:]) if (order := newest.get(row.id)) and _stage_order(row) < order else made)
        for row, made in changed
    ]


def _stage_order(row: EventRow) -> Order:
    return event_from_json(row.event).stage_order


def _new_stage(row: EventRow) -> RecordKey | None:
    """The record of a stage event that did not count so far."""
    record = row.event.get("record")
    is_new = row.kind == Kind.STAGE and row.outcome not in COUNTED
    return RecordKey(row.connection, record[0], record[1]) if record and is_new else None


def _finish(run: RemapRun, database: Database, now: datetime, wakeups: Wakeups) -> None:
    """End a run; deliveries that are held for a word that nobody knew are read again."""
    with database.write() as connection:
        remaps.advance(connection, run, finished_at=now)
        reread = deliveries.reread_held(connection, run.connection, now)
        lanes = deliveries.waiting_lanes(connection, now) if reread else {}
    wakeups.enqueue_drains(lanes)


def _is_other(row: EventRow, made: Translation) -> bool:
    outcome, reason, steps = made
    if (outcome, reason) != (row.outcome, row.reason):
        return True
    return bool(steps != row.steps and orjson.loads(orjson.dumps(steps, default=str)) != row.steps)
