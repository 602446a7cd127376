"""The daily rules: which date comes due next, and what its start decides."""

from __future__ import annotations

from connector.core.calendar import day_start
from connector.core.machine import Walk
from connector.core.rules import Rule
from connector.core.terms import Passed


def next_due(walk: Walk) -> int | None:
    """The first local day (ordinal) after the last one run on which a daily rule decides anything; else None."""
    return min((day for day, _ in _dated(walk)), default=None)


def run_dates(walk: Walk, until: int) -> None:
    """Run every date after the last one run up to `until`, one by one; a date on which nothing holds costs nothing."""
    while (dated := _dated(walk)) and (day := min(first for first, _ in dated)) <= until:
        walk.last_run = walk.today = day
        _run_date(walk, [rule for first, rule in dated if first == day and walk.runs(rule)])
    walk.last_run = walk.today = max(until, walk.last_run)


def _dated(walk: Walk) -> list[tuple[int, Rule]]:
    """The daily rules of the status held, moves first, each with the first day after the last run on which it holds."""
    ruleset = walk.ruleset
    return [
        (day, rule)
        for rule in (*ruleset.moves.get(walk.status, ()), *ruleset.notices.get(walk.status, ()))
        if rule.is_for(walk.kind) and rule.id not in walk.noticed and (day := first_day(walk, rule)) is not None
    ]


def first_day(walk: Walk, rule: Rule) -> int | None:
    """The first local day (ordinal) after the last one run on which a daily rule holds if nothing happens; else None.

    It is made of spans of days: it holds from the latest start to the earliest end.
    """
    spans = [term.span(walk) for term in rule.terms if isinstance(term, Passed)]
    first = max((walk.last_run + 1, *(start for start, _ in spans)))
    return first if all(end is None or first < end for _, end in spans) else None


def _run_date(walk: Walk, rules: list[Rule]) -> None:
    """One move at most; a move wins over the notices of its date."""
    at = day_start(walk.today, walk.ruleset.zone)
    for rule in rules:
        walk.fire(rule, at)
        if rule.to is not None:
            return
        if rule.id in walk.ruleset.settings.once_per_stay:
            walk.noticed.add(rule.id)
