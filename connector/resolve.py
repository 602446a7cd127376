"""Finds the subject of each event by its identities; makes new ones, and joins subjects that turn out to be one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection

from connector.store import subjects as queries
from connector.store.database import Overtaken, new_id
from connector.store.rows import Row

Key: TypeAlias = tuple[str, str]
"""An identity: kind and value."""


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


def resolve(connection: Connection, wanted: Sequence[frozenset[Key]], now: datetime) -> Resolved:
    """The subjects of events given by their identities. The oldest of several subjects survives.

    Two transactions that make the same subject at once end in an `IntegrityError` of one; one that finds a subject
    merged away since it looked raises `Overtaken`. Both are to be done again.
    """
    known = queries.by_identities(connection, {key for keys in wanted for key in keys})
    groups = _Groups()
    for keys in wanted:
        groups.join([*keys, *(("subject", known[key]) for key in keys if key in known)])
    rows = queries.load(connection, set(known.values()))
    if any(row["merged_into"] is not None for row in rows.values()):
        raise Overtaken
    survivor: dict[Key, str] = {}
    merged: list[tuple[str, str]] = []
    new: set[str] = set()
    for root, members in groups.members().items():
        found = sorted(value for kind, value in members if kind == "subject")
        chosen = found[0] if found else new_id(now)
        if not found:
            new.add(chosen)
        survivor[root] = chosen
        merged += [(loser, chosen) for loser in found[1:]]
    if merged:
        queries.merge(connection, merged)
    assigned = tuple(survivor[groups.root(next(iter(keys)))] for keys in wanted)
    claimed = {key: subject for keys, subject in zip(wanted, assigned, strict=True) for key in keys if key not in known}
    return Resolved(
        subjects=assigned,
        rows=rows,
        new=frozenset(new),
        merged=tuple(merged),
        claimed=tuple(sorted(claimed.items())),
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

    def members(self) -> dict[Key, list[Key]]:
        found: dict[Key, list[Key]] = {}
        for key in list(self._parent):
            found.setdefault(self.root(key), []).append(key)
        return found
