"""Identity resolution: whom each event of a batch is about, and which subjects turn out to be one, or not to be.

Theory of operation
-------------------
Whose an event is depends on who had what at its time (`people`), so that it is a fold in event time, as a state is. An
event that comes in time goes on from what is stored. One that comes late and matters is resolved with everything that
its identities are linked to, its *knot*: the pipeline loads the knot's holdings and what its events have named, and all
of it is told again from the first event on. An event matters late if

- an identity that it names, or one of a subject that it finds, has changed hands at its time or since;
- it gives or takes an identity, and one of the subjects has an event of its time or later; or
- it changes whom an identity finds.

Told again, the people of a knot may be others than before: subjects may be joined, and events may go from one to
another or to a new one. Each keeps the id of the subject that has the first of its events; of several the oldest, since
ids sort by time. Which arrived first in which batch makes no difference to who is who.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.core.decide.people import People
from connector.core.identity import (
    Apart,
    Holding,
    Identifying,
    IdentityKey,
    JoinedSubjects,
    Knot,
    Naming,
)
from connector.core.ruleset import IdentityRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the identities that a batch names.

    `holdings`: all of theirs, and all of the subjects that have them. `newest`: subject → the time of its newest event.
    `rules`: by connection. `nobodys`: what identifies nobody.
    """

    holdings: tuple[Holding, ...] = ()
    apart: tuple[Apart, ...] = ()
    newest: Mapping[str, datetime] = field(default_factory=dict)
    rules: Mapping[str, Identifying] = field(default_factory=dict)
    nobodys: IdentityRules = field(default_factory=IdentityRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Who is who after a batch.

    `subjects`: that of each event, in order. `joined`: subjects that turned out to be one. `holdings`: to be stored, in
    place of those (by identity and number) that are `dropped`. `moved`: stored events by id that are of another subject
    now. `revived`: subjects that were merged away and are there again. `record_owners`: the subjects of records, by
    their identity.

    `knot`: subjects of which everything has to be known before this can be said; all else is empty then.
    """

    subjects: tuple[str, ...] = ()
    joined: tuple[JoinedSubjects, ...] = ()
    holdings: tuple[Holding, ...] = ()
    dropped: tuple[tuple[IdentityKey, int], ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    revived: frozenset[str] = frozenset()
    record_owners: Mapping[IdentityKey, str] = field(default_factory=dict)
    knot: frozenset[str] = frozenset()

    @property
    def merged(self) -> dict[str, str]:
        """Loser → survivor, who is nobody's loser."""
        found = {one.loser: one.survivor for one in self.joined}
        return {loser: _last(found, survivor) for loser, survivor in found.items()}


def _last(merged: Mapping[str, str], subject: str) -> str:
    while subject in merged:
        subject = merged[subject]
    return subject


def resolve(
    named: Sequence[Naming],
    known: Known,
    new_ids: Iterator[str],
    knot: Knot | None = None,
    wanted: Collection[str] = (),
) -> Resolved:
    """The subjects of events by what each names. `knot`: everything about the subjects that an answer without it named.

    `wanted`: subjects whose knot is to be told again in any case.
    """
    inside = _inside(named, knot) if knot else []
    told = _told_again([named[place] for place in inside], known, knot, new_ids) if knot else Resolved()
    within = knot.subjects if knot else frozenset()
    holdings = [one for one in known.holdings if one.subject not in within]
    outside = sorted(set(range(len(named))) - set(inside), key=lambda place: named[place].order)
    people = People(holdings, known.apart, new_ids, known.rules, known.nobodys)
    found, late = _onward(named, outside, people, _changes(holdings), known.newest)
    if len(people.shared) > len({one.key for one in holdings if one.is_shared}):
        people = People(holdings, known.apart, new_ids, known.rules, known.nobodys, people.shared)
        found, _ = _onward(named, outside, people, {}, {})
    found |= zip(inside, told.subjects, strict=True)
    start = {*wanted, *_linked(named, holdings, late)} - within
    if start:
        return Resolved(knot=frozenset(start | within))
    merged = {one.loser: one.survivor for one in people.joined}
    stored = {one.subject for one in holdings}
    return Resolved(
        subjects=tuple(_last(merged, found[place]) for place in range(len(named))),
        joined=(*told.joined, *(one for one in people.joined if one.loser in stored)),
        holdings=(*told.holdings, *people.holdings()),
        dropped=(*told.dropped, *people.dropped()),
        moved=told.moved,
        revived=told.revived,
        record_owners={**told.record_owners, **_owners(people, (named[place] for place in outside))},
    )


def _owners(people: People, named: Iterable[Naming]) -> dict[IdentityKey, str]:
    """The subjects of records that events are about."""
    return {key: owner for naming in named if (key := naming.record) is not None for owner in people.holders(key)}


def _inside(named: Sequence[Naming], knot: Knot) -> list[int]:
    """The places of the events that touch a knot."""
    keys = {one.key for one in knot.holdings if not one.is_shared or one.subject in knot.subjects}
    groups = _groups(named, ())
    touched = {groups[key] for key in keys & groups.keys()}
    return [place for place, naming in enumerate(named) if groups[naming.keys[0]] in touched]


def _changes(holdings: Sequence[Holding]) -> dict[str, datetime]:
    """When a subject was given or lost an identity last."""
    found: dict[str, datetime] = {}
    for one in holdings:
        found[one.subject] = max(one.changed_at, found.get(one.subject, one.changed_at))
    return found


def _onward(
    named: Sequence[Naming],
    places: Iterable[int],
    people: People,
    changed: Mapping[str, datetime],
    newest: Mapping[str, datetime],
) -> tuple[dict[int, str], set[int]]:
    """The subjects of events at these places, and which of them come too late to be placed by what is known now."""
    found: dict[int, str] = {}
    late: set[int] = set()
    for place in places:
        found[place], is_late = _placed(named[place], people, changed, newest)
        if is_late:
            late.add(place)
    return found, late


def _placed(
    naming: Naming, people: People, changed: Mapping[str, datetime], newest: Mapping[str, datetime]
) -> tuple[str, bool]:
    """The subject of an event by what is known now, and whether the event comes too late to be placed by that."""
    if (settled := people.settled(naming)) is not None:
        return settled, settled in changed and changed[settled] >= naming.at
    involved = people.ever(naming.keys)
    people.is_changed = people.is_turned = False
    known_shared = len(people.shared)
    subject = people.place(naming)
    involved.add(subject)
    is_late = any(changed[one] >= naming.at for one in involved if one in changed)
    is_late |= people.is_changed and any(newest[one] >= naming.at for one in involved if one in newest)
    return subject, is_late or people.is_turned or len(people.shared) > known_shared


def _groups(named: Sequence[Naming], holdings: Sequence[Holding]) -> dict[IdentityKey, IdentityKey]:
    """Each identity's group, by one of it: all that one event names and all that one subject has are of one group."""
    parent: dict[IdentityKey, IdentityKey] = {}

    def root(key: IdentityKey) -> IdentityKey:
        parent.setdefault(key, key)
        while (above := parent[key]) != key:
            parent[key] = key = parent[above]
        return key

    linked = [naming.keys for naming in named]
    linked += [(one.key, IdentityKey("subject", one.subject)) for one in holdings if not one.is_shared]
    for keys in linked:
        first = root(keys[0])
        for key in keys[1:]:
            parent[root(key)] = first
    return {key: root(key) for key in list(parent)}


def _linked(named: Sequence[Naming], holdings: Sequence[Holding], late: Collection[int]) -> set[str]:
    """The stored subjects of the groups of late events."""
    if not late:
        return set()
    groups = _groups(named, holdings)
    wanted = {groups[named[place].keys[0]] for place in late}
    return {one.subject for one in holdings if groups.get(one.key) in wanted and not one.is_shared}


# A knot, told again


def _told_again(fresh: Sequence[Naming], known: Known, knot: Knot, new_ids: Iterator[str]) -> Resolved:
    """Who is who in a knot: `subjects` are those of `fresh`, the events of the batch that touch it."""
    told = [*(event.naming for event in knot.events), *fresh]
    start = _start(knot)
    shared = {one.key for one in knot.holdings if one.is_shared}
    while True:
        tokens = (f"~{number:06}" for number in itertools.count())
        people = People(start, knot.apart, tokens, known.rules, known.nobodys, shared)
        first: dict[int, str] = {}
        for place in sorted(range(len(told)), key=lambda place: told[place].order):
            first[place] = people.place(told[place])
        if people.shared == shared:
            break
        shared = set(people.shared)
    return _Retold(knot=knot, start=start, people=people, first=[first[place] for place in range(len(told))]).outcome(
        told, new_ids
    )


def _start(knot: Knot) -> list[Holding]:
    """What is had before the first event: that of which no event is known any more, and that of subjects outside."""
    told = {(key, event.naming.source) for event in knot.events for key in event.naming.keys}
    found = []
    for one in knot.holdings:
        left = tuple(source for source in one.sources if (one.key, source) not in told)
        if one.subject not in knot.subjects:
            found.append(one)
        elif left and one.until is None:
            found.append(one._replace(sources=left))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Retold:
    """A knot told again: the people of it, and the one of each event before any were joined."""

    knot: Knot
    start: Sequence[Holding]
    people: People
    first: Sequence[str]

    def outcome(self, told: Sequence[Naming], new_ids: Iterator[str]) -> Resolved:
        """What becomes of the knot's subjects and events."""
        merged = {one.loser: one.survivor for one in self.people.joined}
        last = [_last(merged, token) for token in self.first]
        homes = self._homes(last, merged)
        ids = self._ids(last, homes, new_ids)
        events = self.knot.events
        subjects = [ids[token] for token in last]
        holdings, dropped = self._holdings(ids)
        return Resolved(
            subjects=tuple(subjects[len(events) :]),
            joined=tuple(self._joined(told, homes, ids)),
            holdings=holdings,
            dropped=dropped,
            moved={
                event.id: subject for event, subject in zip(events, subjects, strict=False) if event.subject != subject
            },
            revived=frozenset(ids.values()) & {event.origin for event in events} - self.knot.subjects,
            record_owners={key: ids.get(owner, owner) for key, owner in _owners(self.people, told).items()},
        )

    def _homes(self, last: Sequence[str], merged: Mapping[str, str]) -> dict[str, str]:
        """Subject → who has the first of its events: of those that were its own from the start, if it has any."""
        first: dict[str, tuple[Any, ...]] = {}
        for event, token in zip(self.knot.events, last, strict=False):
            places = [(event.subject, event.subject != event.origin)]
            if event.origin not in self.knot.subjects:
                places.append((event.origin, True))
            for subject, is_later in places:
                place = (is_later, event.naming.order, token)
                first[subject] = min(place, first.get(subject, place))
        homes = {subject: place[-1] for subject, place in first.items()}
        return {one.subject: _last(merged, one.subject) for one in self.start} | homes

    def _ids(self, last: Sequence[str], homes: Mapping[str, str], new_ids: Iterator[str]) -> dict[str, str]:
        """Everybody's id: of the subjects at home there the oldest that exists, else one that was merged away."""
        ids: dict[str, str] = {}
        for subject in sorted(homes, key=lambda subject: (subject not in self.knot.subjects, subject)):
            if subject in self.knot.subjects or homes[subject] not in ids:
                ids.setdefault(homes[subject], subject)
        for token in last:
            if token not in ids:
                ids[token] = next(new_ids)
        return ids

    def _joined(
        self, told: Sequence[Naming], homes: Mapping[str, str], ids: Mapping[str, str]
    ) -> Iterator[JoinedSubjects]:
        """The subjects of the knot that are none of their own any more."""
        causes = {token: one.event for one in reversed(self.people.joined) for token in (one.loser, one.survivor)}
        for loser in sorted(self.knot.subjects & homes.keys()):
            survivor = ids[homes[loser]]
            if survivor == loser:
                continue
            events = zip(self.knot.events, self.first, strict=False)
            tokens = [token for event, token in events if event.subject == loser]
            cause = next((causes[token] for token in tokens if token in causes), told[-1].event)
            names = sorted(one.key for one in self.knot.holdings if one.subject == loser and one.until is None)
            yield JoinedSubjects(loser=loser, survivor=survivor, event=cause, names=tuple(names))

    def _holdings(self, ids: Mapping[str, str]) -> tuple[tuple[Holding, ...], tuple[tuple[IdentityKey, int], ...]]:
        """What everybody has, to be stored in place of what they had; each keeps its number where it can."""
        before = {(one.key, one.subject): one for one in self.knot.holdings}
        found: list[Holding] = []
        taken: dict[IdentityKey, set[int]] = defaultdict(set)
        new: list[Holding] = []
        for one in self.people.holdings(is_all=True):
            now = one._replace(subject=ids.get(one.subject, one.subject))
            old = before.get((now.key, now.subject))
            if old is None:
                new.append(now)
            else:
                taken[now.key].add(old.number)
                found.append(now._replace(number=old.number))
        for one in new:
            number = next(number for number in itertools.count() if number not in taken[one.key])
            taken[one.key].add(number)
            found.append(one._replace(number=number))
        dropped = [(one.key, one.number) for one in self.knot.holdings if one.number not in taken[one.key]]
        return tuple(one for one in found if before.get((one.key, one.subject)) != one), tuple(dropped)
