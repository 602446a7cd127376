"""Properties of the fold over random histories: order, repetition, pieces, due dates, and agreement with the oracle."""

from __future__ import annotations

import json
import random
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.calendar import local_day
from connector.core.engine import Folded, Ruleset, due_day, fold, fold_all, is_late
from connector.core.event import Step
from connector.core.state import State
from tests.core import oracle
from tests.core.histories import (
    chances,
    draw_lines,
    draw_settings,
    last_day,
    printed,
    ruleset_of,
    steps_of,
    templates,
)
from tests.hypothesis_profile import examples

DAYS_AFTER = (0, 1, 5, 30, 95, 200)
thorough = settings(max_examples=examples(300), deadline=None)
quick = settings(max_examples=examples(120), deadline=None)


def _drawn(chance: random.Random, template: str) -> tuple[list[Step], Ruleset, int]:
    """A history in any order, the rules, and the local day (ordinal) to which the daily rules run."""
    lines = draw_lines(chance, template)
    ruleset = ruleset_of(draw_settings(chance, template), template)
    chance.shuffle(lines)
    return steps_of(lines), ruleset, last_day(lines, ruleset).toordinal() + chance.choice(DAYS_AFTER)


def _in_order(steps: list[Step]) -> list[Step]:
    return sorted(steps, key=lambda step: step.order)


def _stored(state: State) -> State:
    """The state as it comes back from the store."""
    return State.from_json(json.loads(json.dumps(state.to_json())))


@thorough
@given(chance=chances, template=templates)
def test_the_engine_decides_what_the_oracle_decides(chance: random.Random, template: str) -> None:
    lines, raw = draw_lines(chance, template), draw_settings(chance, template)
    chance.shuffle(lines)
    ruleset = ruleset_of(raw, template)
    until = last_day(lines, ruleset) + timedelta(days=chance.choice(DAYS_AFTER))

    by_engine = printed(fold_all(steps_of(lines), ruleset, until.toordinal()), ruleset)

    assert by_engine == oracle.simulate(lines, raw, template, until)


@quick
@given(chance=chances, template=templates)
def test_any_order_and_any_repetition_of_the_same_steps_give_the_same_decisions_and_state(
    chance: random.Random, template: str
) -> None:
    steps, ruleset, until = _drawn(chance, template)
    expected = fold_all(steps, ruleset, until)
    again = steps + chance.choices(steps, k=len(steps))
    chance.shuffle(again)

    assert fold_all(again, ruleset, until) == expected


@quick
@given(chance=chances, template=templates, field=st.sampled_from(("action", "to", "tag", "owner")))
def test_different_steps_that_share_time_kind_and_id_are_folded_in_one_order(
    chance: random.Random, template: str, field: str
) -> None:
    steps, ruleset, until = _drawn(chance, template)
    clashing = [*steps, *_clashes(steps, field)]
    expected = fold_all(clashing, ruleset, until)
    chance.shuffle(clashing)

    assert fold_all(clashing, ruleset, until) == expected


def _clashes(steps: list[Step], field: str) -> list[Step]:
    """The steps again, but with another action, status, tag or owner."""
    other = {"action": "login", "to": "latent", "tag": "vip", "owner": "x@e.example"}[field]
    kinds = {"action": ("action",), "to": ("jump", "trigger"), "tag": ("tag",), "owner": ("owner",)}[field]
    return [
        Step(id=step.id, at=step.at, kind=step.kind, trigger=step.trigger, **{field: other})  # type: ignore[arg-type]
        for step in steps
        if step.kind in kinds
    ]


@quick
@given(chance=chances, template=templates)
def test_folding_step_by_step_and_day_by_day_through_the_store_equals_folding_at_once(
    chance: random.Random, template: str
) -> None:
    steps, ruleset, until = _drawn(chance, template)
    expected = fold_all(steps, ruleset, until)
    first, *rest = _in_order(steps)
    folded = fold(None, [first], ruleset)
    decisions = list(folded.decisions)

    def go_on(piece: Folded) -> Folded:
        decisions.extend(piece.decisions)
        return piece

    for step in rest:
        assert not is_late(folded.state, step, ruleset)
        for day in range(folded.state.last_run, local_day(step.at, ruleset.zone) + 1):
            folded = go_on(fold(_stored(folded.state), [], ruleset, day))
        folded = go_on(fold(_stored(folded.state), [step], ruleset))
    for day in range(folded.state.last_run, until + 1):
        folded = go_on(fold(_stored(folded.state), [], ruleset, day))

    assert (folded.state, tuple(decisions)) == (expected.state, expected.decisions)


@quick
@given(chance=chances, template=templates)
def test_a_late_step_is_told_from_one_that_is_not(chance: random.Random, template: str) -> None:
    steps, ruleset, until = _drawn(chance, template)
    ordered = _in_order(steps)
    cut = chance.randrange(len(ordered))
    state = fold_all(ordered[: cut + 1], ruleset, until).state

    assert all(is_late(state, step, ruleset) for step in ordered[: cut + 1])
    assert [is_late(state, step, ruleset) for step in ordered[cut + 1 :]] == [
        local_day(step.at, ruleset.zone) < until for step in ordered[cut + 1 :]
    ]


@thorough
@given(chance=chances, template=templates)
def test_the_due_date_is_the_first_date_that_decides_anything_and_none_where_no_date_does(
    chance: random.Random, template: str
) -> None:
    steps, ruleset, until = _drawn(chance, template)
    state = fold_all(steps, ruleset, until).state
    due = due_day(state, ruleset)

    if due is None:
        assert fold(state, [], ruleset, until + 800).decisions == ()
        return
    assert due > state.last_run
    assert fold(state, [], ruleset, due - 1).decisions == ()
    assert [local_day(row.at, ruleset.zone) for row in fold(state, [], ruleset, due).decisions][:1] == [due]


@quick
@given(chance=chances, template=templates)
def test_the_same_date_run_twice_does_nothing_the_second_time(chance: random.Random, template: str) -> None:
    steps, ruleset, until = _drawn(chance, template)
    state = fold_all(steps, ruleset, until).state

    assert fold(state, [], ruleset, until) == Folded(state=state, decisions=())
    assert fold(state, [], ruleset, until - 3) == Folded(state=state, decisions=())
