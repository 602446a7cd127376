"""Who holds which identity, as events name them one after the other in the order of time.

Theory of operation
-------------------
An event names identities: its record, other records, a site's account, e-mails, phones, a visitor. They are tried the
strongest first: a record of a person, any other record, then what the connection identifies by. An identity finds a
subject if

- exactly one subject has it now,
- nothing stronger in the event has found another, and
- that subject has no other value of a stronger kind that the event names too: another person's record of the same
  system, another account, another e-mail.

So a switchboard's number keeps two e-mails apart, and a second lead with the same mobile and no e-mail finds its
person. What finds nobody is a new subject. Two subjects that exist are joined by a record or an e-mail, unless two
records of persons of one system, two accounts of one site, or a person who works here stand against it; never by a
phone or a visitor. But a visitor of whom nothing else is known is nobody yet: whoever names it takes it along.

A record vouches for what it names until it names something else in its place: then the identity is released, if no
other record vouches for it, and whom it finds from then on is open again. What happened before stays where it was. What
a person's record takes back, the occasions of that person have no longer either: their e-mails are read from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from connector.core.decide.strengths import UNIQUE, Family, Strengths, group_of
from connector.core.event import IdentityKind
from connector.core.identity import (
    Apart,
    Holding,
    Identifying,
    IdentityKey,
    JoinedSubjects,
    Naming,
)
from connector.core.ruleset import IdentityRules

MOST_SOURCES: Final = 16
"""Records that are kept as vouching for one identity; with so many it is not released any more."""
MOST_HOLDERS: Final = 25
Ranked: TypeAlias = Sequence[tuple[int, IdentityKey]]


@dataclass(slots=True)
class _Hold:
    since: datetime
    changed_at: datetime
    number: int | None = None
    until: datetime | None = None
    sources: dict[str, None] = field(default_factory=dict)


class People:
    """The subjects of some identities, as they are found and change with each event."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        holdings: Iterable[Holding],
        apart: Collection[Apart],
        new_ids: Iterator[str],
        rules: Mapping[str, Identifying],
        nobodys: IdentityRules,
        shared: Collection[IdentityKey] = (),
    ) -> None:
        self._strengths: Final = Strengths(rules)
        self._apart: Final = apart
        self._new_ids: Final = new_ids
        self._nobodys: Final = nobodys
        self._shared_after: Final = nobodys.shared_after
        self._has_nobodys: Final = bool(nobodys.addresses or nobodys.domains or nobodys.numbers)
        self._held: Final[dict[IdentityKey, dict[str, _Hold]]] = defaultdict(dict)
        self._keys: Final[dict[str, set[IdentityKey]]] = defaultdict(set)
        self._changed: Final[set[IdentityKey]] = set()
        self._dropped: Final[set[tuple[IdentityKey, int]]] = set()
        self.joined: Final[list[JoinedSubjects]] = []
        self.shared: Final[set[IdentityKey]] = set(shared)
        """Identities that are of too many people to find anybody."""
        self.is_changed: bool = False
        self.is_turned: bool = False
        """Whether an event gave or took anything, and so that an identity finds others than before."""
        for one in holdings:
            if one.is_shared:
                self.shared.add(one.key)
            hold = _Hold(one.since, one.changed_at, one.number, one.until, dict.fromkeys(one.sources))
            self._held[one.key][one.subject] = hold
            self._keys[one.subject].add(one.key)

    def settled(self, naming: Naming) -> str | None:
        """The subject that alone has all that an event names, if the event changes nothing: as most do; else None."""
        home: str | None = None
        for key in naming.keys:
            held = self._held.get(key)
            if held is None or len(held) != 1 or self._is_silent(key):
                return None
            ((subject, hold),) = held.items()
            if hold.until is not None or naming.source not in hold.sources or home not in {None, subject}:
                return None
            home = subject
        is_more = naming.is_whole and home is not None and len(self._keys[home]) > len(naming.keys)
        return None if is_more or self._apart else home

    def place(self, naming: Naming) -> str:
        """The subject of an event, which has what it names from now on."""
        ranked = self._ranked(naming)
        home: str | None = None
        for rank, key in ranked:
            holder = self._only_holder(key)
            if holder is None and naming.is_merge:
                holder = self._alone(rank, key, naming.connection)
            if holder is None or holder == home or (self._is_blocked(holder, ranked, rank) and not naming.is_merge):
                continue
            if home is None:
                home = holder
            elif self._may_join(home, holder, key, naming):
                home = self._join(home, holder, naming)
        if home is None:
            alone = self._alone(*ranked[0], naming.connection) if naming.record is None else None
            home = alone or next(self._new_ids)
        self._vouch(home, naming)
        return home

    def ever(self, keys: Iterable[IdentityKey]) -> set[str]:
        """The subjects that have or had one of the identities."""
        return {subject for key in keys for subject in self._held.get(key, ())}

    def holders(self, key: IdentityKey) -> list[str]:
        """The subjects that have an identity now."""
        held = self._held.get(key)
        return [subject for subject, hold in held.items() if hold.until is None] if held else []

    def holdings(self, *, is_all: bool = False) -> list[Holding]:
        """What is to be stored: what has changed, or all."""
        return [
            Holding(
                key=key,
                number=number,
                subject=subject,
                sources=tuple(hold.sources),
                since=hold.since,
                changed_at=hold.changed_at,
                until=hold.until,
                is_shared=key in self.shared,
            )
            for key in sorted(self._held if is_all else self._changed)
            for number, subject, hold in self._numbered(key)
        ]

    def dropped(self) -> list[tuple[IdentityKey, int]]:
        """Holdings (by identity and number) that are no more, as their subjects were joined."""
        used = {(one.key, one.number) for one in self.holdings()}
        return sorted(self._dropped - used)

    def _numbered(self, key: IdentityKey) -> Iterator[tuple[int, str, _Hold]]:
        """The holders of an identity; each has a number of its own, which it keeps."""
        held = self._held[key]
        used = {hold.number for hold in held.values()}
        free = (number for number in range(len(held) + len(used)) if number not in used)
        for subject, hold in held.items():
            if hold.number is None:
                hold.number = next(free)
            yield hold.number, subject, hold

    # Whom an identity finds

    def _ranked(self, naming: Naming) -> Ranked:
        """The identities of an event, the strongest first; of equal ones as the event names them."""
        rank = self._strengths.rank
        if len(naming.keys) == 1:
            return [(rank(naming.keys[0], naming.connection), naming.keys[0])]
        return sorted(((rank(key, naming.connection), key) for key in naming.keys), key=lambda ranked: ranked[0])

    def _only_holder(self, key: IdentityKey) -> str | None:
        holders = [] if self._is_silent(key) else self.holders(key)
        return holders[0] if len(holders) == 1 else None

    def _is_silent(self, key: IdentityKey) -> bool:
        """Whether an identity finds nobody: too many have it, or the company takes it for nobody's."""
        return key in self.shared or (self._has_nobodys and self._nobodys.is_nobodys(*key))

    def _now(self, subject: str) -> list[IdentityKey]:
        return [key for key in self._keys[subject] if self._held[key][subject].until is None]

    def _is_blocked(self, subject: str, ranked: Ranked, rank: int) -> bool:
        """Whether the subject has another value of a kind that is stronger than `rank` and that the event names."""
        stronger = [key for other, key in ranked if other < rank]
        if not stronger:
            return False
        named, has = self._strengths.families(stronger), self._strengths.families(self._now(subject))
        return any(family in has and not has[family] & keys for family, keys in named.items())

    def _may_join(self, home: str, other: str, key: IdentityKey, naming: Naming) -> bool:
        if self._is_apart(home, other):
            return False  # What a person kept apart is later than that which joined the two.
        if naming.is_merge:
            return True
        if key.kind not in self._strengths.joining(naming.connection):
            return key.kind == IdentityKind.VISITOR and self._is_only_visitor(other)
        if naming.record is not None and self._strengths.is_person(naming.record) and self._strengths.is_person(key):
            return True  # The system itself says that two of its persons are one.
        one, two = self._strengths.families(self._now(home)), self._strengths.families(self._now(other))
        return all(one[family] & two[family] for family in one.keys() & two.keys() if family[0] in UNIQUE)

    def _is_only_visitor(self, subject: str) -> bool:
        return all(key.kind == IdentityKind.VISITOR for key in self._keys[subject])

    def _is_apart(self, one: str, other: str) -> bool:
        return any(apart.parts(self._keys[one], self._keys[other]) for apart in self._apart)

    def _alone(self, rank: int, key: IdentityKey, connection: str) -> str | None:
        """The subject of what an identity that several have did by itself, such as a browser that two people use."""
        alone = [
            (self._held[key][subject].since, subject)
            for subject in self.holders(key)
            if "" in self._held[key][subject].sources
            and all(self._strengths.rank(other, connection) >= rank for other in self._now(subject))
        ]
        return min(alone)[1] if alone else None

    # What an event changes

    def _vouch(self, home: str, naming: Naming) -> None:
        record, source = naming.record, naming.source
        if record is not None:
            for other in self.holders(record):
                if other != home:
                    self._leave(other, source, naming.at)
        for key in naming.keys:
            is_anothers = key.kind in UNIQUE and any(holder != home for holder in self.holders(key))
            is_anothers |= key in self.shared and len(naming.keys) > 1 and len(self._held[key]) > self._shared_after
            if not is_anothers and not (self._apart and self._is_of_other_side(home, key)):
                self._give(home, key, source, naming.at)
        if record is not None and naming.is_whole:
            self._release(home, naming)

    def _is_of_other_side(self, subject: str, key: IdentityKey) -> bool:
        return any(
            key in apart.sides and (sides := apart.sides_of(self._keys[subject])) and apart.sides[key] not in sides
            for apart in self._apart
        )

    def _give(self, subject: str, key: IdentityKey, source: str, at: datetime) -> None:
        hold = self._held[key].get(subject)
        if hold is None or hold.until is not None:
            self.is_turned |= len(self.holders(key)) == 1 and key not in self.shared
            self.is_changed = True
            number = hold.number if hold else None
            hold = self._held[key][subject] = _Hold(at, at, number)
            self._keys[subject].add(key)
            hold.sources[source] = None
            self._changed.add(key)
            self._count(key)
        elif source not in hold.sources and len(hold.sources) < MOST_SOURCES:
            hold.sources[source] = None
            hold.changed_at = at
            self.is_changed = True
            self._changed.add(key)

    def _leave(self, subject: str, source: str, at: datetime) -> None:
        """A record is another's from now on: what it alone vouched for goes with it."""
        for key in self._now(subject):
            if source in self._held[key][subject].sources:
                self._take(subject, key, [source], at)

    def _release(self, home: str, naming: Naming) -> None:
        """What the record named before in the place of what it names now."""
        named = {group_of(key) for key in naming.keys if key != naming.record}
        for key in self._now(home):
            sources = self._held[key][home].sources
            if key not in naming.keys and group_of(key) in named and naming.source in sources:
                self._take(
                    home, key, [source for source in sources if self._strengths.is_copy(source, naming)], naming.at
                )

    def _take(self, subject: str, key: IdentityKey, sources: Collection[str], at: datetime) -> None:
        hold = self._held[key][subject]
        if len(hold.sources) >= MOST_SOURCES:
            return
        for source in sources:
            del hold.sources[source]
        hold.changed_at = at
        if not any(hold.sources):
            hold.until = at
            self.is_turned = True
        self.is_changed = True
        self._changed.add(key)

    def _count(self, key: IdentityKey) -> None:
        """Whether too many people have it to say anything."""
        holders = self._held[key].keys()
        if key.kind in UNIQUE or len(holders) <= self._shared_after:
            return
        kind = IdentityKind.RECORD if key.kind == IdentityKind.EMAIL else IdentityKind.EMAIL
        beside: dict[Family, int] = defaultdict(int)
        for subject in holders:
            for family in self._strengths.families(self._keys[subject]):
                beside[family] += family[0] == kind
        if max(beside.values(), default=0) > self._shared_after or len(holders) > MOST_HOLDERS:
            self.shared.add(key)

    def _join(self, one: str, other: str, naming: Naming) -> str:
        survivor, loser = sorted((one, other))
        self.is_changed = True
        names = tuple(sorted(self._now(loser)))
        self.joined.append(JoinedSubjects(loser=loser, survivor=survivor, event=naming.event, names=names))
        for key in self._keys.pop(loser):
            lost = self._held[key].pop(loser)
            kept = self._held[key].get(survivor)
            self._changed.add(key)
            self._keys[survivor].add(key)
            lost.changed_at = naming.at
            if kept is None:
                self._held[key][survivor] = lost
                continue
            self.is_turned |= kept.until is None and lost.until is None
            kept.since = min(kept.since, lost.since)
            kept.until = None if kept.until is None or lost.until is None else max(kept.until, lost.until)
            kept.sources |= lost.sources
            kept.changed_at = naming.at
            if lost.number is not None:
                self._dropped.add((key, lost.number))
        return survivor
