"""The fold: a subject's state and decisions from its steps in the order of time, with the daily rules in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from connector.core.calendar import day_start, local_day
from connector.core.decision import Decision
from connector.core.event import Step
from connector.core.machine import SubjectMachine
from connector.core.rules import Rule
from connector.core.ruleset import Ruleset
from connector.core.state import LEAD, UNKNOWN, State
from connector.core.terms import Passed

__all__ = ["Folded", "Ruleset", "due_day", "fold", "fold_all", "is_late"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a fold gives: the state at the end and the decisions on the way, in order."""

    state: State
    decisions: tuple[Decision, ...]


def fold(state: State | None, steps: Iterable[Step], ruleset: Ruleset, until: int | None = None) -> Folded:
    """Fold steps onto a state (None: a new subject), then run the daily rules up to the local day `until` (ordinal).

    The steps must be in order and after `state.position` (see `is_late`); equal steps count once. Raises `ValueError`
    when there is neither a state nor a step.
    """
    machine = SubjectMachine(ruleset, state) if state else None
    zone = ruleset.zone
    previous: Step | None = None
    for step in steps:
        if step == previous:
            continue
        previous = step
        day = local_day(step.at, zone)
        if machine is None:
            machine = SubjectMachine(ruleset, _new_subject(step, day))
        elif day > machine.last_run:
            _run_dates(machine, day)
        machine.apply(step, day)
    if machine is None:
        message = "a fold needs a state or at least one step"
        raise ValueError(message)
    if until is not None:
        _run_dates(machine, until)
    return Folded(state=machine.freeze(), decisions=tuple(machine.decisions))


def fold_all(steps: Iterable[Step], ruleset: Ruleset, until: int | None = None) -> Folded:
    """Fold a whole history given in any order, repetitions included.

    Different steps that share their place are put in a fixed order by what they say.
    """
    by_place = sorted(steps, key=attrgetter("order"))
    ordered = [step for _, same in groupby(by_place, attrgetter("order")) for step in _in_fixed_order(list(same))]
    return fold(None, ordered, ruleset, until)


def is_late(state: State, step: Step, ruleset: Ruleset) -> bool:
    """Whether a step belongs before what the state has folded already, so that the subject must be folded again."""
    return step.order <= state.position or local_day(step.at, ruleset.zone) < state.last_run


def due_day(state: State, ruleset: Ruleset) -> int | None:
    """The first local day (ordinal) after the last one run on which a daily rule decides anything; else None."""
    return min((day for day, _ in _dated(SubjectMachine(ruleset, state))), default=None)


def _in_fixed_order(same: list[Step]) -> list[Step]:
    return same if len(same) == 1 else sorted(same, key=repr)


def _new_subject(step: Step, day: int) -> State:
    return State(
        kind=LEAD if step.is_lead else UNKNOWN,
        status="not_set",
        since=step.at,
        created=step.at,
        last_run=day,
        position=step.order,
    )


def _run_dates(machine: SubjectMachine, until: int) -> None:
    """Run the daily rules of every date after the last one run, up to `until`; only dates on which one holds cost."""
    while (dated := _dated(machine)) and (day := min(first for first, _ in dated)) <= until:
        machine.last_run = machine.today = day
        _run_date(machine, [rule for first, rule in dated if first == day and machine.holds(rule)])
    machine.last_run = machine.today = max(until, machine.last_run)


def _dated(machine: SubjectMachine) -> list[tuple[int, Rule]]:
    """The daily rules of the status held, moves first, each with the first day after the last run on which it holds."""
    ruleset = machine.ruleset
    return [
        (day, rule)
        for rule in (*ruleset.moves.get(machine.status, ()), *ruleset.notices.get(machine.status, ()))
        if rule.is_for(machine.kind)
        and rule.id not in machine.noticed
        and (day := first_day(machine, rule)) is not None
    ]


def first_day(machine: SubjectMachine, rule: Rule) -> int | None:
    """The first local day (ordinal) after the last one run on which a daily rule holds if nothing happens; else None.

    It is made of spans of days: it holds from the latest start to the earliest end.
    """
    spans = [term.span(machine) for term in rule.terms if isinstance(term, Passed)]
    first = max((machine.last_run + 1, *(start for start, _ in spans)))
    return first if all(end is None or first < end for _, end in spans) else None


def _run_date(machine: SubjectMachine, rules: list[Rule]) -> None:
    """Decide the rules that hold on a date: one move at most, and a move wins over the notices of its date."""
    at = day_start(machine.today, machine.ruleset.zone)
    for rule in rules:
        machine.fire(rule, at)
        if rule.to is not None:
            return
        if rule.id in machine.ruleset.settings.once_per_stay:
            machine.noticed.add(rule.id)
