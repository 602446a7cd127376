"""Events and steps read from the store without being built are in every field what they would be if they were."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connector.core.event import TIE_ORDER, Conflict, Counting, Event, FieldValue, Identity, Kind, RecordRef, Step
from connector.store.event_json import (
    event_from_json,
    event_to_json,
    read_event,
    read_step,
    says,
    step_from_json,
    step_to_json,
)

WORDS = st.text(max_size=3)
MAYBE = st.none() | WORDS
TIMES = st.datetimes(timezones=st.just(UTC))
SEQUENCES = st.none() | st.integers(0, 3)
EVENTS = st.builds(
    Event,
    key=WORDS,
    at=TIMES,
    kind=st.sampled_from(Kind),
    identities=st.lists(st.builds(Identity, value=WORDS), max_size=2).map(tuple),
    record=st.none() | st.builds(RecordRef, object=WORDS, id=WORDS),
    sequence=SEQUENCES,
    read_at=st.none() | TIMES,
    data=st.dictionaries(WORDS, st.integers() | WORDS, max_size=2),
    **{one.name: MAYBE for one in fields(Event) if one.type == "str | None"},
    **{one.name: st.booleans() for one in fields(Event) if one.type == "bool"},
)
FIELDS = st.dictionaries(WORDS, st.builds(FieldValue, value=MAYBE, conflict=st.sampled_from(Conflict)), max_size=2)
COUNTING = st.builds(
    Counting, counter=WORDS, thing=WORDS, statuses=st.lists(WORDS, max_size=2).map(tuple), counted=WORDS
)
STEPS = st.builds(
    Step,
    id=WORDS,
    at=TIMES,
    kind=st.sampled_from(list(TIE_ORDER)),
    conflict=st.sampled_from(Conflict),
    fields=FIELDS,
    counting=st.none() | COUNTING,
    sequence=SEQUENCES,
    read_at=st.none() | TIMES,
    **{one.name: MAYBE for one in fields(Step) if one.type == "str | None"},
    **{one.name: st.booleans() for one in fields(Step) if one.type == "bool"},
)


def _values(of: Event | Step, like: type[Event | Step]) -> dict[str, Any]:
    return {one.name: getattr(of, one.name) for one in fields(like)}


def _stored(raw: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of the store."""
    read: dict[str, Any] = json.loads(json.dumps(raw))
    return read


@given(event=EVENTS)
def test_an_event_reads_as_it_was(event: Event) -> None:
    raw = event_to_json(event)
    assert _values(read_event(_stored(raw)), Event) == _values(event_from_json(_stored(raw)), Event)


@given(step=STEPS)
def test_a_step_reads_as_it_was(step: Step) -> None:
    raw = step_to_json(step)
    read = read_step(_stored(raw))
    assert _values(read, Step) == _values(step_from_json(_stored(raw)), Step)
    assert read.order == step.order


@given(step=STEPS, other=STEPS)
def test_a_step_is_known_by_its_json(step: Step, other: Step) -> None:
    raw = _stored(step_to_json(step))
    assert says(raw, step)
    assert says(raw, other) == (step == other)
    assert not says(raw, replace(step, page=f"{step.page}x"))
    assert not says(raw, replace(step, read_at=datetime(1, 1, 1, tzinfo=UTC), id=f"{step.id}x"))
    assert not says(raw, replace(step, at=datetime(1, 1, 1, tzinfo=UTC), id=f"{step.id}x"))
