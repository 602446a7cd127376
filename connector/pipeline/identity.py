"""Finds the subject of each event by its identities; makes new ones, and joins subjects that turn out to be one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from sqlalchemy import Connection

from connector.core.event import IdentityKind
from connector.store import merges
from connector.store import subjects as queries
from connector.store.database import Overtaken, new_id
from connector.store.rows import Row

Key: TypeAlias = tuple[str, str]
"""An identity: kind and value."""
STRENGTH: Final = (IdentityKind.RECORD, IdentityKind.EMAIL, IdentityKind.PHONE, IdentityKind.VISITOR)
"""Whose subject an event is about that names two which are kept apart: the first of these that it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """`subjects`: the subject of each event, in order. `rows`: those that exist, locked. `new`: ids to be made.

    `merged`: (loser, survivor) pairs, done in the store. `claimed`: identities to be stored, with their subject.
    """

    subjects: tuple[str, ...]
    rows: dict[str, Row]
    new: frozenset[str]
    merged: tuple[tuple[str, str], ...]
    claimed: tuple[tuple[Key, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An event by its key, and the identities that it names."""

    event: str
    keys: frozenset[Key]


def resolve(connection: Connection, wanted: Sequence[Named], now: datetime) -> Resolved:
    """The subjects of events given by their identities. The oldest of several subjects survives.

    Subjects that are kept apart are not joined. Two transactions that make the same subject at once end in an
    `IntegrityError` of one; one that finds a subject merged away since it looked raises `Overtaken`. Both are to be
    done again.
    """
    known = queries.by_identities(connection, {key for one in wanted for key in one.keys})
    groups = _Groups()
    for one in wanted:
        groups.join([*one.keys, *(("subject", known[key]) for key in one.keys if key in known)])
    rows = queries.load(connection, set(known.values()))
    if any(row["merged_into"] is not None for row in rows.values()):
        raise Overtaken
    survivor, pairs = _survivors(connection, groups, now)
    owners = dict(known)
    assigned: list[str] = []
    for one in wanted:
        named = [key for key in one.keys if key in owners]
        root = groups.root(next(iter(one.keys)))
        of = survivor[root] if root in survivor else owners[strongest(named)] if named else new_id(now)
        assigned.append(of)
        owners |= dict.fromkeys(one.keys - owners.keys(), of)
    if pairs:
        _merge(connection, pairs, wanted, known, now)
    return Resolved(
        subjects=tuple(assigned),
        rows=rows,
        new=frozenset(assigned) - rows.keys(),
        merged=tuple(sorted(pairs)),
        claimed=tuple(sorted((key, of) for key, of in owners.items() if key not in known)),
    )


def _survivors(connection: Connection, groups: _Groups, now: datetime) -> tuple[dict[Key, str], list[tuple[str, str]]]:
    """The subject of each group by its root, and (loser, survivor) pairs; but for groups in which nothing is joined."""
    found = groups.subjects()
    several = {of for members in found.values() if len(members) > 1 for of in members}
    apart = merges.apart_pairs(connection, several) if several else set()
    survivor: dict[Key, str] = {}
    pairs: list[tuple[str, str]] = []
    for root, members in found.items():
        if not any(pair <= members for pair in apart):
            survivor[root] = min(members) if members else new_id(now)
            pairs += [(loser, survivor[root]) for loser in sorted(members)[1:]]
    return survivor, pairs


def strongest(keys: Collection[Key]) -> Key:
    """Of several identities the one that says best who it is."""
    return min(keys, key=lambda key: (STRENGTH.index(key[0]) if key[0] in STRENGTH else len(STRENGTH), key))


def _merge(
    connection: Connection,
    pairs: Sequence[tuple[str, str]],
    wanted: Sequence[Named],
    known: Mapping[Key, str],
    now: datetime,
) -> None:
    losers = {loser for loser, _ in pairs}
    names = queries.identities_of(connection, losers)
    causes: dict[str, str] = {}
    for one in wanted:
        met = {known[key] for key in one.keys if key in known}
        for loser in met & losers:
            if loser not in causes or len(met) > 1:
                causes[loser] = one.event
    queries.merge(connection, pairs)
    merges.note(
        connection,
        [
            {
                "id": new_id(now),
                "at": now,
                "loser": loser,
                "survivor": survivor,
                "event": causes[loser],
                "identities": [list(name) for name in names[loser]],
                "undone_at": None,
                "undone_by": None,
            }
            for loser, survivor in pairs
        ],
    )


class _Groups:
    """Union-find over identities and subjects."""

    def __init__(self) -> None:
        self._parent: dict[Key, Key] = {}

    def root(self, key: Key) -> Key:
        self._parent.setdefault(key, key)
        while (parent := self._parent[key]) != key:
            self._parent[key] = key = self._parent[parent]
        return key

    def join(self, keys: Sequence[Key]) -> None:
        first = self.root(keys[0])
        for key in keys[1:]:
            self._parent[self.root(key)] = first

    def subjects(self) -> dict[Key, set[str]]:
        """Root → the subjects in its group."""
        found: dict[Key, set[str]] = {}
        for key in list(self._parent):
            members = found.setdefault(self.root(key), set())
            if key[0] == "subject":
                members.add(key[1])
        return found
