"""Translates a connection's stored events anew after a mapping was published, subject by subject, and folds them again.

Held events that the mapping covers are released in their place in time; those that it no longer covers are held. The
work is kept track of in the store: whoever comes next goes on with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from connector.core.engine import Ruleset
from connector.core.errors import Unmapped
from connector.core.mapping import MappingRules, translate
from connector.pipeline.apply import Change, Context, settle
from connector.pipeline.normalize import ORDER
from connector.runtime.connections import Connected, Connections
from connector.runtime.wakeups import Wakeups
from connector.store import deliveries, remaps, subjects
from connector.store.database import Database
from connector.store.event_json import event_from_json, step_to_json
from connector.store.rows import Row

PAGE: Final = 50
"""Subjects in one transaction: webhooks wait for it on SQLite."""
WATCHED: Final = timedelta(hours=1)
"""How long a finished run is looked after: a batch that was being read may still be written by the mapping before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Some subjects of a run: those that change, and the events that are translated as before."""

    run: Row
    subjects: tuple[str, ...]
    is_missed: bool
    changed: tuple[str, ...]
    same: tuple[str, ...]


def remap(
    name: str,
    *,
    database: Database,
    connections: Connections,
    ruleset: Ruleset,
    clock: Callable[[], datetime],
    wakeups: Wakeups,
    has_time: Callable[[], bool] = lambda: True,
    progress: Callable[[int], None] = lambda _done: None,
) -> Row | None:
    """Go on translating for the version in force; the run as it stands, None: nothing was published.

    `progress` is told how many subjects are done. A run that was finished is only searched for events that came late.
    """
    while has_time():
        connections.forget()  # with a mapping of a second ago the wrong one would be applied
        context = Context(ruleset=ruleset, connections=connections.all(), now=clock())
        connected = context.connections.get(name)
        if connected is None:
            break
        page = _read(database, connected)
        if page is None:
            break
        if page.subjects:
            has_updates = database.attempt(partial(_write, page=page, connected=connected, context=context))
            if has_updates:
                wakeups.enqueue_senders()
            progress(page.run["subjects"] + len(page.subjects))
        elif page.run["finished_at"] is not None:
            break
        else:
            _finish(page.run, database, clock(), wakeups)
    with database.read() as connection:
        return remaps.newest(connection, name)


def waiting(database: Database, now: datetime) -> list[str]:
    """Connections whose run is not finished, or is still to be looked after."""
    with database.read() as connection:
        return remaps.waiting(connection, now - WATCHED)


def translated(row: Row, rules: MappingRules) -> tuple[str, str | None, list[dict[str, Any]]]:
    """What a mapping makes of a stored event: outcome, reason, steps as JSON values."""
    if row["outcome"] not in remaps.TRANSLATED or row["kind"] == remaps.DELETED:
        return row["outcome"], row["reason"], row["steps"]
    try:
        steps = translate(event_from_json(row["said"]), rules)
    except Unmapped as error:
        return "held", f"{error.what}: {error.name}"[:400], []
    return "applied" if steps else "ignored", None, [step_to_json(step) for step in steps]


def _read(database: Database, connected: Connected) -> _Page | None:
    """The next page, read without keeping anybody from writing. None: another version is in force by now."""
    with database.read() as connection:
        run = remaps.newest(connection, connected.name)
        if run is None or run["version"] != connected.version:
            return None
        found = [] if run["finished_at"] else remaps.next_subjects(connection, run, PAGE)
        missed = [] if found else remaps.missed_subjects(connection, run, PAGE)
        rows = remaps.events_of(connection, run, found or missed)
    others = [row for row in rows if _is_other(row, translated(row, connected.rules))]
    moved = {row["id"] for row in others}
    return _Page(
        run=run,
        subjects=tuple(found or missed),
        is_missed=bool(missed),
        changed=tuple(sorted({row["subject"] for row in others})),
        same=tuple(row["id"] for row in rows if row["id"] not in moved and row["mapping_version"] != run["version"]),
    )


def _write(connection: Connection, page: _Page, connected: Connected, context: Context) -> bool:
    """Bring the page's subjects up to date; whether something is to be sent. Nothing, if another was faster."""
    run = remaps.newest(connection, connected.name, is_mine=True)
    if run is None or any(run[key] != page.run[key] for key in ("version", "after", "finished_at")):
        return False
    loaded = subjects.load(connection, page.changed)
    found = {of: row for of, row in loaded.items() if row["merged_into"] is None}
    rows = remaps.events_of(connection, run, page.changed)
    anew = [(row, translated(row, connected.rules)) for row in rows]
    changed = [(row, made) for row, made in anew if _is_other(row, made)]
    subjects.set_steps(
        connection,
        [
            {"of": row["id"], "outcome": outcome, "reason": reason, "steps": steps, "version": run["version"]}
            for row, (outcome, reason, steps) in changed
        ],
    )
    remaps.mark(connection, run, {*page.same, *(row["id"] for row in rows)})
    has_updates = settle(
        connection, [Change(id=of, row=row, whole=True, until=context.today) for of, row in found.items()], context
    )
    words = [(row["delivery"], row["outcome"], outcome) for row, (outcome, _, _) in changed]
    _recount(connection, words, context.now)
    remaps.advance(
        connection,
        run,
        after=run["after"] if page.is_missed else page.subjects[-1],
        subjects=run["subjects"] + (0 if page.is_missed else len(page.subjects)),
        changed=run["changed"] + len(found),
        released=run["released"] + sum(before == "held" != after for _, before, after in words),
        held=run["held"] + sum(before != "held" == after for _, before, after in words),
    )
    return has_updates


def _finish(run: Row, database: Database, now: datetime, wakeups: Wakeups) -> None:
    """End a run; deliveries that are held for a word that nobody knew are read again."""
    with database.write() as connection:
        remaps.advance(connection, run, finished_at=now)
        reread = deliveries.reread_held(connection, run["connection"], now)
        lanes = deliveries.waiting_lanes(connection, now) if reread else {}
    wakeups.enqueue_drains(lanes)


def _is_other(row: Row, made: tuple[str, str | None, list[dict[str, Any]]]) -> bool:
    outcome, reason, steps = made
    if (outcome, reason) != (row["outcome"], row["reason"]):
        return True
    return bool(steps != row["steps"] and orjson.loads(orjson.dumps(steps, default=str)) != row["steps"])


def _recount(connection: Connection, words: Sequence[tuple[str | None, str, str]], now: datetime) -> None:
    """Bring tally and outcome of the deliveries up to date. Words: delivery, outcome of the event before and now."""
    by_delivery: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for delivery, before, after in words:
        if delivery is not None and before != after:
            by_delivery[delivery].append((before, after))
    stored = remaps.tallies(connection, by_delivery)
    deliveries.settle_again(connection, [{**_counted(row, by_delivery[of]), "at": now} for of, row in stored.items()])


def _counted(row: Row, moved: Sequence[tuple[str, str]]) -> Row:
    """A delivery whose events moved from one outcome to another; what was stale is stored as applied."""
    counts = Counter(row["tally"] or {})
    for before, after in moved:
        word = "stale" if before == "applied" and not counts["applied"] else before
        counts[word] -= 1
        counts[after] += 1
    tally = {word: counts[word] for word in ORDER if counts[word] > 0}
    outcome = next(iter(tally), "ignored")
    error = {"held": row["reason"], "dead": row["error"]}.get(outcome)
    return {"of": row["id"], "outcome": outcome, "tally": tally, "error": error}
