"""Who is who: however events come, the same people, and never two in one that something stronger keeps apart."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.calendar import local_day
from connector.core.decide.batch import TranslatedEvent
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.core.identity import Identifying
from connector.core.mapping import translate
from connector.core.ruleset import IdentityRules, Ruleset, Settings
from tests.core.decide.memory_store import MemoryStore
from tests.core.decide.test_properties import NOW, RULES, RULESET, TEMPLATE, context
from tests.hypothesis_profile import examples

MANY: Final = Ruleset(TEMPLATE, Settings(identity=IdentityRules(shared_after=99)))
IDENTIFYING: Final = {"shop": Identifying(persons=frozenset({"contact"}))}
PHONES: Final = ("+81312345678", "+819012345678")


MAPPED: Final = replace(RULES, stages={"deal": {"": {"new": "latent", "talking": "appointment_prospect"}}})


def translated(event: Event) -> TranslatedEvent:
    return TranslatedEvent(connection="shop", event=event, steps=translate(event, MAPPED), version=1)


def who(kind: IdentityKind, *values: str) -> list[Identity]:
    return [Identity(kind=kind, value=value) for value in values]


def _event(chance: random.Random, number: int) -> Event:
    """One of few people, whose e-mails are corrected, who share phones and browsers, and who have several deals."""
    at = NOW - timedelta(days=chance.choice((0, 1, 2, 30)), minutes=chance.choice((0, 1, 2, 600)))
    kind = chance.choices((Kind.RECORD, Kind.ACTION, Kind.DELETED, Kind.STAGE, Kind.OWNER), (5, 3, 1, 2, 1))[0]
    emails = who(
        IdentityKind.EMAIL, *chance.sample(("a@x.jp", "b@x.jp", "c@x.jp", "d@x.jp"), chance.choice((0, 1, 1, 1, 2)))
    )
    phones = who(IdentityKind.PHONE, *chance.sample(PHONES[:1], chance.randint(0, 1)))
    mobiles = who(IdentityKind.MOBILE, *chance.sample(PHONES[1:], chance.choice((0, 0, 1))))
    visitors = who(IdentityKind.VISITOR, *chance.sample(("v1", "v2"), chance.choice((0, 0, 1))))
    record = None
    if kind is Kind.ACTION:
        names = [*emails, *visitors] or who(IdentityKind.VISITOR, "v1")
    else:
        record = RecordRef(object=chance.choice(("contact", "deal")), id=chance.choice("123"))
        contacts = who(
            IdentityKind.RECORD, *(f"shop:contact:{one}" for one in chance.sample("123", chance.choice((0, 0, 1))))
        )
        names = [*contacts, *emails, *phones, *mobiles]
    event = Event(key=f"shop:{number:02}", at=at, kind=kind, identities=tuple(names), record=record)
    if kind in {Kind.RECORD, Kind.STAGE} and record is not None:
        if record.object == "contact":
            return replace(event, kind=Kind.RECORD)
        return replace(event, stage=chance.choice(("new", "talking")))
    return replace(event, name="site_access", owner="7", owner_email="kim@example.jp")


@st.composite
def events(draw: st.DrawFn) -> list[TranslatedEvent]:
    """What happens to a few people."""
    chance = draw(st.randoms(use_true_random=False))
    return [translated(_event(chance, number)) for number in range(chance.randint(1, 12))]


def _end(batches: Sequence[Sequence[TranslatedEvent]]) -> MemoryStore:
    store = MemoryStore()
    for batch in batches:
        store.run(context(identifying=IDENTIFYING, ruleset=MANY), batch)
    store.sweep(context(), local_day(NOW, RULESET.zone))
    return store


@given(found=events(), data=st.data())
@settings(max_examples=examples(600), deadline=None)
def test_any_order_and_split_ends_in_the_same_people(found: list[TranslatedEvent], data: st.DataObject) -> None:
    expected = _end([sorted(found, key=lambda event: event.event.at)])
    chance = data.draw(st.randoms(use_true_random=False))
    shuffled = [*found]
    chance.shuffle(shuffled)
    cuts = sorted(chance.randint(0, len(shuffled)) for _ in range(chance.randint(0, 5)))
    batches = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    assert _end(batches).people() == expected.people()


@given(found=events())
@settings(max_examples=examples(200), deadline=None)
def test_two_persons_of_one_system_are_one_only_where_the_system_itself_says_so(found: list[TranslatedEvent]) -> None:
    links = [_contacts(event) for event in found if event.record is not None and event.record.object == "contact"]
    for person in _end([[event] for event in found]).persons("contact"):
        first, *others = sorted(person) or [""]
        assert all(_is_linked(first, other, links) for other in others)


def _contacts(event: TranslatedEvent) -> set[str]:
    return {key.value for key in event.identities if ":contact:" in key.value}


def _is_linked(one: str, other: str, links: Sequence[set[str]]) -> bool:
    """Whether a chain of such links leads from one to the other."""
    reached = {one}
    for _ in links:
        reached |= {name for link in links if link & reached for name in link}
    return other in reached
