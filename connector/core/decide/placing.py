"""Places a batch: whom each event is about, what became of it, and which subjects must be folded again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from connector.core.decide.batch import (
    Batch,
    EventOutcome,
    History,
    KnownSubject,
    NewEvent,
    Refold,
    TranslatedEvent,
)
from connector.core.decide.decisions import Source
from connector.core.decide.echoes import SAYING
from connector.core.decide.identity import Known, Resolved, resolve
from connector.core.decide.readings import Mark, mark_of, may_count_again, read_again
from connector.core.decide.records import Records
from connector.core.engine import Ruleset, is_late
from connector.core.errors import Unmapped
from connector.core.event import Kind, Outcome, Step
from connector.core.identity import RecordKey
from connector.core.mapping import translate
from connector.core.state import LEAD, State

ECHO_OF_SENT: Final = "what we sent, come back"
ECHO_OF_KNOWN: Final = "seen in the stage that it is known to be in"


@dataclass(slots=True, kw_only=True)
class Touched:
    """What one subject goes through in this batch.

    `known`: as it is stored, None for a new one. `is_whole`: it is folded again from its stored events. `until`: the
    local day up to which the daily rules run. `is_shown_anew`: it has records that were not told how it stands.
    `was_lead`: it, or a subject merged into it, was a lead before. `first_at`: of the events that are known here.
    `undone`: the ids of stored steps that count no more. `told`: the records whose stage or owner was
    said, with the ids of the steps that count; None: an echo.
    """

    id: str
    known: KnownSubject | None
    steps: list[Step] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    is_whole: bool = False
    until: int | None = None
    is_shown_anew: bool = False
    was_lead: bool = False
    delivery: str | None = None
    first_at: datetime | None = None
    losers: tuple[str, ...] = ()
    undone: set[str] = field(default_factory=set)
    told: list[tuple[RecordKey, set[str] | None]] = field(default_factory=list)

    @property
    def prior(self) -> State | None:
        """The state before."""
        return self.known.state if self.known else None

    def add(self, new: NewEvent) -> None:
        """An event of the batch, with the steps that count."""
        event, steps = new.event, new.steps
        self.first_at = _first(self.first_at, event.event.at)
        self.delivery = event.delivery or self.delivery
        self.steps += steps
        self.note_sources(steps, event.delivery, event.version)
        if event.record is not None and event.event.kind in SAYING:
            self.told.append((event.record, None if new.outcome is Outcome.ECHO else {step.id for step in steps}))

    def is_late(self, ruleset: Ruleset) -> bool:
        """Whether a step belongs before what was folded already."""
        prior = self.prior
        return prior is not None and any(is_late(prior, step, ruleset) for step in self.steps)

    def with_history(self, histories: Sequence[History]) -> Touched:
        """The same with the stored events of it and of those that are merged into it."""
        first_at = _first(self.first_at, *(history.first_at for history in histories))
        whole = replace(self, steps=list(self.steps), sources=dict(self.sources), first_at=first_at)
        stored = [event for history in histories for event in history.events]
        for event in stored:
            steps = [step for step in event.steps if step.id not in self.undone]
            whole.steps += steps
            whole.note_sources(steps, event.delivery, event.version)
        if whole.delivery is None:
            whole.delivery = next((event.delivery for event in reversed(stored) if event.delivery), None)
        return whole

    def note_sources(self, steps: Sequence[Step], delivery: str | None, version: int | None) -> None:
        """Remember where steps come from."""
        for step in steps:
            self.sources[step.id] = Source(delivery, version, step.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A batch whose events have found their subjects. `histories_of`: the subjects whose history is to be loaded."""

    batch: Batch
    outcomes: tuple[EventOutcome, ...]
    events: tuple[NewEvent, ...]
    resolved: Resolved
    records: Records
    touched: Mapping[str, Touched]
    rejudged: tuple[tuple[NewEvent, Outcome], ...] = ()

    @property
    def histories_of(self) -> frozenset[str]:
        """Subjects that are folded again, those that are merged into them, and those that events have moved from."""
        whole = [subject for subject in self.touched.values() if subject.is_whole]
        knot = self.batch.knot.subjects if self.batch.knot is not None and self.resolved.moved else frozenset()
        return knot | {of for subject in whole for of in (subject.id, *subject.losers) if of in self.batch.subjects}

    @property
    def knot(self) -> frozenset[str]:
        """Subjects of which everything has to be known first: it is loaded, and the batch is placed again."""
        return self.resolved.knot


def _first(*times: datetime | None) -> datetime | None:
    return min((at for at in times if at is not None), default=None)


