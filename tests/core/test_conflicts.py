"""Whose owner and whose field stays: by conflict rule and event time, whatever order the steps arrive in."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.engine import Folded, Ruleset, fold, fold_all, is_late
from connector.core.event import Conflict, FieldValue, Kind, Step
from connector.core.rules import BASIC_2
from connector.core.ruleset import Settings
from connector.core.state import State
from tests.hypothesis_profile import examples

START = datetime(2026, 3, 2, tzinfo=UTC)
RULES = Ruleset(BASIC_2, Settings(zone=ZoneInfo("UTC")))
OURS = Conflict.NEWEST
"""What a person sets here has no other rule."""


def _owner(minute: int, owner: str | None, conflict: Conflict = OURS) -> Step:
    at = START + timedelta(minutes=minute)
    return Step(id=f"{minute:04d}", at=at, kind=Kind.OWNER, owner=owner, conflict=conflict)


def _field(minute: int, value: Any, conflict: Conflict = OURS, source: str | None = None) -> Step:
    fields = {"company": FieldValue(value=value, conflict=conflict)}
    at = START + timedelta(minutes=minute)
    return Step(id=f"{minute:04d}", at=at, kind=Kind.PROFILE, fields=fields, source=source)


def _arriving(steps: list[Step]) -> State:
    """The state after the steps came in one by one, in this order: late ones fold all again, through the store."""
    known: list[Step] = []
    state: State | None = None
    for step in steps:
        known.append(step)
        again = state is None or is_late(state, step, RULES)
        folded: Folded = fold_all(known, RULES) if again else fold(state, [step], RULES)
        state = State.from_json(json.loads(json.dumps(folded.state.to_json())))
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("conflict", "theirs_then_ours", "ours_then_theirs", "theirs_twice"),
    [
        (Conflict.NEWEST, "ours", "theirs", "theirs 2"),
        (Conflict.THEIRS, "theirs", "theirs", "theirs 2"),
        (Conflict.OURS, "ours", "ours", "theirs 2"),
        (Conflict.IF_EMPTY, "ours", "ours", "theirs"),
    ],
)
def test_the_conflict_rule_says_whose_owner_and_whose_field_stays(
    conflict: Conflict, theirs_then_ours: str, ours_then_theirs: str, theirs_twice: str
) -> None:
    for step in (_owner, _field):
        stories = (
            [step(0, "theirs", conflict), step(1, "ours")],
            [step(0, "ours"), step(1, "theirs", conflict)],
            [step(0, "theirs", conflict), step(1, "theirs 2", conflict)],
        )
        ends = [fold_all(steps, RULES).state for steps in stories]
        expected = [theirs_then_ours, ours_then_theirs, theirs_twice]
        assert [end.owner or end.profile.get("company") for end in ends] == expected


@pytest.mark.parametrize("nothing", [None, "", []])
def test_an_empty_value_takes_back_what_the_same_rule_gave_and_nothing_else(nothing: Any) -> None:
    steps = [_field(0, "ours"), _field(1, "theirs", Conflict.THEIRS), _field(2, nothing, Conflict.THEIRS)]
    assert fold_all(steps, RULES).state.profile == {"company": "ours"}
    assert fold_all([*steps, _field(3, nothing)], RULES).state.profile == {"company": None}


@pytest.mark.parametrize("conflict", [Conflict.NEWEST, Conflict.THEIRS, Conflict.OURS])
def test_a_record_in_which_a_field_is_empty_takes_back_its_own_value_only(conflict: Conflict) -> None:
    given = _field(0, "Acme", conflict, "crm:lead:1")
    never_filled = _field(1, None, conflict, "crm:lead:2")
    assert fold_all([given, never_filled], RULES).state.profile == {"company": "Acme"}
    assert fold_all([given, never_filled, _field(2, "", conflict, "crm:lead:1")], RULES).state.profile["company"] in {
        None,
        "",
    }
    renamed = _field(2, "Acme KK", conflict, "crm:lead:2")
    emptied = _field(3, None, conflict, "crm:lead:1")
    assert fold_all([given, renamed, emptied], RULES).state.profile == {"company": "Acme KK"}


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from(Conflict), st.sampled_from("12")), min_size=1
    ),
    st.randoms(use_true_random=False),
)
def test_whatever_order_they_arrive_in_the_field_of_several_records_stays_the_same(
    values: list[tuple[str | None, Conflict, str]], chance: random.Random
) -> None:
    steps = [_field(minute, value, conflict, source) for minute, (value, conflict, source) in enumerate(values[:8])]
    assert _arriving(chance.sample(steps, len(steps))) == fold_all(steps, RULES).state


def test_zero_and_false_are_values() -> None:
    for value in (0, False):
        steps = [_field(0, value, Conflict.IF_EMPTY), _field(1, 7, Conflict.IF_EMPTY)]
        assert fold_all(steps, RULES).state.profile == {"company": value}


def test_claims_are_kept_only_where_a_rule_other_than_newest_was_used() -> None:
    plain = fold_all([_owner(0, "a"), _field(1, "b")], RULES).state
    assert (plain.claims, "claims" in plain.to_json()) == ({}, False)
    mixed = fold_all([_owner(0, "a"), _owner(1, "b", Conflict.OURS)], RULES).state
    assert mixed.claims == {"@owner": {"newest": "a", "ours": "b"}}


VALUES = st.sampled_from([None, "", "a", "b", "c"])
SAID = st.lists(st.tuples(VALUES, st.sampled_from(Conflict), st.booleans()), min_size=1, max_size=8)


def _standing(values: list[tuple[str | None, Conflict]]) -> str | None:
    """What stays, by the table of the README: the strongest rule that has a value says which."""
    for rule in (Conflict.THEIRS, Conflict.NEWEST, Conflict.OURS):
        given_by_rule = [value for value, conflict in values if conflict is rule]
        if given_by_rule and given_by_rule[-1]:
            return given_by_rule[-1]
    return next((value for value, conflict in values if conflict is Conflict.IF_EMPTY and value), None)


@settings(max_examples=examples(300), deadline=None)
@given(SAID, st.randoms(use_true_random=False))
def test_whatever_order_they_arrive_in_the_same_owner_and_field_stay(
    values: list[tuple[str | None, Conflict, bool]], chance: random.Random
) -> None:
    steps = [
        (_owner if is_owner else _field)(minute, value, conflict)
        for minute, (value, conflict, is_owner) in enumerate(values)
    ]
    state = _arriving(chance.sample(steps, len(steps)))
    assert state == fold_all(steps, RULES).state
    owners = [(value, conflict) for value, conflict, is_owner in values if is_owner]
    fields = [(value, conflict) for value, conflict, is_owner in values if not is_owner]
    assert (state.owner or None) == _standing(owners)
    assert (state.profile.get("company") or None) == _standing(fields)
