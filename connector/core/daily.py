"""The daily rules: which date comes due next, and what its start decides."""

from __future__ import annotations

from datetime import datetime

from connector.core.calendar import day_start
from connector.core.rules import Rule
from connector.core.terms import Passed
from connector.core.walk import Walk


def next_due(walk: Walk) -> int | None:
    """The first local day (ordinal) after the last one run on which a daily rule decides anything; else None."""
    ruleset = walk.ruleset
    rules = (*ruleset.moves.get(walk.status, ()), *ruleset.notices.get(walk.status, ()))
    days = [day for rule in rules if (day := _first_day(walk, rule)) is not None]
    return min(days, default=None)


def run_dates(walk: Walk, until: int) -> None:
    """Run every date after the last one run up to `until`, one by one; a date on which nothing holds costs nothing."""
    while (day := next_due(walk)) is not None and day <= until:
        walk.last_run = walk.today = day
        _run_date(walk, day_start(day, walk.ruleset.zone))
    walk.last_run = walk.today = max(until, walk.last_run)


def _first_day(walk: Walk, rule: Rule) -> int | None:
    if _is_silent(walk, rule):
        return None
    first, end = walk.last_run + 1, None
    for term in rule.terms:
        if isinstance(term, Passed):
            start, stop = term.span(walk)
            first = max(first, start)
            end = min((limit for limit in (end, stop) if limit is not None), default=None)
    return first if end is None or first < end else None


def _run_date(walk: Walk, at: datetime) -> None:
    """One move at most; a move wins over the notices of its date."""
    for rule in walk.ruleset.moves.get(walk.status, ()):
        if walk.runs(rule):
            walk.fire(rule, at)
            return
    for rule in walk.ruleset.notices.get(walk.status, ()):
        if rule.id not in walk.noticed and walk.runs(rule):
            walk.fire(rule, at)
            if rule.id in walk.ruleset.settings.once_per_stay:
                walk.noticed.add(rule.id)


def _is_silent(walk: Walk, rule: Rule) -> bool:
    """Whether a rule is for the other kind of subject, or has had its one notice in this stay."""
    return (rule.only is not None and rule.only != walk.kind) or rule.id in walk.noticed