def place(batch: Batch) -> Placed:
    """Find the subject and the outcome of every event, and which subjects must be folded again."""
    outcomes, fresh = _fresh(batch)
    resolved = _resolved(batch, list(fresh.values()))
    again = _told_again(batch)
    records = Records(batch, [*fresh.values(), *again.values()])
    if resolved.knot:
        return Placed(batch=batch, outcomes=(), events=(), resolved=resolved, records=records, touched={})
    events: list[NewEvent] = []
    for (number, event), subject in zip(fresh.items(), resolved.subjects, strict=True):
        placed = _placed(event, subject, records)
        events.append(placed)
        reason = placed.reason if placed.outcome is Outcome.HELD else None
        outcomes[number] = EventOutcome(delivery=event.delivery, outcome=placed.outcome, reason=reason)
        records.note(event, subject)
    records.reassign(resolved.record_owners)
    rejudged = [*_rejudged(batch, records, resolved), *_placed_again(batch, again, records, resolved)]
    return Placed(
        batch=batch,
        outcomes=tuple(outcomes[number] for number in range(len(batch.events))),
        events=tuple(events),
        resolved=resolved,
        records=records,
        touched=_touched(batch, events, [new for new, _ in rejudged], resolved, records),
        rejudged=tuple(rejudged),
    )


def _resolved(batch: Batch, fresh: Sequence[TranslatedEvent]) -> Resolved:
    context = batch.context
    known = Known(
        holdings=batch.holdings,
        apart=batch.apart,
        newest={of: one.state.position[0] if one.state else context.now for of, one in batch.subjects.items()},
        rules=context.identifying,
        nobodys=context.ruleset.settings.identity,
    )
    wanted = {refold.subject for refold in batch.refolds if refold.is_resolved}
    return resolve([event.naming for event in fresh], known, batch.new_ids, batch.knot, wanted)


def _fresh(batch: Batch) -> tuple[dict[int, EventOutcome], dict[int, TranslatedEvent]]:
    """By their place in the batch: the outcomes of events that are there already, and the others, each once.

    An event that an earlier, unfinished try of the same delivery stored keeps the outcome that it got then.
    """
    outcomes: dict[int, EventOutcome] = {}
    fresh: dict[int, TranslatedEvent] = {}
    seen: dict[Mark, int] = {}
    for number, event in enumerate(batch.events):
        mark = mark_of(event)
        known, first = batch.known_events.get(mark), fresh.get(seen.get(mark, -1))
        if known is None and first is None:
            fresh[number] = event
        elif known and mark not in seen and event.delivery is not None and known.delivery == event.delivery:
            outcomes[number] = EventOutcome(delivery=event.delivery, outcome=known.outcome, reason=known.reason)
        else:
            reason = _of_what(event.delivery, known.delivery if known else batch.events[seen[mark]].delivery)
            outcomes[number] = EventOutcome(delivery=event.delivery, outcome=Outcome.DUPLICATE, reason=reason)
            if first is not None and may_count_again(event.event, first.event.read_at):
                fresh[seen[mark]] = replace(event, delivery=first.delivery)
        seen.setdefault(mark, number)
    return outcomes, fresh


def _of_what(delivery: str | None, first: str | None) -> str | None:
    """Of what an event is a duplicate, where it came in a delivery, and not twice in the same."""
    if delivery is None or delivery == first:
        return None
    return f"the same as in delivery {first}" if first else "the same as reconciliation or an import has brought"


def _placed(event: TranslatedEvent, subject: str, records: Records) -> NewEvent:
    """The event with its outcome, by what is known of its record before it."""
    if records.is_echo(event):
        reason = ECHO_OF_KNOWN if event.event.is_seen else ECHO_OF_SENT
        return NewEvent(event=event, subject=subject, outcome=Outcome.ECHO, reason=reason)
    if event.unmapped is not None:
        return NewEvent(event=event, subject=subject, outcome=Outcome.HELD, reason=event.unmapped)
    return _counted(event, subject, records)


def _counted(event: TranslatedEvent, subject: str, records: Records) -> NewEvent:
    if not event.steps:
        is_end = event.event.kind is Kind.DELETED
        return NewEvent(event=event, subject=subject, outcome=Outcome.APPLIED if is_end else Outcome.IGNORED)
    outcome = Outcome.STALE if records.is_stale(event) else Outcome.APPLIED
    return NewEvent(event=event, subject=subject, outcome=outcome, steps=event.steps)


