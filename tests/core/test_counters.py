"""Counters of a subject's life: the nth booked record and the nth firing lead on, whatever order they arrive in."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.decision import Reason
from connector.core.engine import Folded, Ruleset, fold, fold_all, is_late
from connector.core.event import Event, Kind, RecordRef, Step
from connector.core.mapping import Backward, MappingRules, TriggerRule, translate
from connector.core.rules import BASIC_2
from connector.core.ruleset import Settings
from connector.core.state import State
from connector.core.status import StatusInfo
from connector.store.event_json import step_from_json, step_to_json
from tests.hypothesis_profile import examples

START = datetime(2026, 3, 2, tzinfo=UTC)
LOYAL = StatusInfo(code="loyal", rank=None, automatic=False)
RULES = Ruleset(BASIC_2, Settings(zone=ZoneInfo("UTC"), own_statuses=(LOYAL,)))
MAPPING = MappingRules(
    adapter="standard",
    stages={
        "deal": {"": {"BOOKED": ("order", "loyal"), "PAID": ("order", "loyal"), "LOST": "lost_order"}},
        "rent": {"": {"BOOKED": ("order", "loyal")}},
    },
    triggers=(TriggerRule(id="call", on="call", jump_to=("latent", "explicit", "visited"), may_reopen=True),),
)


def _event(minute: int, kind: Kind = Kind.STAGE, connection: str = "tokyo", **values: Any) -> Event:
    at = START + timedelta(minutes=minute)
    return Event(key=f"{connection}:{minute:04d}", at=at, kind=kind, **values)


def _booked(minute: int, deal: str, stage: str = "BOOKED", kind: str = "deal", connection: str = "tokyo") -> Event:
    return _event(minute, connection=connection, record=RecordRef(object=kind, id=deal), stage=stage)


def _steps(*events: Event, mapping: MappingRules = MAPPING) -> list[Step]:
    return [step for event in events for step in translate(event, mapping)]


def _moves(*events: Event, mapping: MappingRules = MAPPING) -> list[tuple[str, str, Any]]:
    folded = fold_all(_steps(*events, mapping=mapping), RULES)
    return [(row.rule, row.after, row.facts.get("nth")) for row in folded.decisions]


def test_a_customer_on_the_first_booked_revenue_and_a_loyal_one_on_the_second() -> None:
    assert _moves(_booked(0, "1"), _booked(1, "2"), _booked(2, "3")) == [
        ("jump", "order", "1st"),
        ("jump", "loyal", "2nd"),
        ("jump", "loyal", "2nd or later"),
    ]
    decision = fold_all(_steps(_booked(0, "1"), _booked(1, "2")), RULES).decisions[1]
    assert decision.facts == {"by": "crm", "nth": "2nd", "of": "deal"}


def test_the_same_record_counts_once_and_stages_with_the_same_statuses_count_together() -> None:
    assert _moves(_booked(0, "1"), _booked(1, "1", "PAID"), _booked(2, "1"), _booked(3, "2", "PAID")) == [
        ("jump", "order", "1st"),
        ("jump", "order", "1st"),
        ("jump", "order", "1st"),
        ("jump", "loyal", "2nd"),
    ]


def test_a_record_told_again_does_not_lead_back() -> None:
    moves = _moves(_booked(0, "1"), _booked(1, "2"), _booked(2, "1"))
    assert [after for _, after, _ in moves] == ["order", "loyal", "loyal"]


def test_objects_and_connections_count_for_themselves() -> None:
    moves = _moves(_booked(0, "1"), _booked(1, "2", kind="rent"), _booked(2, "3", connection="osaka"))
    assert [(after, nth) for _, after, nth in moves] == [("order", "1st")] * 3


def test_an_event_key_without_a_connection_counts_as_well() -> None:
    events = [
        Event(key=key, at=START, kind=Kind.STAGE, record=RecordRef(object="deal", id=key), stage="BOOKED")
        for key in ("a", "b")
    ]
    assert [after for _, after, _ in _moves(*events)] == ["order", "loyal"]


def test_a_trigger_counts_its_firings_also_those_that_move_nothing() -> None:
    calls = [_event(minute, Kind.TRIGGER, name="call") for minute in (0, 1, 3, 4)]
    far = Step(id="x", at=START + timedelta(minutes=2), kind=Kind.JUMP, to="project", by="person")
    folded = fold_all([*_steps(*calls), far], RULES)
    assert [(row.after, row.reason, row.facts.get("nth")) for row in folded.decisions] == [
        ("latent", None, "1st"),
        ("explicit", None, "2nd"),
        ("project", None, None),
        ("project", Reason.ATTACHED_LOWER, "3rd"),
        ("project", Reason.ATTACHED_LOWER, "3rd or later"),
    ]
    assert folded.decisions[3].facts == {"to": "visited", "by": None, "nth": "3rd", "of": "call"}


def test_a_count_obeys_backward_ignore() -> None:
    stages = {"deal": {"": {"A": ("project", "latent", "visited", "explicit")}}}
    mapping = MappingRules(adapter="standard", backward=Backward.IGNORE, stages=stages)
    moves = _moves(*(_booked(minute, str(minute), "A") for minute in range(4)), mapping=mapping)
    assert moves == [("jump", "project", nth) for nth in ("1st", "2nd", "3rd", "4th")]


def test_a_state_of_before_there_were_counters_is_read() -> None:
    state = fold_all(_steps(_booked(0, "1", "LOST")), RULES).state
    raw = state.to_json()
    assert "counters" not in raw
    assert State.from_json(raw) == state


def test_a_stage_that_counts_stands_for_each_of_its_statuses() -> None:
    shown = [MAPPING.stands_for("deal", None, "BOOKED", status) for status in ("order", "loyal", "latent")]
    assert shown == [True, True, False]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["BOOKED", "PAID", "LOST", "call"]), st.sampled_from("123"), st.sampled_from(["deal", "rent"])
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=examples(300), deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_whatever_order_they_arrive_in_the_count_ends_the_same(
    happened: list[tuple[str, str, str]], chance: random.Random
) -> None:
    events = [
        _event(minute, Kind.TRIGGER, name="call")
        if word == "call"
        else _booked(minute, record, word, "deal" if word != "BOOKED" else kind)
        for minute, (word, record, kind) in enumerate(happened)
    ]
    steps = [step_from_json(json.loads(json.dumps(step_to_json(step)))) for step in _steps(*events)]
    assert steps == _steps(*events)
    expected = fold_all(steps, RULES)
    known: list[Step] = []
    state: State | None = None
    for step in chance.sample(steps, len(steps)):
        known.append(step)
        again = state is None or is_late(state, step, RULES)
        folded: Folded = fold_all(known, RULES) if again else fold(state, [step], RULES)
        state = State.from_json(json.loads(json.dumps(folded.state.to_json())))
    assert state == expected.state
    booked = {record for word, record, kind in happened if word == "PAID" or (word, kind) == ("BOOKED", "deal")}
    assert len(expected.state.counters.get("tokyo:stage:deal:order:loyal", ())) == min(2, len(booked))
