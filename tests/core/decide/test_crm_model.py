"""We hold what the system shows, and the newest word of anybody, whatever order and echoes: a model is the oracle."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.decide.batch import Context, TranslatedEvent
from connector.core.decide.echoes import SentValue
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.core.identity import RecordKey
from connector.core.mapping import MappingRules, OwnerRule, PushRule, translate
from connector.core.updates import SeenRecord, ShownSubject, wanted_update
from tests.core.decide.memory_store import MemoryStore
from tests.core.decide.test_properties import RULESET
from tests.hypothesis_profile import examples

START: Final = datetime(2026, 6, 29, 3, tzinfo=UTC)
STATUSES: Final = {"new": "latent", "talking": "appointment_prospect", "bad": "not_targeted"}
PEOPLE: Final = ("kim@example.jp", "lee@example.jp", "ann@example.jp")
RULES: Final = MappingRules(
    adapter="standard",
    stages={"lead": {"": STATUSES}},
    owner=OwnerRule(),
    push={"lead": PushRule(status={to: {"stage": stage} for stage, to in STATUSES.items()}, owner="owner")},
)
FIELDS: Final = ("stage", "owner")
VALUES: Final = {"stage": tuple(STATUSES), "owner": PEOPLE}


@dataclass(slots=True)
class World:
    """A CRM with two records, a second system that speaks of the same people, and the connector between them.

    `names_writers`: the CRM says who made a change. `shown`: what each record shows by field. `wanted`: what somebody
    said last of it anywhere, with the time. `waiting`: events that were not delivered yet.
    """

    chance: random.Random
    names_writers: bool
    now: datetime = START
    number: int = 0
    shown: dict[tuple[str, str], str] = field(default_factory=dict)
    wanted: dict[tuple[str, str], str] = field(default_factory=dict)
    waiting: list[TranslatedEvent] = field(default_factory=list)
    store: MemoryStore = field(default_factory=MemoryStore)

    @property
    def context(self) -> Context:
        return Context(ruleset=RULESET, now=self.now, mappings={"crm": RULES}, echo_window=timedelta(minutes=10))

    def person_changes(self, record: str, name: str, value: str) -> None:
        """Somebody sets a field of a record in the CRM; to the same value it is no change."""
        if self.shown.get((record, name)) != value:
            self.shown[record, name] = self.wanted[record, name] = value
            self._tell("crm", record, name, value, is_ours=False if self.names_writers else None)

    def other_says(self, record: str, name: str, value: str) -> None:
        """The second system says something of the person."""
        self.wanted[record, name] = value
        self._tell("web", record, name, value)

    def deliver(self, count: int) -> None:
        """Some of the waiting events arrive, in any order, some of them twice, in one batch."""
        self.chance.shuffle(self.waiting)
        batch, self.waiting = self.waiting[:count], self.waiting[count:]
        again = [event for event in batch if self.chance.random() < 0.2]
        self.store.run(self.context, [*batch, *again])

    def push(self) -> bool:
        """What the outbox holds is sent; whether anything was.

        Where nobody says who made a change, ours and a person's of one second cannot be told apart: ours has its own.
        """
        apart = timedelta(0) if self.names_writers else timedelta(seconds=1)
        self.now += apart
        keys, self.store.updates = dict.fromkeys(self.store.updates), []
        sent = [self._push(key) for key in keys if key.connection == "crm"]
        self.now += apart
        return any(sent)

    def _push(self, key: RecordKey) -> bool:
        record = self.store.records[key]
        state = self.store.subjects[record.subject].state
        assert state is not None
        seen = SeenRecord(object=key.object, stage=record.stage, owner=record.owner)
        subject = ShownSubject(
            status=state.status, label="", since=state.since, owner=state.owner, profile={}, identities=()
        )
        update = wanted_update(RULES, seen, subject, RULESET.zone)
        assert update is not None
        written = {**(update.status or {}), **({"owner": update.owner} if update.owner else {})}
        for name, value in written.items():
            entry = SentValue(id=f"S{self.number}{name}", record=record.id or "", field=name, value=value, at=self.now)
            if self.shown.get((key.id, name)) != value:
                self.store.sent.append(entry)
                self.shown[key.id, name] = value
                self._tell("crm", key.id, name, value, is_ours=True if self.names_writers else None)
        self.store.records[key] = replace(record, **written)
        return bool(written)

    def _tell(self, connection: str, record: str, name: str, value: str, *, is_ours: bool | None = None) -> None:
        self.number += 1
        values: dict[str, Any] = {"stage": value} if name == "stage" else {"owner": value, "owner_email": value}
        event = Event(
            key=f"{connection}:{self.number}",
            at=self.now,
            kind=Kind.STAGE if name == "stage" else Kind.OWNER,
            identities=(Identity(kind=IdentityKind.EMAIL, value=f"{record}@example.jp"),),
            record=RecordRef(object="lead", id=record),
            sequence=self.number,
            is_ours=is_ours,
            **values,
        )
        steps = translate(event, RULES)
        self.waiting.append(TranslatedEvent(connection=connection, event=event, steps=steps, version=1))

    def pass_time(self) -> None:
        """Mostly none: many things happen in the same second."""
        self.now += timedelta(seconds=self.chance.choice((0, 0, 0, 1, 30, 240, 700)))

    def held(self, record: str) -> dict[str, str | None]:
        """What the connector holds, in the CRM's words."""
        key = RecordKey("crm", "lead", record)
        state = self.store.subjects[self.store.records[key].subject].state
        assert state is not None
        stages = {status: stage for stage, status in STATUSES.items()}
        return {"stage": stages.get(state.status), "owner": state.owner}


def lived(chance: random.Random, *, names_writers: bool) -> World:
    """A world after some days with the connector, when everything has arrived and nothing is left to send."""
    world = World(chance, names_writers)
    for record in "pq":
        for name in FIELDS:
            world.person_changes(record, name, chance.choice(VALUES[name]))
    for _ in range(chance.randint(1, 25)):
        world.pass_time()
        record, name = chance.choice("pq"), chance.choice(FIELDS)
        deed = chance.choice(("person", "person", "other", "deliver", "push"))
        if deed == "deliver":
            world.deliver(chance.randint(1, 4))
        elif deed == "push":
            world.push()
        else:
            speak = world.person_changes if deed == "person" else world.other_says
            speak(record, name, chance.choice(VALUES[name]))
    for _ in range(10):
        world.now += timedelta(seconds=1)
        while world.waiting:
            world.deliver(chance.randint(1, 5))
        if not world.push():
            return world
    message = "it goes round in circles"
    raise AssertionError(message)


@given(chance=st.randoms(use_true_random=False), names_writers=st.booleans())
@settings(max_examples=examples(600), deadline=None)
def test_what_we_hold_is_what_the_system_shows_and_the_newest_word_of_anybody(
    chance: random.Random, *, names_writers: bool
) -> None:
    world = lived(chance, names_writers=names_writers)
    for record in "pq":
        held = world.held(record)
        assert held == {name: world.shown[record, name] for name in FIELDS}
        assert held == {name: world.wanted[record, name] for name in FIELDS}
