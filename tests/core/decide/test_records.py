"""What is known of a record: its newest stage agrees with the status, and it is there or gone as its system says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from connector.core.decide.batch import KnownRecord, TranslatedEvent
from connector.core.event import Event, Kind, Outcome, RecordRef
from tests.core.decide.memory_store import MemoryStore
from tests.core.decide.test_properties import NOW, context, translated

AT = NOW - timedelta(hours=1)
READ = AT + timedelta(seconds=2)


def event(number: int | str, kind: Kind = Kind.STAGE, **values: Any) -> TranslatedEvent:
    record = RecordRef(object="lead", id="1")
    return translated(Event(key=f"shop:{number}", kind=kind, record=record, **{"at": AT, **values}))


def ended(events: Sequence[TranslatedEvent]) -> MemoryStore:
    """A store after these events, each in a batch of its own."""
    store = MemoryStore()
    for one in events:
        store.run(context(), [one])
    return store


def status_and_record(store: MemoryStore) -> tuple[str, KnownRecord]:
    (subject,), (record,) = store.subjects.values(), store.records.values()
    assert subject.state is not None
    return subject.state.status, record


@pytest.mark.parametrize(
    "changes",
    [
        [event(9, stage="new"), event(10, stage="talking")],
        [
            event("a", stage="new", sequence=1),
            event(9, stage="new", sequence=2),
            event(1, stage="talking", sequence=10),
        ],
        [event(9, stage="new"), event(8, stage="new", read_at=READ), event(7, stage="talking", read_at=NOW)],
        [event(9, stage="new"), event(10, Kind.RECORD, stage="talking")],
    ],
)
def test_status_and_record_agree_on_which_of_one_instant_is_the_last(changes: list[TranslatedEvent]) -> None:
    for order in permutations(changes):
        status, record = status_and_record(ended(order))
        assert (status, record.stage) == ("appointment_prospect", "talking")


def test_a_stage_that_comes_before_another_of_its_instant_is_stale() -> None:
    store = ended([event(10, stage="talking")])
    (outcome,) = store.run(context(), [event(9, stage="new")]).outcomes
    assert outcome.outcome is Outcome.STALE


DELETED, THERE = Kind.DELETED, Kind.IDENTIFY


@pytest.mark.parametrize(
    ("last", "changes"),
    [
        (DELETED, [event(1, THERE), event(2, DELETED)]),
        (DELETED, [event(1, DELETED), event(2, THERE, at=AT + READ.resolution), event(3, DELETED, at=READ)]),
        (DELETED, [event(1, DELETED, sequence=1), event(2, THERE, sequence=2), event(3, DELETED, sequence=3)]),
        (THERE, [event(1, THERE, sequence=1), event(2, DELETED, sequence=2), event(3, THERE, sequence=10)]),
        (THERE, [event(1, DELETED), event(2, THERE, read_at=READ)]),
        (DELETED, [event(1, DELETED), event(2, THERE, read_at=AT + timedelta(milliseconds=600))]),
        (DELETED, [event(1, THERE, read_at=READ), event(2, DELETED, read_at=NOW)]),
        (THERE, [event(1, DELETED, read_at=READ), event(2, THERE, read_at=NOW)]),
    ],
)
def test_a_record_is_there_or_gone_as_its_system_said_last(last: Kind, changes: list[TranslatedEvent]) -> None:
    for order in permutations(changes):
        (record,) = ended(order).records.values()
        assert record.is_gone is (last is DELETED), [one.event.key for one in order]
        together = MemoryStore()
        together.run(context(), order)
        assert [replace(one, id=record.id) for one in together.records.values()] == [record]


# --- read again


def seen(key: str, kind: Kind, after: float, **values: Any) -> TranslatedEvent:
    """A fact dated to the second, read some time after that began."""
    return event(key, kind, read_at=AT + timedelta(seconds=after), **values)


def changes_of_one_second(*after: float) -> list[TranslatedEvent]:
    """The stage `talking`, then another, then `talking` again, by the times at which they were read."""
    stages = zip(("talking", "bad", "talking"), after, strict=True)
    return [seen(stage, Kind.STAGE, when, stage=stage) for stage, when in stages]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_is_read_again_within_its_second_counts_again_whatever_order_it_is_told_in(order: Sequence[int]) -> None:
    changes = changes_of_one_second(0.1, 0.4, 0.7)
    store = ended([event("before", stage="new", read_at=AT), *(changes[place] for place in order)])
    status, record = status_and_record(store)
    assert (status, record.stage) == ("appointment_prospect", "talking")
    assert len(store.events) == 3


def test_the_same_in_one_batch() -> None:
    store = MemoryStore()
    changes = store.run(context(), changes_of_one_second(0.1, 0.4, 0.7))
    assert status_and_record(store)[0] == "appointment_prospect"
    assert [one.outcome for one in changes.outcomes] == [Outcome.APPLIED, Outcome.STALE, Outcome.DUPLICATE]


def test_a_reading_long_after_shows_which_value_of_a_second_was_the_last() -> None:
    store = ended(changes_of_one_second(0.1, 0.4, 3600))
    assert status_and_record(store)[0] == "appointment_prospect"
    again = [seen(stage, Kind.STAGE, 7200, stage=stage) for stage in ("bad", "talking")]
    assert [store.run(context(), [one]).outcomes[0].outcome for one in again] == [Outcome.DUPLICATE] * 2


def test_what_is_sent_again_and_what_a_history_tells_again_changes_nothing() -> None:
    sent_again = changes_of_one_second(0.1, 0.4, 0.1)
    assert status_and_record(ended(sent_again))[0] == "not_targeted"
    stages = (("talking", 0.1, 1), ("bad", 0.4, 2), ("talking", 3600, 1))
    numbered = [seen(stage, Kind.STAGE, when, stage=stage, sequence=number) for stage, when, number in stages]
    assert status_and_record(ended(numbered))[0] == "not_targeted"
    history = ended(changes_of_one_second(0.1, 0.4, 0.1)[:2])
    history.run(context(), [seen(stage, Kind.STAGE, 3600, stage=stage) for stage in ("talking", "bad")])
    assert status_and_record(history)[0] == "not_targeted"
