"""Events and steps come back from the store as they went in, and take no room for what is at its default."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connector.core.event import Conflict, Counting, Event, FieldValue, Identity, Kind, RecordRef, Step
from connector.store.event_json import event_from_json, event_to_json, step_from_json, step_to_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SOME = st.none() | TEXTS
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
INSTANTS = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it
EVENTS = st.builds(
    Event,
    key=TEXTS,
    at=INSTANTS,
    kind=st.sampled_from(Kind),
    identities=st.lists(st.builds(Identity, value=TEXTS), max_size=3).map(tuple),
    record=st.none() | st.builds(RecordRef, object=TEXTS, id=TEXTS),
    is_lead=st.booleans(),
    name=SOME,
    stage=SOME,
    pipeline=SOME,
    owner=SOME,
    owner_email=SOME,
    tag=SOME,
    is_removed=st.booleans(),
    page=SOME,
    session=SOME,
    sequence=st.none() | st.integers(0, 2**60),
    read_at=st.none() | INSTANTS,
    is_ours=st.none() | st.booleans(),
    data=st.dictionaries(TEXTS, VALUES, max_size=3),
)
COUNTINGS = st.builds(
    Counting, counter=TEXTS, thing=TEXTS, statuses=st.lists(TEXTS, min_size=1, max_size=3).map(tuple), counted=TEXTS
)
FIELDS = st.dictionaries(TEXTS, st.builds(FieldValue, value=VALUES, conflict=st.sampled_from(Conflict)), max_size=3)
STEPS = st.builds(
    Step,
    id=TEXTS,
    at=INSTANTS,
    kind=st.sampled_from(Kind),
    is_lead=st.booleans(),
    to=SOME,
    counting=st.none() | COUNTINGS,
    by=SOME,
    trigger=SOME,
    may_reopen=st.booleans(),
    is_forward_only=st.booleans(),
    action=SOME,
    page=SOME,
    session=SOME,
    tag=SOME,
    is_removed=st.booleans(),
    owner=SOME,
    conflict=st.sampled_from(Conflict),
    fields=FIELDS,
    sequence=st.none() | st.integers(0, 2**60),
    read_at=st.none() | INSTANTS,
)


def _stored(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(value))
    return found


@given(event=EVENTS)
def test_an_event_comes_back_as_it_went_in(event: Event) -> None:
    assert event_from_json(_stored(event_to_json(event))) == event


@given(step=STEPS)
def test_a_step_comes_back_as_it_went_in(step: Step) -> None:
    assert step_from_json(_stored(step_to_json(step))) == step


def test_what_is_at_its_default_takes_no_room() -> None:
    at = datetime(2026, 3, 4, 5, 26, 7, tzinfo=UTC)
    plain = {"at": "2026-03-04T05:26:07+00:00", "kind": "identify"}
    assert event_to_json(Event(key="shop:1", at=at, kind=Kind.IDENTIFY)) == {"key": "shop:1", **plain}
    assert step_to_json(Step(id="shop:1", at=at, kind=Kind.IDENTIFY)) == {"id": "shop:1", **plain}
