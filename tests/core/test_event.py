"""The closed sets of events fit together, and what happened at one instant has one order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.decide.decisions import place_order
from connector.core.event import COUNTED, OF_DELIVERY, Event, Kind, Outcome, RecordRef, delivery_outcome
from connector.core.mapping import MappingRules, translate
from connector.core.order import NaturalText, Order, order_from_json, order_of, order_to_json
from tests.core import oracle

AT = datetime(2026, 3, 4, tzinfo=UTC)
IDS = st.text("0123479ab !:\x00é٣", max_size=8) | st.text(max_size=4)
ORDERS = st.builds(
    order_of,
    at=st.sampled_from((AT, AT + timedelta(seconds=1))),
    tie=st.integers(0, 4),
    key=IDS,
    sequence=st.none() | st.integers(0, 11),
    read_at=st.none() | st.sampled_from((AT, AT + timedelta(microseconds=1))),
)


@given(ids=st.lists(IDS, max_size=6))
def test_ids_are_sorted_as_the_specification_says(ids: list[str]) -> None:
    assert sorted(map(NaturalText, ids)) == sorted(ids, key=cmp_to_key(oracle.naturally))


@pytest.mark.parametrize(
    ("first", "second"), list(pairwise(("", "007", "7", "9", "10", "a", "a9", "a09b", "a10", "a!", "b")))
)
def test_the_first_id_comes_before_the_second(first: str, second: str) -> None:
    one, other = NaturalText(first), NaturalText(second)
    assert (one < other, one <= other, one > other, one >= other) == (True, True, False, False)
    assert (other < one, other <= one, other > one, other >= one) == (False, False, True, True)


def test_a_number_may_have_more_digits_than_a_program_reads_as_one() -> None:
    assert NaturalText("9" * 5000) < NaturalText("1" + "0" * 5000)


@given(one=ORDERS, other=ORDERS, third=ORDERS)
def test_the_order_is_total(one: Order, other: Order, third: Order) -> None:
    assert (one < other) + (one == other) + (one > other) == 1
    assert not (one < other < third) or one < third


@given(order=ORDERS)
def test_a_place_comes_back_from_the_store_as_it_went_in(order: Order) -> None:
    assert order_from_json(json.loads(json.dumps(order_to_json(order)))) == order


def test_a_place_of_a_former_version_has_neither_sequence_nor_reading() -> None:
    assert order_from_json([AT.isoformat(), 1, "shop:1"]) == order_of(AT, 1, "shop:1")
    assert order_to_json(order_of(AT, 1, "shop:1")) == [AT.isoformat(), 1, "shop:1"]


@pytest.mark.parametrize("kind", [Kind.STAGE, Kind.RECORD])
def test_a_stage_has_the_place_of_the_step_that_it_becomes(kind: Kind) -> None:
    rules = MappingRules(adapter="standard", stages={"lead": {"": {"new": "latent"}}})
    record = RecordRef(object="lead", id="1")
    event = Event(key="shop:1", at=AT, kind=kind, record=record, stage="new", sequence=3, read_at=AT)
    assert event.stage_order == translate(event, rules)[-1].order


def test_a_change_goes_by_sequence_then_by_reading_then_by_id() -> None:
    events = [
        Event(key="10", at=AT, kind=Kind.STAGE),
        Event(key="9", at=AT, kind=Kind.STAGE, read_at=AT + timedelta(seconds=2)),
        Event(key="8", at=AT, kind=Kind.STAGE, read_at=AT + timedelta(seconds=3)),
        Event(key="7", at=AT, kind=Kind.STAGE, sequence=2, read_at=AT),
        Event(key="6", at=AT, kind=Kind.STAGE, sequence=10),
    ]
    assert sorted([*reversed(events)], key=lambda event: event.order) == events


def test_decisions_of_an_instant_are_sorted_as_the_steps_that_they_were_made_on() -> None:
    read = "2026-03-04T00:00:01"
    places = ["-|000", "-|001", "0|x|000", "1|a9|000", "1|a9|001", "1|a10|000", f"1;;{read}+00:00|a1|000"]
    places += [f"1;;{read}.500000+00:00|a1|000", "1;2;|a|b|000", "1;10;|a|000", "3|a|000"]
    assert sorted([*reversed(places)], key=place_order) == places


def test_every_outcome_of_an_event_has_its_place_among_the_outcomes_of_a_delivery() -> None:
    assert {*OF_DELIVERY, Outcome.PENDING} == set(Outcome)
    assert len(OF_DELIVERY) == len(set(OF_DELIVERY))
    assert set(OF_DELIVERY) > COUNTED


def test_a_delivery_ends_as_the_event_that_somebody_has_to_look_at() -> None:
    assert delivery_outcome({Outcome.APPLIED: 3, Outcome.HELD: 1}) is Outcome.HELD
    assert delivery_outcome({Outcome.APPLIED: 0, Outcome.ECHO: 1}) is Outcome.ECHO
    assert delivery_outcome({}) is Outcome.IGNORED
