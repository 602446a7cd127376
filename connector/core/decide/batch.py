"""What `decide` is given and gives: one batch as plain values, the same for webhooks, sweeps, merges, imports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from connector.core.calendar import local_day
from connector.core.decide.echoes import SentValue
from connector.core.decision import Decision
from connector.core.event import Event, Kind, Outcome, Step
from connector.core.identity import (
    CONSOLE,
    MERGE,
    PARTIAL,
    Apart,
    Holding,
    Identifying,
    IdentityKey,
    JoinedSubjects,
    Knot,
    Naming,
    RecordKey,
)
from connector.core.mapping import MappingRules
from connector.core.order import Order
from connector.core.ruleset import Ruleset
from connector.core.state import State

NOT_SET: Final = "not_set"


# What goes in: the events


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedEvent:
    """An event and what its mapping makes of it: steps, or why the mapping cannot say (`unmapped`: it is held).

    `event.key` and record identities begin with the connection's name. `delivery`: the id of the delivery that brought
    it, None for one that no delivery brought. `version`: of the mapping. `record`: that it is about. `identities`:
    everything that finds the subject, the event's own record first.
    """

    connection: str
    event: Event
    steps: tuple[Step, ...] = ()
    unmapped: str | None = None
    version: int | None = None
    delivery: str | None = None
    record: RecordKey | None = field(init=False, default=None)
    identities: tuple[IdentityKey, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        found = [IdentityKey(identity.kind.value, identity.value) for identity in self.event.identities]
        if (about := self.event.record) is not None:
            record = RecordKey(self.connection, about.object, about.id)
            found.insert(0, record.identity)
            object.__setattr__(self, "record", record)
        object.__setattr__(self, "identities", tuple(dict.fromkeys(found)))

    @property
    def naming(self) -> Naming:
        """What the event says of who is who."""
        event = self.event
        return Naming(
            event=event.key,
            connection=self.connection,
            order=event.order,
            at=event.at,
            keys=self.identities,
            record=self.record.identity if self.record is not None else None,
            is_whole=event.kind not in PARTIAL,
            is_merge=self.connection == CONSOLE and event.kind is Kind.IDENTIFY and event.name == MERGE,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refold:
    """A subject to be brought up to date without a new event.

    `until`: the daily rules run up to this local day (ordinal). `is_whole`: it is folded again from its stored events;
    otherwise it is left alone unless a daily rule is due. `is_shown_anew`: its records are told how it stands.
    `is_resolved`: who is who among it and those that its identities link to it is found out again.
    """

    subject: str
    until: int | None = None
    is_whole: bool = False
    is_shown_anew: bool = False
    is_resolved: bool = False


# What goes in: what is known


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEvent:
    """What became of an event that is stored already, and when it was read last at the source."""

    outcome: Outcome
    reason: str | None
    delivery: str | None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSubject:
    """A subject as it is stored. `rules`: the version of the rules that it was folded by.

    `state`: None while no event of it counts; `since` is then the time of its first event. `merged_into`: whom it
    turned out to be.
    """

    id: str
    version: int
    created_at: datetime
    since: datetime | None = None
    due: int | None = None
    rules: int = 0
    merged_into: str | None = None
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecord:
    """A record as it is stored: the newest stage and owner known of it with their places, and that of its deletion.

    `owner`: an e-mail, or the system's own word, case-folded; `""`: nobody; None: it was not said yet.
    """

    id: str | None
    key: RecordKey
    subject: str
    stage: str | None = None
    pipeline: str | None = None
    stage_order: Order | None = None
    is_gone: bool = False
    gone_order: Order | None = None
    owner: str | None = None
    owner_order: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A stored event that said something of its record, and what became of it."""

    event: TranslatedEvent
    subject: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSteps:
    """One event of a subject's stored history that counts: its id, its steps, and what brought it."""

    id: str
    steps: tuple[Step, ...]
    delivery: str | None
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingDecision:
    """A stored decision that stands. `says`: all that it says, as `decisions.says`; `mail`: as of `NewDecision`."""

    id: str
    says: str
    at: datetime
    rule: str
    notify: tuple[str, ...]
    mail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is stored of a subject that is folded again: its events that count in order of time, and its decisions.

    `first_at`: the time of the first of all events, also of those that do not count.
    """

    events: tuple[StoredSteps, ...] = ()
    decisions: tuple[StandingDecision, ...] = ()
    first_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The rules in force and the time.

    `now`: aware UTC. `mappings`: of the connections that take updates, by name.
    `echo_window`: how long after it was sent a value may come back. `is_silent`: nobody is mailed for what is decided,
    the daily rules up to today included: an import. `has_new_leads`: whoever becomes a lead is sent to the systems that
    take new leads.
    """

    ruleset: Ruleset
    now: datetime
    mappings: Mapping[str, MappingRules] = field(default_factory=dict)
    echo_window: timedelta = timedelta(0)
    is_silent: bool = False
    has_new_leads: bool = True
    identifying: Mapping[str, Identifying] = field(default_factory=dict)

    @property
    def today(self) -> int:
        """The local day (ordinal) of now."""
        return local_day(self.now, self.ruleset.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Everything that is decided in one transaction, and all that is known of what it touches.

    `known_events`: by connection and key. `holdings`: who has or had what the events name, and all that those have.
    `knot`: what a first look found to be missing to say who is who. `subjects`: those found and those of `refolds`.
    `records`: those that the events are about and all of the subjects, by key. `sent`: the echo ledger by record id,
    oldest first; `told`: of records that something was sent for, the stored events since that say their stage or owner.
    `last_facts`: of records that the events say are deleted, the places of the stored events from then on that say
    otherwise. `told_again`: those of `known_events` that count again (`readings`). `apart`: subjects that people keep
    apart. `new_ids` gives ids for new subjects; later ones sort after earlier ones.
    """

    context: Context
    new_ids: Iterator[str]
    events: tuple[TranslatedEvent, ...] = ()
    refolds: tuple[Refold, ...] = ()
    known_events: Mapping[tuple[str, str], KnownEvent] = field(default_factory=dict)
    holdings: tuple[Holding, ...] = ()
    knot: Knot | None = None
    subjects: Mapping[str, KnownSubject] = field(default_factory=dict)
    records: Mapping[RecordKey, KnownRecord] = field(default_factory=dict)
    sent: Mapping[str, Sequence[SentValue]] = field(default_factory=dict)
    told: Mapping[RecordKey, Sequence[StoredEvent]] = field(default_factory=dict)
    last_facts: Mapping[RecordKey, Sequence[Order]] = field(default_factory=dict)
    told_again: Mapping[tuple[str, str], StoredEvent] = field(default_factory=dict)
    apart: tuple[Apart, ...] = ()


# What comes out


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOutcome:
    """What became of one event of the batch, and why where that is to be shown. `delivery`: that brought it."""

    delivery: str | None
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to be stored with its subject; what is held, ignored or an echo has no steps."""

    event: TranslatedEvent
    subject: str
    outcome: Outcome
    reason: str | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectChange:
    """A subject as it is to be stored, folded by a version of the rules. `state`: None while no event of it counts."""

    id: str
    version: int
    created_at: datetime
    since: datetime
    status: str
    kind: str
    owner: str | None = None
    due: int | None = None
    rules: int = 0
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """A decision to be stored.

    `place`: orders the decisions of an instant. `delivery` and `version` are those of the event that led to it. `mail`:
    how its notices stand (`decisions.ASKED`, `PAST`, `IMPORTED`; None: it has none).
    """

    subject: str
    decision: Decision
    place: str
    delivery: str | None
    version: int | None
    mail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A mail that a decision asks for. `key` tells it from all others: it is asked for once. `day`: local, ordinal."""

    key: str
    subject: str
    recipient: str
    decision: Decision
    day: int
    delivery: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """A record that is to show how its subject stands. `delivery`: that brought this about, if one did."""

    record: KnownRecord
    subject: str
    delivery: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be written, all or nothing. `outcomes`: of every event of the batch, in the order of the batch.

    `holdings` are stored in the place of what is `dropped` (identity and number of each); `moved`: stored events (by
    id) that are of another subject now; `revived`: subjects that were merged away. `records`: new ones have no id yet.
    `revised`: ids of decisions that no longer stand. `matched`: (id of an entry of the echo ledger, key of the event
    that came back for it). `rejudged`: stored events that turn out to be echoes or none, with the outcomes that they
    had.
    """

    outcomes: tuple[EventOutcome, ...] = ()
    subjects: tuple[SubjectChange, ...] = ()
    merges: tuple[JoinedSubjects, ...] = ()
    holdings: tuple[Holding, ...] = ()
    dropped: tuple[tuple[IdentityKey, int], ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    revived: frozenset[str] = frozenset()
    records: tuple[KnownRecord, ...] = ()
    events: tuple[NewEvent, ...] = ()
    decisions: tuple[NewDecision, ...] = ()
    revised: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    updates: tuple[UpdateRequest, ...] = ()
    matched: tuple[tuple[str, str | None], ...] = ()
    rejudged: tuple[tuple[NewEvent, Outcome], ...] = ()

    @property
    def is_anything_to_send(self) -> bool:
        """Whether the outbox gets something."""
        return bool(self.updates or self.notices)
