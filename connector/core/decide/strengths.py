"""How strong identities are, which of them exclude each other, and which a record names all at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from connector.core.event import IdentityKind
from connector.core.identity import Identifying, IdentityKey, Naming, connection_of, is_stand_in, object_of

UNIQUE: Final = frozenset({IdentityKind.RECORD, IdentityKind.ACCOUNT})
"""Kinds of which each is one subject's alone."""
_PHONES: Final = frozenset({IdentityKind.MOBILE, IdentityKind.PHONE})
_DEFAULT: Final = Identifying()
Family: TypeAlias = tuple[str, str]
"""Identities of which a person has one: the persons of one system, the accounts of one site, the e-mails, …"""


class Strengths:
    """What identities are worth by the rules of their connections."""

    def __init__(self, rules: Mapping[str, Identifying]) -> None:
        self._rules: Final = rules

    def rank(self, key: IdentityKey, connection: str) -> int:
        """The place of an identity that an event of a connection names; the strongest has 0."""
        if key.kind == IdentityKind.RECORD:
            return 0 if self.is_person(key) else 1
        kinds = self._rules.get(connection, _DEFAULT).kinds
        return 2 + (kinds.index(IdentityKind(key.kind)) if key.kind in kinds else len(kinds))

    def joining(self, connection: str) -> frozenset[str]:
        """The kinds by which an event of a connection may join two subjects."""
        return self._rules.get(connection, _DEFAULT).joining

    def is_person(self, key: IdentityKey) -> bool:
        """Whether it is the record of a person, and not of an occasion or one that only stands in for another."""
        if key.kind != IdentityKind.RECORD:
            return False
        rules = self._rules.get(connection_of(key))
        if rules is None or object_of(key) not in rules.persons:
            return False
        return not is_stand_in(key.value.split(":", 2)[2])

    def families(self, keys: Iterable[IdentityKey]) -> dict[Family, set[IdentityKey]]:
        """Identities by their families; the records of occasions have none."""
        found: dict[Family, set[IdentityKey]] = defaultdict(set)
        for key in keys:
            if key.kind != IdentityKind.RECORD:
                found[key.kind, connection_of(key) if key.kind == IdentityKind.ACCOUNT else ""].add(key)
            elif self.is_person(key):
                found[key.kind, connection_of(key)].add(key)
        return found

    def is_copy(self, source: str, naming: Naming) -> bool:
        """Whether a source is the event's record or, of a person, an occasion of its system, which had it from it."""
        if source == naming.source:
            return True
        key = IdentityKey(IdentityKind.RECORD, source)
        is_near = bool(source) and connection_of(key) == naming.connection and not self.is_person(key)
        return is_near and naming.record is not None and self.is_person(naming.record)


def group_of(key: IdentityKey) -> tuple[str, str]:
    """Identities of which a record names all at once: naming others takes back those that it named before."""
    if key.kind == IdentityKind.RECORD:
        return key.kind, f"{connection_of(key)}:{object_of(key)}"
    return ("phone", "") if key.kind in _PHONES else (key.kind, "")
