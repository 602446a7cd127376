"""Identity resolution: whom each event is about, and which subjects turn out to be one.

Theory of operation
-------------------
An event names identities: records, e-mails, phones, visitor ids. All identities that one event names belong to one
person, so they form a group, and groups that share an identity, or an identity that the store knows, are one group
(union-find). A group that meets

- no stored subject is a new one;
- one stored subject is that one;
- several stored subjects: they turn out to be one. The oldest survives, since ids sort by time, and the others are
  merged into it. Which of them arrived first in which batch makes no difference to who is one with whom.

A person may undo a merge; from then on the two are kept apart. In a group with such a pair nothing is joined: each
event is about the subject of the strongest identity that it names, and an identity that nobody has yet
goes to the subject of the first event that names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connector.core.decide.batch import IdentityKey
from connector.core.event import IdentityKind

_STRENGTH: Final = {kind: place for place, kind in enumerate(IdentityKind)}
_SUBJECT: Final = "subject"
"""The kind of the union-find's nodes that are stored subjects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """`subjects`: that of each event, in order. `merged`: loser → survivor. `claimed`: identities to be stored."""

    subjects: tuple[str, ...]
    merged: Mapping[str, str]
    claimed: tuple[tuple[IdentityKey, str], ...]


def resolve(
    named: Sequence[frozenset[IdentityKey]],
    known: Mapping[IdentityKey, str],
    apart: Collection[frozenset[str]],
    new_ids: Iterator[str],
) -> Resolved:
    """The subjects of events by the identities that each names; `known`: identity → stored subject."""
    groups = _Groups()
    for keys in named:
        groups.join([*keys, *(IdentityKey(_SUBJECT, known[key]) for key in keys if key in known)])
    survivors, merged = _survivors(groups, apart)
    owners = dict(known)
    assigned: list[str] = []
    for keys in named:
        root = groups.root(next(iter(keys)))
        if root in survivors:
            subject = survivors[root] = survivors[root] or next(new_ids)
        else:
            owned = [key for key in keys if key in owners]
            subject = owners[strongest(owned)] if owned else next(new_ids)
        assigned.append(subject)
        owners |= dict.fromkeys(keys - owners.keys(), subject)
    claimed = sorted((key, subject) for key, subject in owners.items() if key not in known)
    return Resolved(subjects=tuple(assigned), merged=merged, claimed=tuple(claimed))


def strongest(keys: Collection[IdentityKey]) -> IdentityKey:
    """Of several identities the one that says best who it is."""
    return min(keys, key=lambda key: (_STRENGTH[IdentityKind(key.kind)], key))


def _survivors(
    groups: _Groups, apart: Collection[frozenset[str]]
) -> tuple[dict[IdentityKey, str | None], dict[str, str]]:
    """The subject of each group by its root (None: a new one), and loser → survivor; groups with a pair left out."""
    survivors: dict[IdentityKey, str | None] = {}
    merged: dict[str, str] = {}
    for root, members in groups.subjects().items():
        if not any(pair <= members for pair in apart):
            survivors[root] = survivor = min(members, default=None)
            merged |= {loser: survivor for loser in sorted(members)[1:] if survivor}
    return survivors, merged


class _Groups:
    """Union-find over identities and subjects."""

    def __init__(self) -> None:
        self._parent: dict[IdentityKey, IdentityKey] = {}

    def root(self, key: IdentityKey) -> IdentityKey:
        self._parent.setdefault(key, key)
        while (parent := self._parent[key]) != key:
            self._parent[key] = key = self._parent[parent]
        return key

    def join(self, keys: Sequence[IdentityKey]) -> None:
        first = self.root(keys[0])
        for key in keys[1:]:
            self._parent[self.root(key)] = first

    def subjects(self) -> dict[IdentityKey, set[str]]:
        """Root → the stored subjects in its group."""
        found: dict[IdentityKey, set[str]] = {}
        for key in list(self._parent):
            members = found.setdefault(self.root(key), set())
            if key.kind == _SUBJECT:
                members.add(key.value)
        return found
