"""The fold: a subject's state and decisions out of its steps in time order, the daily rules of each date in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from connector.core.calendar import local_day
from connector.core.daily import next_due, run_dates
from connector.core.decision import Decision
from connector.core.event import Step
from connector.core.machine import Walk
from connector.core.ruleset import Ruleset
from connector.core.state import LEAD, UNKNOWN, State

__all__ = ["Folded", "Ruleset", "due_day", "fold", "fold_all", "is_late"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a fold gives: the state at the end and the decisions on the way, in order."""

    state: State
    decisions: tuple[Decision, ...]


def fold(state: State | None, steps: Iterable[Step], ruleset: Ruleset, until: int | None = None) -> Folded:
    """Fold steps onto a state (None: a new subject), then run the daily rules up to the local day `until` (ordinal).

    The steps must be in order and after `state.head` (see `is_late`); equal steps count once. Raises `ValueError` when
    there is neither a state nor a step.
    """
    walk = Walk(ruleset, state) if state else None
    zone = ruleset.zone
    previous: Step | None = None
    for step in steps:
        if step == previous:
            continue
        previous = step
        day = local_day(step.at, zone)
        if walk is None:
            walk = Walk(ruleset, _born(step, day))
        elif day > walk.last_run:
            run_dates(walk, day)
        walk.take(step, day)
    if walk is None:
        message = "a fold needs a state or at least one step"
        raise ValueError(message)
    if until is not None:
        run_dates(walk, until)
    return Folded(state=walk.freeze(), decisions=tuple(walk.decisions))


def fold_all(steps: Iterable[Step], ruleset: Ruleset, until: int | None = None) -> Folded:
    """Fold a whole history given in any order, repetitions included.

    Different steps that share time, kind and id are put in a fixed order by what they say.
    """
    by_place = sorted(steps, key=attrgetter("order"))
    ordered = [step for _, same in groupby(by_place, attrgetter("order")) for step in _settled(list(same))]
    return fold(None, ordered, ruleset, until)


def is_late(state: State, step: Step, ruleset: Ruleset) -> bool:
    """Whether a step belongs before what the state has folded already, so that the subject must be folded again."""
    return step.order <= state.head or local_day(step.at, ruleset.zone) < state.last_run


def due_day(state: State, ruleset: Ruleset) -> int | None:
    """The first local day (ordinal) after the last one run on which a daily rule holds if nothing happens, or None."""
    return next_due(Walk(ruleset, state))


def _settled(same: list[Step]) -> list[Step]:
    return same if len(same) == 1 else sorted(same, key=repr)


def _born(step: Step, day: int) -> State:
    return State(
        kind=LEAD if step.is_lead else UNKNOWN,
        status="not_set",
        since=step.at,
        created=step.at,
        last_run=day,
        head=step.order,
    )
