"""What finds a subject: identities and how strong they are, who holds which, and what events name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from connector.core.event import IdentityKind, Kind

IDENTIFY_BY: Final = (
    IdentityKind.ACCOUNT,
    IdentityKind.EMAIL,
    IdentityKind.MOBILE,
    IdentityKind.PHONE,
    IdentityKind.VISITOR,
)
"""What identifies people beside their records, the strongest first, unless a connection says otherwise."""
CONSOLE: Final = "console"
"""The connection of events that people here make; no other can have its name."""
MERGE: Final = "merge"
"""The name of such an event that says that those whom it names are one."""


class IdentityKey(NamedTuple):
    """An identity as the store finds a subject by it."""

    kind: str
    value: str


class RecordKey(NamedTuple):
    """A record of an external system: connection, object (`lead`) and the system's id."""

    connection: str
    object: str
    id: str

    @property
    def identity(self) -> IdentityKey:
        """The identity by which the record finds its subject."""
        return IdentityKey(IdentityKind.RECORD, f"{self.connection}:{self.object}:{self.id}")


def is_stand_in(record_id: str) -> bool:
    """Whether an e-mail or phone stands in for a record's id, which is not known: `email:a@x.example`."""
    return record_id.startswith(_STAND_INS)


_STAND_INS: Final = (f"{IdentityKind.EMAIL}:", f"{IdentityKind.PHONE}:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifying:
    """How a connection's events identify people.

    `persons`: the objects whose records are people; records of all others are occasions, of which one person may have
    several. `kinds`: what else identifies, the strongest first; the first of them, and all that stand before the e-mail
    or are it, may join two subjects.
    """

    persons: frozenset[str] = frozenset()
    kinds: tuple[IdentityKind, ...] = IDENTIFY_BY

    @property
    def joining(self) -> frozenset[str]:
        """The kinds that may join two subjects, records included."""
        last = self.kinds.index(IdentityKind.EMAIL) if IdentityKind.EMAIL in self.kinds else 0
        return frozenset({IdentityKind.RECORD, *self.kinds[: last + 1]})


class Holding(NamedTuple):
    """A subject has an identity. `sources`: the records that vouch for it (`""`: an event about none).

    `number`: its place among all who have or had it. `since` and `until` (None: it has it now) are the times of the
    events that gave and took it, `changed_at` that of the newest event that changed anything of it; all aware UTC.
    `is_shared`: the identity is of too many people to find anybody.
    """

    key: IdentityKey
    number: int
    subject: str
    sources: tuple[str, ...]
    since: datetime
    changed_at: datetime
    until: datetime | None = None
    is_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What one event names. `keys` as the event has them; `record`: the one that it is about.

    `is_whole`: it says all e-mails, phones and records that belong to its record. `is_merge`: a person says that those
    whom it names are one.
    """

    event: str
    connection: str
    order: tuple[Any, ...]
    at: datetime
    keys: tuple[IdentityKey, ...]
    record: IdentityKey | None = None
    is_whole: bool = False
    is_merge: bool = False

    @property
    def source(self) -> str:
        """What vouches for its identities: its record, or `""` for an event about none."""
        return self.record.value if self.record else ""


PARTIAL: Final = frozenset({Kind.ACTION, Kind.TRIGGER, Kind.DELETED})
"""Kinds of events that say what happened, and not what their record is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNaming:
    """What a stored event named. `id`: the event's; `subject`: whose it is; `origin`: whose it was at first."""

    id: str
    subject: str
    origin: str
    naming: Naming


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Two subjects that a person keeps apart; `sides`: identity → which of the two it belongs to."""

    one: str
    other: str
    sides: Mapping[IdentityKey, str]

    def sides_of(self, keys: Iterable[IdentityKey]) -> set[str]:
        """The sides that these identities belong to."""
        return {self.sides[key] for key in keys if key in self.sides}

    def parts(self, one: Iterable[IdentityKey], other: Iterable[IdentityKey]) -> bool:
        """Whether two subjects, by what they have or had, are these two."""
        first, second = self.sides_of(one), self.sides_of(other)
        return bool(first) and bool(second) and not first & second


@dataclass(frozen=True, slots=True, kw_only=True)
class Knot:
    """All that bears on who is who among some subjects: those that their identities link, and all that they named.

    `subjects` are those that exist; those that were merged away are `origin` of some events only. `holdings`: of all
    identities that one of them has; of shared ones others may have them too.
    """

    subjects: frozenset[str]
    holdings: tuple[Holding, ...] = ()
    events: tuple[StoredNaming, ...] = ()
    apart: tuple[Apart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedSubjects:
    """Two subjects that turned out to be one. `event`: the key of the event that showed it; `names`: the loser's."""

    loser: str
    survivor: str
    event: str
    names: tuple[IdentityKey, ...] = field(default=())


def connection_of(key: IdentityKey) -> str:
    """The connection of a record or an account."""
    return key.value.partition(":")[0]


def object_of(key: IdentityKey) -> str:
    """The object of a record."""
    return key.value.split(":", 2)[1]


def strongest(keys: Collection[IdentityKey]) -> IdentityKey:
    """Of several identities the one that says best who it is."""
    return min(keys, key=lambda key: (_STRENGTH[key.kind], key))


_STRENGTH: Final[Mapping[str, int]] = {kind.value: place for place, kind in enumerate(IdentityKind)}
