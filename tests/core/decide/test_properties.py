"""However events come (any order, repetition, batch, with sweeps in between), `decide` ends in the same people."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.calendar import local_day
from connector.core.decide import decide
from connector.core.decide.batch import Context, TranslatedEvent
from connector.core.event import Event, Identity, IdentityKind, Kind, Outcome, RecordRef, Step
from connector.core.mapping import FieldRule, MappingRules, OwnerRule, PushRule, translate
from connector.core.rules import TEMPLATES
from connector.core.ruleset import Ruleset, Settings
from tests.core.decide.memory_store import MemoryStore
from tests.hypothesis_profile import examples

NOW: Final = datetime(2026, 6, 30, 3, tzinfo=UTC)
DAYS: Final = (0, 0, 0, 1, 2, 5, 25, 30, 31, 60, 61, 90, 91)
STAGES: Final = {"lead": {"": {"new": "latent", "talking": "appointment_prospect", "bad": "not_targeted"}}}
RULES: Final = MappingRules(
    adapter="standard",
    stages=STAGES,
    owner=OwnerRule(),
    fields=(FieldRule(name="city", read=lambda data: data.get("city")),),
    push={"lead": PushRule(status={"latent": {"stage": "new"}})},
)
TEMPLATE: Final = next(iter(TEMPLATES.values()))
RULESET: Final = Ruleset(TEMPLATE, Settings())
EMAIL, PHONE, VISITOR = IdentityKind.EMAIL, IdentityKind.PHONE, IdentityKind.VISITOR


def context(now: datetime = NOW, **more: Any) -> Context:
    values: dict[str, Any] = {"mappings": {"shop": RULES}, "echo_window": timedelta(minutes=10), "ruleset": RULESET}
    return Context(now=now, **values | more)


def translated(event: Event, delivery: str | None = None) -> TranslatedEvent:
    steps: tuple[Step, ...] = translate(event, RULES)
    return TranslatedEvent(connection="shop", event=event, steps=steps, version=1, delivery=delivery)


@st.composite
def events(draw: st.DrawFn) -> list[TranslatedEvent]:
    """What happens to up to three people, some of whom turn out to be one."""
    chance = draw(st.randoms(use_true_random=False))
    return [translated(_event(chance, number)) for number in range(chance.randint(1, 14))]


def _event(chance: random.Random, number: int) -> Event:
    person = chance.choice("abc")
    at = NOW - timedelta(days=chance.choice(DAYS), minutes=chance.choice((0, 0, 1, 20, 600, 1439)))
    names = [
        Identity(kind=EMAIL, value=f"{person}@example.jp"),
        Identity(kind=VISITOR, value=f"v-{chance.choice((person, person, 'a'))}"),
        Identity(kind=PHONE, value=f"+8190000{person}"),
    ]
    identities = tuple(chance.sample(names, chance.randint(1, 2)))
    kind = chance.choices(
        (Kind.ACTION, Kind.STAGE, Kind.OWNER, Kind.PROFILE, Kind.TAG, Kind.DELETED, Kind.IDENTIFY, Kind.RECORD),
        (6, 4, 2, 2, 1, 1, 1, 2),
    )[0]
    has_record = kind in {Kind.STAGE, Kind.OWNER, Kind.DELETED, Kind.RECORD} or chance.random() < 0.2
    record = RecordRef(object="lead", id=f"L-{person}{chance.choice('12')}") if has_record else None
    event = Event(
        key=f"shop:{number:02d}", at=at, kind=kind, identities=identities, record=record, is_lead=chance.random() < 0.3
    )
    if kind is Kind.ACTION:
        return replace(event, name=chance.choice(("site_access", "form_submission")))
    if kind in {Kind.STAGE, Kind.RECORD}:
        stage = chance.choice(("new", "talking", "bad", ""))
        return replace(event, stage=stage, data={"city": chance.choice(("Tokyo", "Hanoi"))})
    if kind is Kind.OWNER:
        return replace(event, owner="7", owner_email=chance.choice(("kim@example.jp", "lee@example.jp")))
    if kind is Kind.PROFILE:
        return replace(event, data={"city": chance.choice(("Tokyo", "Hanoi", None))})
    return replace(event, tag="reactive") if kind is Kind.TAG else event


def _end(batches: Sequence[Sequence[TranslatedEvent]], sweeps: frozenset[int] = frozenset()) -> MemoryStore:
    """A store after these batches, with a sweep before those of the given numbers, and one at the end."""
    store, today = MemoryStore(), local_day(NOW, RULESET.zone)
    for number, batch in enumerate(batches):
        if number in sweeps:
            store.sweep(context(), today)
        store.run(context(), batch)
    store.sweep(context(), today)
    return store


@given(found=events(), data=st.data())
@settings(max_examples=examples(600), deadline=None)
def test_any_order_repetition_and_split_ends_in_the_same_people(
    found: list[TranslatedEvent], data: st.DataObject
) -> None:
    expected = _end([sorted(found, key=lambda event: event.event.at)])
    chance = data.draw(st.randoms(use_true_random=False))
    shuffled = [*found, *chance.sample(found, chance.randint(0, len(found)))]
    chance.shuffle(shuffled)
    cuts = sorted(chance.randint(0, len(shuffled)) for _ in range(chance.randint(0, 5)))
    batches = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    sweeps = frozenset(number for number in range(len(batches)) if chance.random() < 0.3)
    assert _end(batches, sweeps).people() == expected.people()


@given(found=events())
@settings(max_examples=examples(100), deadline=None)
def test_what_came_is_counted_once_and_everything_that_names_a_subject_finds_it(found: list[TranslatedEvent]) -> None:
    store = MemoryStore()
    first, second = store.run(context(), found), store.run(context(), found)
    assert [one.outcome for one in second.outcomes] == [Outcome.DUPLICATE] * len(found)
    assert (second.events, second.decisions, second.subjects, second.updates) == ((), (), (), ())
    assert len(first.events) == len(found) == len(first.outcomes)
    holders = {(one.key, one.subject) for one in store.holdings.values()}
    for stored in store.events.values():
        assert {(key, stored.subject) for key in stored.event.identities} & holders


@given(found=events())
@settings(max_examples=examples(100), deadline=None)
def test_a_batch_that_is_tried_again_after_it_was_stored_gives_its_delivery_the_same_outcomes(
    found: list[TranslatedEvent],
) -> None:
    store = MemoryStore()
    batch = [replace(event, delivery="d") for event in found]
    first, second = store.run(context(), batch), store.run(context(), batch)
    assert [one.outcome for one in second.outcomes] == [one.outcome for one in first.outcomes]


def test_a_value_that_a_mapping_cannot_say_is_held_without_steps() -> None:
    names = (Identity(kind=EMAIL, value="a@example.jp"),)
    event = Event(key="shop:1", at=NOW, kind=Kind.STAGE, identities=names, stage="never")
    held = TranslatedEvent(connection="shop", event=event, unmapped="stage: lead / never")
    changes = MemoryStore().run(context(), [held])
    assert [(one.outcome, one.reason) for one in changes.outcomes] == [(Outcome.HELD, "stage: lead / never")]
    assert (changes.subjects[0].status, changes.subjects[0].since, changes.subjects[0].state) == ("not_set", NOW, None)


@given(found=events())
@settings(max_examples=examples(60), deadline=None)
def test_deciding_changes_nothing_of_what_it_is_given(found: list[TranslatedEvent]) -> None:
    store = MemoryStore()
    store.run(context(), found[::2])
    placed = store.placed(context(), found)
    histories = {subject: store.history(subject) for subject in placed.histories_of}
    assert decide(placed, histories) == decide(placed, histories)
