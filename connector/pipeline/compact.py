"""Retention of events: those older than events are kept whole lose what no fold asks for, some subjects at a time.

Each page of subjects is a transaction of its own; who is interrupted goes on after the subject that was the last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.calendar import day_start, local_day
from connector.core.decide.batch import KnownSubject
from connector.core.decide.compaction import IsKept, StoredEvent, compact, page_filter, without_pages
from connector.core.event import COUNTED, Outcome
from connector.core.identity import IdentityKey, RecordKey, strongest
from connector.core.ruleset import Ruleset
from connector.core.state import State
from connector.store import batches, identities
from connector.store.database import Database
from connector.store.event_json import step_from_json, step_to_json
from connector.store.persons import compaction
from connector.store.rows import Row
from connector.store.subjects import EventRow

PAGE: Final = 20
"""Subjects in one transaction: webhooks wait for it on SQLite."""
_KEPT: Final = ("key", "at", "kind", "record", "is_lead", "stage", "pipeline", "sequence", "read_at", "is_seen")
"""What stays of an event beside its steps: what tells it from others, and what it says of its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """How many events lost what they had too much; `after`: the subject to go on after, None: all is done."""

    events: int
    after: str | None


@dataclass(frozen=True, slots=True)
class _Border:
    """Where events begin to be old: an instant (UTC), which is the start of a local day (ordinal)."""

    at: datetime
    day: int


def compact_events(
    database: Database,
    ruleset: Ruleset,
    *,
    now: datetime,
    days: int,
    after: str = "",
    has_time: Callable[[], bool] = lambda: True,
) -> Compacted:
    """Compact the events of more than `days` local days ago, of the subjects after an id."""
    border, count = border_of(ruleset, now, days), 0
    while has_time():
        with database.read() as connection:
            ids = compaction.subjects_after(connection, after, border.at, PAGE)
        if not ids:
            with database.write() as connection:
                compaction.forget_sent(connection, border.at)
            return Compacted(events=count, after=None)
        count += database.attempt(partial(_compact, ids=ids, ruleset=ruleset, border=border, now=now))
        after = ids[-1]
    return Compacted(events=count, after=after)


def border_of(ruleset: Ruleset, now: datetime, days: int) -> _Border:
    """The start of the first local day whose events are whole."""
    day = local_day(now, ruleset.zone) - days
    return _Border(day_start(day, ruleset.zone), day)


def _compact(connection: Connection, *, ids: Collection[str], ruleset: Ruleset, border: _Border, now: datetime) -> int:
    known = batches.lock_subjects(connection, ids)
    rows = compaction.events_of(connection, known)
    names: dict[str, set[IdentityKey]] = defaultdict(set)
    for one in identities.of_subjects(connection, known):
        names[one.subject].add(one.key)
    facts = compaction.facts_of(connection, known)
    merged = compaction.merged(connection, known)
    changed: list[Row] = []
    states: dict[str, Mapping[str, Any]] = {}
    for subject in known:
        is_kept = page_filter(ruleset, facts[subject])
        stands = frozenset(names.get(subject, ()))
        changed += _changed(rows[subject], is_kept, stands, border, is_merged=subject in merged)
        states |= _state(known[subject], border, is_kept)
    losers = batches.lock_subjects(connection, [loser for lost in merged.values() for loser in lost])
    for loser in losers.values():
        states |= _bare_state(loser)
    compaction.save_events(connection, changed, now)
    compaction.save_states(connection, states)
    return len(changed)


def _changed(
    rows: list[EventRow], is_kept: IsKept, stands: Collection[IdentityKey], border: _Border, *, is_merged: bool
) -> list[Row]:
    """What is left of a subject's old events, as `save_events` takes it."""
    old = {row.id for row in rows if row.at < border.at and row.compacted_at is None and row.outcome != Outcome.HELD}
    stored = [
        StoredEvent(
            id=row.id,
            steps=tuple(map(step_from_json, row.steps)),
            is_old=row.id in old,
            group=_group(row) if is_merged else "",
        )
        for row in rows
        if row.outcome in COUNTED
    ]
    steps = compact(stored, is_kept)
    return [
        {
            "of": row.id,
            "event": _left(row, stands),
            "steps": [step_to_json(step) for step in steps.get(row.id, ())],
        }
        for row in rows
        if row.id in old
    ]


def _left(row: EventRow, stands: Collection[IdentityKey]) -> dict[str, Any]:
    """What is left of an event: of what named the subject, that which still finds it."""
    left = {name: row.event[name] for name in _KEPT if name in row.event}
    names = [[kind, value] for kind, value in row.event.get("identities", ()) if IdentityKey(kind, value) in stands]
    return {**left, "identities": names} if names else left


def _group(row: EventRow) -> str:
    """What decides to whom an event of a merged subject goes back: where it came from, and its strongest identity."""
    keys = {IdentityKey(kind, value) for kind, value in row.event.get("identities", ())}
    if record := row.event.get("record"):
        keys.add(RecordKey(row.connection, record[0], record[1]).identity)
    return f"{row.origin} {strongest(keys) if keys else ''}"


def _state(subject: KnownSubject, border: _Border, is_kept: IsKept) -> dict[str, Mapping[str, Any]]:
    """The subject's state without the pages of old events, where it has any."""
    if subject.state is None:
        return {}
    state = without_pages(subject.state, border.day, is_kept)
    return {} if state == subject.state else {subject.id: state.to_json()}


def _bare_state(loser: KnownSubject) -> dict[str, Mapping[str, Any]]:
    """What a subject that was merged away was: a fold gives it its profile again, should the merge be undone."""
    if loser.state is None or not (loser.state.profile or loser.state.claims or loser.state.seen):
        return {}
    bare = State.from_json({**loser.state.to_json(), "profile": {}, "claims": {}, "seen": {}})
    return {loser.id: bare.to_json()}
