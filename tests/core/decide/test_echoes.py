"""What we wrote comes back once, unless somebody changed it in between; where the writer is named, that decides."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from connector.core.decide.batch import TranslatedEvent
from connector.core.decide.echoes import SentValue
from connector.core.errors import Unmapped
from connector.core.event import Event, Kind, RecordRef
from connector.core.mapping import MappingRules, OwnerRule, PushRule, translate
from tests.core.decide.memory_store import MemoryStore
from tests.core.decide.test_properties import NOW, RULES, context

AT = NOW - timedelta(hours=3)
A, B = "ann@example.jp", "bob@example.jp"
RECORD = RecordRef(object="lead", id="1")
OWNED = MappingRules(
    adapter="standard",
    stages=RULES.stages,
    owner=OwnerRule(),
    push={"lead": PushRule(status=RULES.push["lead"].status)},
)


def translated(event: Event) -> TranslatedEvent:
    try:
        return TranslatedEvent(connection="shop", event=event, steps=translate(event, OWNED), version=1)
    except Unmapped as error:
        return TranslatedEvent(connection="shop", event=event, unmapped=error.held_for, version=1)


def owner(key: str, who: str | None, minutes: float, **values: Any) -> TranslatedEvent:
    at = AT + timedelta(minutes=minutes)
    return translated(Event(key=key, at=at, kind=Kind.OWNER, record=RECORD, owner=who, owner_email=who, **values))


def stage(key: str, to: str, minutes: float, kind: Kind = Kind.STAGE, **values: Any) -> TranslatedEvent:
    at = AT + timedelta(minutes=minutes)
    return translated(Event(key=key, at=at, kind=kind, record=RECORD, stage=to, **values))


def ended(*events: TranslatedEvent, sent: tuple[tuple[str, str, float], ...] = (("owner", A, 0),)) -> dict[str, str]:
    """What becomes of events, each told alone, after these (field, value, minute) were sent for their record."""
    store = MemoryStore()
    store.run(context(mappings={"shop": OWNED}), [stage("first", "new", -60)])
    (record,) = store.records.values()
    for number, (name, value, minute) in enumerate(sent):
        at = AT + timedelta(minutes=minute)
        store.sent.append(SentValue(id=f"S{number}", record=record.id or "", field=name, value=value, at=at))
    for event in events:
        store.run(context(mappings={"shop": OWNED}), [event])
    return {key: stored.outcome.value for (_, key), stored in store.events.items() if key != "first"}


@pytest.mark.parametrize(
    ("events", "outcomes"),
    [
        ([owner("1", A, 1)], "echo"),
        ([owner("1", A.upper(), -1)], "echo"),
        ([owner("1", A, 11)], "applied"),
        ([owner("1", A, -3)], "applied"),
        ([owner("1", A, 1), owner("2", A, 2)], "echo applied"),
        ([owner("1", B, 1), owner("2", A, 2)], "applied applied"),
        ([owner("1", None, 1), owner("2", A, 2)], "applied applied"),
        ([owner("1", A, 1), owner("2", B, 2), owner("3", A, 3)], "echo applied applied"),
        ([owner("1", A, -1), owner("2", B, -0.5), owner("3", A, 1)], "applied applied echo"),
        ([owner("1", A, -1), owner("2", B, 0.5), owner("3", A, 1)], "echo applied applied"),
        ([owner("1", A, 1, is_ours=False), owner("2", A, 2)], "applied echo"),
        ([owner("1", A, 1, is_ours=True), owner("2", A, 2, is_ours=True)], "echo echo"),
        ([owner("1", A, 300, is_ours=True)], "echo"),
        ([owner("1", A, -300, is_ours=True)], "echo"),
        ([owner("1", B, 1), owner("2", A, 2, is_ours=True)], "applied applied"),
        ([owner("1", B, 1, is_ours=True), owner("2", B, 2, is_ours=True)], "applied echo"),
    ],
)
def test_the_same_is_an_echo_in_whatever_order_it_is_told(events: list[TranslatedEvent], outcomes: str) -> None:
    expected = {event.event.key: outcome for event, outcome in zip(events, outcomes.split(), strict=True)}
    for order in permutations(events):
        assert ended(*order) == expected, [event.event.key for event in order]


def test_a_stage_of_a_whole_record_ends_what_was_sent_and_an_emptied_one_does_not() -> None:
    sent = (("stage", "talking", 0.0),)
    seen = stage("1", "bad", 1, kind=Kind.RECORD)
    assert ended(seen, stage("2", "talking", 2), sent=sent) == {"1": "applied", "2": "applied"}
    assert ended(stage("1", "", 1), stage("2", "talking", 2), sent=sent) == {"1": "ignored", "2": "echo"}
    emptied = (("stage", "", 0.0), ("stage", "talking", 0.0))
    for order in permutations([stage("1", "", 1), stage("2", "talking", 1)]):
        assert ended(*order, sent=emptied) == {"1": "echo", "2": "echo"}


def test_what_was_taken_for_an_echo_is_held_where_the_mapping_does_not_know_it() -> None:
    sent = (("stage", "strange", 0.0),)
    first = stage("2", "strange", 3)
    assert ended(first, sent=sent) == {"2": "echo"}
    assert ended(first, stage("1", "bad", 1), sent=sent) == {"2": "held", "1": "stale"}


def test_a_connection_that_takes_no_updates_keeps_what_was_said_of_its_echoes() -> None:
    store = MemoryStore()
    with_updates = context(mappings={"shop": OWNED})
    store.run(with_updates, [stage("first", "new", -60)])
    (record,) = store.records.values()
    store.sent.append(SentValue(id="S", record=record.id or "", field="owner", value=A, at=AT))
    store.run(with_updates, [owner("2", A, 2)])
    store.run(context(mappings={}), [owner("1", B, 1)])
    assert store.events["shop", "2"].outcome == "echo"


def test_what_came_back_before_all_that_is_known_since_is_used() -> None:
    store = MemoryStore()
    store.run(context(mappings={"shop": OWNED}), [stage("first", "new", -60)])
    (record,) = store.records.values()
    entry = SentValue(id="S", record=record.id or "", field="owner", value=A, at=AT, matched="shop:elsewhere")
    store.sent.append(entry)
    store.run(context(mappings={"shop": OWNED}), [owner("1", A, 1)])
    assert (store.events["shop", "1"].outcome, store.sent) == ("applied", [entry])
