"""Old events lose what no fold asks for: whatever comes later, the end is that of the whole history."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings

from connector.core.calendar import local_day
from connector.core.decide.compaction import NO_SESSION, StoredEvent, compact, page_filter, without_pages
from connector.core.engine import Folded, fold_all
from connector.core.event import Conflict, FieldValue, Kind, Step
from connector.core.ruleset import Ruleset
from connector.core.state import State, is_empty
from tests.core.histories import START, chances, draw_lines, draw_settings, ruleset_of, steps_of, templates
from tests.hypothesis_profile import examples

thorough = settings(max_examples=examples(300), deadline=None)


def _drawn(chance: random.Random, template: str) -> tuple[list[Step], Ruleset]:
    """A history with values of the profile among its lines."""
    steps = steps_of(draw_lines(chance, template))
    ruleset = ruleset_of(draw_settings(chance, template), template)
    return steps + [_profile(chance, number, chance.choice(steps)) for number in range(chance.randint(0, 8))], ruleset


def _profile(chance: random.Random, number: int, beside: Step) -> Step:
    values = {
        name: FieldValue(value=chance.choice(("a", "b", "", None)), conflict=chance.choice(tuple(Conflict)))
        for name in chance.sample(("company", "phone"), chance.randint(1, 2))
    }
    at = beside.at + timedelta(minutes=chance.choice((-1, 0, 1)))
    return Step(id=f"p{number}", at=at, kind=Kind.PROFILE, fields=values)


def _compacted(steps: Sequence[Step], ruleset: Ruleset, border: int, facts: Iterable[Any]) -> list[Step]:
    events = [
        StoredEvent(id=str(number), steps=(step,), is_old=local_day(step.at, ruleset.zone) < border)
        for number, step in enumerate(steps)
    ]
    left = compact(events, page_filter(ruleset, facts))
    return [step for event in events for step in left.get(event.id, event.steps)]


def _facts(folded: Folded) -> list[Any]:
    return [decision.facts for decision in folded.decisions]


def _border(chance: random.Random, steps: Sequence[Step], ruleset: Ruleset) -> int:
    return local_day(chance.choice(steps).at, ruleset.zone) + chance.choice((0, 1, 400))


@thorough
@given(chance=chances, template=templates)
def test_what_is_left_of_a_history_folds_to_the_same_state_and_decisions(chance: random.Random, template: str) -> None:
    steps, ruleset = _drawn(chance, template)
    whole, border = fold_all(steps, ruleset), _border(chance, steps, ruleset)
    again = fold_all(_compacted(steps, ruleset, border, _facts(whole)), ruleset)
    assert again.decisions == whole.decisions
    left = without_pages(whole.state, border, page_filter(ruleset, _facts(whole)))
    assert _plain(again.state) == _plain(left)


def _plain(state: State) -> State:
    """Without claims that are empty: they give no value."""
    claims = {
        name: {rule: value for rule, value in given.items() if not is_empty(value)}
        for name, given in state.claims.items()
    }
    return replace(state, claims=claims)


def _pageless(folded: Folded) -> Any:
    """All but the addresses of pages, which nobody looks at any more."""
    decisions = [replace(one, facts=_without_page(one.facts)) for one in folded.decisions]
    return decisions, _plain(without_pages(folded.state, 10**7, lambda _page: False))


def _without_page(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: None if name == "page" else _without_page(inner) for name, inner in value.items()}
    return [_without_page(inner) for inner in value] if isinstance(value, list) else value


@thorough
@given(chance=chances, template=templates)
def test_a_late_event_however_old_and_a_merge_end_as_they_do_without_retention(
    chance: random.Random, template: str
) -> None:
    steps, ruleset = _drawn(chance, template)
    others = [replace(step, id=f"o{step.id}") for step in _drawn(chance, template)[0]]
    chance.shuffle(steps)
    late, steps = steps[:1], steps[1:]
    left: list[Step] = []
    for history in (steps, others):
        if history:
            facts = _facts(fold_all(history, ruleset))
            left += _compacted(history, ruleset, _border(chance, history, ruleset), facts)
    whole = fold_all([*late, *steps, *others], ruleset)
    assert _pageless(fold_all([*left, *late], ruleset)) == _pageless(whole)


def _give(number: int, value: str, conflict: Conflict = Conflict.NEWEST, name: str = "email") -> Step:
    at = START + timedelta(days=number)
    return Step(id=str(number), at=at, kind=Kind.PROFILE, fields={name: FieldValue(value=value, conflict=conflict)})


def _values(events: Sequence[StoredEvent]) -> list[list[str]]:
    left = compact(events, lambda _page: False)
    return [
        [value.value for step in left.get(event.id, event.steps) for value in step.fields.values()] for event in events
    ]


def test_a_value_that_was_given_again_goes_and_what_stands_stays() -> None:
    given_again = [_give(1, "old@b.example"), _give(2, "new@b.example"), _give(3, "x", name="company")]
    events = [StoredEvent(id=step.id, steps=(step,), is_old=True) for step in given_again]
    assert _values(events) == [[], ["new@b.example"], ["x"]]
    assert _values([events[0], replace(events[1], is_old=False)]) == [[], ["new@b.example"]]


def test_of_each_record_the_newest_value_stays_also_an_empty_one() -> None:
    given = [("a", "crm:lead:1"), ("b", "crm:lead:1"), ("", "crm:lead:2"), ("c", "crm:lead:1")]
    steps = [replace(_give(number, value), source=source) for number, (value, source) in enumerate(given)]
    events = [StoredEvent(id=step.id, steps=(step,), is_old=True) for step in steps]
    assert _values(events) == [[], [], [""], ["c"]]


def test_of_if_empty_the_first_value_stays() -> None:
    once = Conflict.IF_EMPTY
    steps = [_give(1, "", once), _give(2, "a", once), _give(3, "b", once), _give(4, "c", Conflict.OURS)]
    assert _values([StoredEvent(id=step.id, steps=(step,), is_old=True) for step in steps]) == [[], ["a"], [], ["c"]]


def test_values_of_two_that_were_merged_stay_for_both() -> None:
    first, second = _give(1, "ann"), _give(2, "bob")
    events = [
        StoredEvent(id="1", steps=(first,), is_old=True, group="ann"),
        StoredEvent(id="2", steps=(second,), is_old=True, group="bob"),
    ]
    assert _values(events) == [["ann"], ["bob"]]


def test_a_page_stays_where_a_decision_names_it() -> None:
    page = "https://e.example/?name=ann"
    step = Step(id="1", at=START, kind=Kind.ACTION, action="site_access", page=page, session="s")
    events = [StoredEvent(id="1", steps=(step,), is_old=True)]
    ruleset = ruleset_of({}, "basic-2.0")
    told = [{"actions": [{"date": "2026-02-20", "page": page}, 1], "actions_within_days": 90}]
    assert compact(events, page_filter(ruleset, told)) == {"1": (step,)}
    assert compact(events, page_filter(ruleset, [])) == {"1": (replace(step, page=None, session=NO_SESSION),)}
