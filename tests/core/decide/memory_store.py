"""A store in memory for `decide`: it loads and saves as the pipeline does, with dictionaries in place of tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connector.core.decide import Placed, decide, place
from connector.core.decide.batch import (
    Batch,
    Changes,
    Context,
    History,
    KnownEvent,
    KnownRecord,
    KnownSubject,
    NewDecision,
    NewEvent,
    Refold,
    StandingDecision,
    StoredEvent,
    StoredSteps,
    TranslatedEvent,
)
from connector.core.decide.decisions import says
from connector.core.decide.echoes import SAYING, SentValue
from connector.core.decide.readings import counting_again, mark_of, read_again
from connector.core.event import COUNTED, Kind
from connector.core.identity import Apart, Holding, IdentityKey, Knot, RecordKey, StoredNaming
from connector.core.order import Order


@dataclass(slots=True)
class MemoryStore:
    """What the tables hold. `notices` and `updates`: everything that was ever asked for, each once by its key."""

    events: dict[tuple[str, str], NewEvent] = field(default_factory=dict)
    holdings: dict[tuple[IdentityKey, int], Holding] = field(default_factory=dict)
    subjects: dict[str, KnownSubject] = field(default_factory=dict)
    records: dict[RecordKey, KnownRecord] = field(default_factory=dict)
    decisions: dict[str, tuple[str, NewDecision]] = field(default_factory=dict)
    sent: list[SentValue] = field(default_factory=list)
    apart: list[Apart] = field(default_factory=list)
    notices: dict[str, str] = field(default_factory=dict)
    updates: list[RecordKey] = field(default_factory=list)
    origins: dict[tuple[str, str], str] = field(default_factory=dict)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def run(self, context: Context, events: Sequence[TranslatedEvent] = (), refolds: Sequence[Refold] = ()) -> Changes:
        """One batch: load, decide, save."""
        placed = self.placed(context, events, refolds)
        changes = decide(placed, {subject: self.history(subject) for subject in placed.histories_of})
        self._save(changes)
        return changes

    def placed(self, context: Context, events: Sequence[TranslatedEvent], refolds: Sequence[Refold] = ()) -> Placed:
        """A batch, placed with all that it needs to know."""
        batch = self.load(context, tuple(events), tuple(refolds))
        placed = place(batch)
        while placed.knot:
            batch = replace(batch, **self._with_knot(placed.knot))
            placed = place(batch)
        return placed

    def sweep(self, context: Context, until: int) -> Changes:
        """The daily rules up to a local day, for the subjects that are due."""
        due = [one.id for one in self.subjects.values() if one.merged_into is None and (one.due or until + 1) <= until]
        return self.run(context, refolds=[Refold(subject=subject, until=until) for subject in due])

    def load(self, context: Context, events: tuple[TranslatedEvent, ...], refolds: tuple[Refold, ...]) -> Batch:
        marks = {mark for event in events if (mark := mark_of(event)) in self.events}
        known = {mark: self._known(self.events[mark]) for mark in marks}
        stored = [
            StoredEvent(event=one.event, subject=one.subject, outcome=one.outcome) for one in self.events.values()
        ]
        told_again = counting_again(read_again(events, known), events, stored)
        names = {key for event in events for key in event.identities}
        holdings = [one for one in self.holdings.values() if one.key in names]
        found = {one.subject for one in holdings if not one.is_shared}
        holdings += [one for one in self.holdings.values() if one.key not in names and one.subject in found]
        wanted = {*found, *(refold.subject for refold in refolds), *(one.subject for one in told_again.values())}
        return Batch(
            context=context,
            new_ids=(f"{number:06d}" for number in self._number),
            events=events,
            refolds=refolds,
            known_events=known,
            told_again=told_again,
            holdings=tuple(holdings),
            subjects={subject: self.subjects[subject] for subject in wanted if subject in self.subjects},
            records={
                key: record
                for key, record in self.records.items()
                if record.subject in wanted or any(event.record == key for event in events)
            },
            sent={of: [entry for entry in self.sent if entry.record == of] for of in {one.record for one in self.sent}},
            told=self._told(),
            last_facts=self._last_facts(),
            apart=tuple(self.apart),
        )

    def _with_knot(self, start: frozenset[str]) -> dict[str, Any]:
        """What is loaded more for a knot: the subjects that identities link, and all that their events named."""
        linked: set[str] = set()
        while linked != (linked := linked | start):
            keys = {one.key for one in self.holdings.values() if one.subject in linked and not one.is_shared}
            start = frozenset(one.subject for one in self.holdings.values() if one.key in keys)
        events = [(mark, event) for mark, event in self.events.items() if event.subject in linked]
        keys = {one.key for one in self.holdings.values() if one.subject in linked}
        knot = Knot(
            subjects=frozenset(linked),
            holdings=tuple(one for one in self.holdings.values() if one.key in keys),
            events=tuple(
                StoredNaming(id=str(mark), subject=event.subject, origin=self.origins[mark], naming=event.event.naming)
                for mark, event in events
            ),
            apart=tuple(self.apart),
        )
        return {"knot": knot, "subjects": dict(self.subjects), "records": dict(self.records)}

    @staticmethod
    def _known(event: NewEvent) -> KnownEvent:
        read_at = event.event.event.read_at
        return KnownEvent(outcome=event.outcome, reason=event.reason, delivery=event.event.delivery, read_at=read_at)

    def _told(self) -> dict[RecordKey, list[StoredEvent]]:
        found: dict[RecordKey, list[StoredEvent]] = {}
        for stored in self.events.values():
            if (key := stored.event.record) is not None and stored.event.event.kind in SAYING:
                event = replace(stored.event, steps=())
                told = StoredEvent(event=event, subject=stored.subject, outcome=stored.outcome)
                found.setdefault(key, []).append(told)
        return found

    def _last_facts(self) -> dict[RecordKey, list[Order]]:
        found: dict[RecordKey, list[Order]] = {}
        for stored in self.events.values():
            key, event = stored.event.record, stored.event.event
            if key is not None and event.kind is not Kind.DELETED:
                found.setdefault(key, []).append(event.order)
        return found

    def history(self, subject: str) -> History:
        marked = [(mark, one) for mark, one in self.events.items() if one.subject == subject]
        times = [one.event.event.at for _, one in marked]
        stored = [(mark, one) for mark, one in marked if one.outcome in COUNTED]
        stored.sort(key=lambda marked: marked[1].event.event.at)
        standing = [(of, one) for of, one in self.decisions.items() if one[0] == subject]
        return History(
            events=tuple(
                StoredSteps(id=str(mark), steps=one.steps, delivery=one.event.delivery, version=one.event.version)
                for mark, one in stored
            ),
            decisions=tuple(
                StandingDecision(
                    id=of,
                    says=says(new.decision, new.place),
                    at=new.decision.at,
                    rule=new.decision.rule,
                    notify=new.decision.notify,
                    mail=new.mail,
                )
                for of, (_, new) in standing
            ),
            first_at=min(times, default=None),
        )

    def _save(self, changes: Changes) -> None:
        for change in changes.subjects:
            self.subjects[change.id] = KnownSubject(
                id=change.id,
                version=change.version,
                created_at=change.created_at,
                since=change.since,
                due=change.due,
                rules=change.rules,
                state=change.state,
            )
        for merge in changes.merges:
            self._merge(merge.loser, merge.survivor)
        self._save_people(changes)
        for record in changes.records:
            self.records[record.key] = replace(record, id=record.id or f"R{next(self._number)}")
        for event in changes.events:
            mark = (event.event.connection, event.event.event.key)
            assert mark not in self.events
            self.events[mark] = event
            self.origins[mark] = event.subject
        for new, before in changes.rejudged:
            mark = (new.event.connection, new.event.event.key)
            assert self.events[mark].outcome is before
            self.events[mark] = replace(new, subject=self.events[mark].subject)
        for revised in changes.revised:
            del self.decisions[revised]
        for decision in changes.decisions:
            self.decisions[f"D{next(self._number)}"] = (decision.subject, decision)
        for notice in changes.notices:
            self.notices.setdefault(notice.key, notice.recipient)
        self.updates += [update.record.key for update in changes.updates]
        self.sent = [replace(entry, matched=dict(changes.matched).get(entry.id, entry.matched)) for entry in self.sent]

    def _save_people(self, changes: Changes) -> None:
        for mark, event in self.events.items():
            if str(mark) in changes.moved:
                self.events[mark] = replace(event, subject=changes.moved[str(mark)])
        for dropped in changes.dropped:
            self.holdings.pop(dropped, None)
        for one in changes.holdings:
            for key, other in list(self.holdings.items()):
                if other.key == one.key and one.is_shared:
                    self.holdings[key] = other._replace(is_shared=True)
            self.holdings[one.key, one.number] = one

    def _merge(self, loser: str, survivor: str) -> None:
        self.subjects[loser] = replace(self.subjects[loser], merged_into=survivor, due=None)
        self.records = {
            key: replace(record, subject=survivor) if record.subject == loser else record
            for key, record in self.records.items()
        }
        self.events = {
            mark: replace(event, subject=survivor) if event.subject == loser else event
            for mark, event in self.events.items()
        }
        self.decisions = {
            of: (survivor if subject == loser else subject, decision)
            for of, (subject, decision) in self.decisions.items()
        }

    def persons(self, record_object: str) -> list[set[str]]:
        """The records of an object that each subject has now."""
        held = [one for one in self.holdings.values() if one.until is None and f":{record_object}:" in one.key.value]
        return [{one.key.value for one in held if one.subject == of} for of in {one.subject for one in held}]

    def people(self) -> dict[frozenset[str], dict[str, Any]]:
        """What is known in the end, by the keys of the events of each subject, without ids and times of processing."""
        found = {}
        for subject in self.subjects.values():
            if subject.merged_into is None:
                keys = frozenset(key for (_, key), event in self.events.items() if event.subject == subject.id)
                found[keys] = self._person(subject)
        return found

    def _person(self, subject: KnownSubject) -> dict[str, Any]:
        state = subject.state
        standing = [new.decision for of, new in self.decisions.values() if of == subject.id]
        return {
            "identities": sorted(
                (one.key, one.since)
                for one in self.holdings.values()
                if one.subject == subject.id and one.until is None and not one.is_shared
            ),
            "records": sorted(
                (record.key, record.stage, record.pipeline, record.stage_order, record.is_gone)
                for record in self.records.values()
                if record.subject == subject.id
            ),
            "state": state and (state.kind, state.status, state.since, state.owner, sorted(state.tags), state.profile),
            "due": subject.due,
            "decisions": sorted(
                (one.at, one.rule, one.before, one.after, one.notify, str(one.facts)) for one in standing
            ),
        }