def _rejudged(batch: Batch, records: Records, resolved: Resolved) -> Iterator[tuple[NewEvent, Outcome]]:
    """Stored events that turn out to be echoes, or none, each with the outcome that it had."""
    moved = {event.naming.event: resolved.moved.get(event.id) for event in batch.knot.events} if batch.knot else {}
    for stored, is_echo in records.rejudged():
        event, rules = stored.event, batch.context.mappings.get(stored.event.connection)
        if rules is None or stored.subject not in batch.subjects:
            continue
        subject = moved.get(event.event.key) or resolved.merged.get(stored.subject, stored.subject)
        if is_echo:
            new = NewEvent(event=event, subject=subject, outcome=Outcome.ECHO, reason=ECHO_OF_SENT)
        else:
            try:
                new = _counted(replace(event, steps=translate(event.event, rules)), subject, records)
            except Unmapped as error:
                new = NewEvent(event=event, subject=subject, outcome=Outcome.HELD, reason=error.held_for)
        yield new, stored.outcome


def _told_again(batch: Batch) -> dict[Mark, TranslatedEvent]:
    """By mark the last readings of stored events that count again."""
    again = read_again(batch.events, batch.known_events)
    return {mark: again[mark] for mark, stored in batch.told_again.items() if stored.subject in batch.subjects}


def _placed_again(
    batch: Batch, again: Mapping[Mark, TranslatedEvent], records: Records, resolved: Resolved
) -> Iterator[tuple[NewEvent, Outcome]]:
    """Stored events that a later reading shows again, each with the outcome that it had."""
    for mark, event in again.items():
        stored = batch.told_again[mark]
        subject = resolved.merged.get(stored.subject, stored.subject)
        newest = replace(event, delivery=stored.event.delivery, version=stored.event.version)
        yield _placed(newest, subject, records), stored.outcome
        records.note(newest, subject)


def _touched(
    batch: Batch, events: Sequence[NewEvent], rejudged: Sequence[NewEvent], resolved: Resolved, records: Records
) -> dict[str, Touched]:
    """The subjects that something happens to, and what."""
    context = batch.context
    rearranged = _rearranged(batch, resolved)
    touched = {subject: _found(batch, subject, resolved, is_rearranged=True) for subject in sorted(rearranged)}
    for placed in (*rejudged, *events):
        if placed.subject not in touched:
            touched[placed.subject] = _found(batch, placed.subject, resolved)
        touched[placed.subject].add(placed)
    for judged in rejudged:
        touched[judged.subject].undone.update((judged.event.event.key, *(step.id for step in judged.steps)))
    for one in touched.values():
        if context.is_silent:
            one.until = context.today
        one.is_whole |= bool(one.undone) or one.is_late(context.ruleset)
    for key in records.linked:
        subject = records.all()[key].subject
        touched.setdefault(subject, _found(batch, subject, resolved)).is_shown_anew = True
    for refold in batch.refolds:
        known = batch.subjects.get(refold.subject)
        if known is None or known.merged_into is not None or refold.subject in touched:
            continue
        if refold.is_whole or _is_due(known, refold):
            touched[refold.subject] = _refolded(known, refold)
    return touched


def _rearranged(batch: Batch, resolved: Resolved) -> set[str]:
    """The subjects that gained or lost stored events."""
    merged = resolved.merged
    lost = {event.subject for event in batch.knot.events if event.id in resolved.moved} if batch.knot else set()
    return {merged.get(subject, subject) for subject in (*lost, *resolved.moved.values(), *merged.values())}


def _found(batch: Batch, subject: str, resolved: Resolved, *, is_rearranged: bool = False) -> Touched:
    """A subject that events are about, with what those that are merged into it bring along."""
    merged = resolved.merged
    losers = tuple(sorted(loser for loser in merged if merged[loser] == subject)) if merged else ()
    known = batch.subjects.get(subject)
    others = batch.knot.subjects if is_rearranged and batch.knot is not None else frozenset(losers)
    lost = [state for loser in others if loser in batch.subjects and (state := batch.subjects[loser].state)]
    states = [known.state, *lost] if known and known.state else lost
    return Touched(
        id=subject,
        known=known,
        is_whole=is_rearranged,
        until=max((state.last_run for state in lost), default=None),
        is_shown_anew=is_rearranged,
        was_lead=any(state.kind == LEAD for state in states),
        losers=losers,
    )


def _is_due(known: KnownSubject, refold: Refold) -> bool:
    return known.due is not None and refold.until is not None and known.due <= refold.until


def _refolded(known: KnownSubject, refold: Refold) -> Touched:
    return Touched(
        id=known.id,
        known=known,
        is_whole=refold.is_whole,
        until=refold.until,
        is_shown_anew=refold.is_shown_anew,
        was_lead=known.state is not None and known.state.kind == LEAD,
    )
