"""Says which subjects may be one where only a person can decide, and which identities too many have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.decide.strengths import UNIQUE, Strengths
from connector.core.event import IdentityKind
from connector.core.identity import Apart, Holding, IdentityKey, strongest
from connector.operations.merging import is_kept_apart
from connector.runtime.parts import Runtime
from connector.store import identities

PAGE: Final = 200
WORDS: Final[Mapping[str, str]] = {
    IdentityKind.RECORD: "record",
    IdentityKind.ACCOUNT: "account",
    IdentityKind.EMAIL: "e-mail address",
    IdentityKind.MOBILE: "mobile phone",
    IdentityKind.PHONE: "phone",
    IdentityKind.VISITOR: "browser",
}
_KINDS: Final = tuple(IdentityKind)


def duplicates(runtime: Runtime, *, page: int = PAGE) -> Iterator[dict[str, Any]]:
    """First the pairs of subjects that may be one and that nobody keeps apart, then what too many have.

    Of a pair: `what` (`pair`), `one` and `other` (`id`, `known_as`), `both_have` (identities), `reason`. Of an
    identity: `what` (`shared`), `identity`, `reason`.
    """
    strengths = Strengths(runtime.connections.identifying())

    def pairs(connection: Connection, after: str | None, limit: int) -> Sequence[dict[str, Any]]:
        one, _, other = (after or "").partition(" ")
        found = identities.pairs_with_one_identity(connection, (one, other) if after else None, limit)
        ids = {of for pair in found for of in pair}
        held: dict[str, list[Holding]] = defaultdict(list)
        for holding in identities.of_subjects(connection, ids) if ids else ():
            held[holding.subject].append(holding)
        apart = identities.apart_of(connection, ids) if ids else ()
        return [_pair(pair, held, apart, strengths) for pair in found]

    def shared(connection: Connection, after: str | None, limit: int) -> Sequence[dict[str, Any]]:
        kind, _, value = (after or "").partition(" ")
        found = identities.shared(connection, IdentityKey(kind, value) if after else None, limit)
        return [{"what": "shared", "identity": _named(key), "reason": too_many(*key)} for key in found]

    for row in runtime.database.pages(pairs, id_of=lambda row: f"{row['one']['id']} {row['other']['id']}", size=page):
        if not row.pop("is_apart"):
            yield row
    yield from runtime.database.pages(
        shared, id_of=lambda row: f"{row['identity']['kind']} {row['identity']['value']}", size=page
    )


def too_many(kind: str, value: str) -> str:
    """What is said of an identity that finds nobody any more."""
    return f"too many have the {WORDS[kind]} {value} to say who it is: it finds nobody any more"


def _pair(
    pair: tuple[str, str], held: Mapping[str, Sequence[Holding]], apart: Collection[Apart], strengths: Strengths
) -> dict[str, Any]:
    one, other = ([holding.key for holding in held[of] if holding.until is None] for of in pair)
    shared = {holding.key for holding in held[pair[0]] if holding.is_shared}
    both = sorted(set(one) & set(other) - shared, key=lambda key: (_KINDS.index(IdentityKind(key.kind)), key))
    ever = [[holding.key for holding in held[of]] for of in pair]
    return {
        "what": "pair",
        "one": {"id": pair[0], "known_as": strongest(one).value},
        "other": {"id": pair[1], "known_as": strongest(other).value},
        "both_have": [_named(key) for key in both],
        "reason": _reason(both, strengths, one, other),
        "is_apart": any(is_kept_apart(kept, pair, *ever) for kept in apart),
    }


def _reason(
    both: Sequence[IdentityKey], strengths: Strengths, one: Sequence[IdentityKey], other: Sequence[IdentityKey]
) -> str:
    """What they have in common, and why that does not make them one."""
    common = " and ".join(f"the {WORDS[kind]} {value}" for kind, value in both)
    against = [text for text in _against(both[0], strengths, one, other) if text]
    if not against:
        return f"both have {common}; each was there before, and that alone joins nobody"
    return f"both have {common}, but {' and '.join(against)}"


def _against(
    weakest: IdentityKey, strengths: Strengths, one: Sequence[IdentityKey], other: Sequence[IdentityKey]
) -> Iterator[str]:
    """In which stronger kinds they differ."""
    first, second = strengths.families(one), strengths.families(other)
    for family in sorted(first.keys() & second.keys(), key=lambda family: _KINDS.index(IdentityKind(family[0]))):
        kind, connection = family
        if (
            _KINDS.index(IdentityKind(kind)) >= _KINDS.index(IdentityKind(weakest.kind))
            or first[family] & second[family]
        ):
            continue
        values = f"{min(first[family]).value}, {min(second[family]).value}"
        where = f" of {connection}" if kind in UNIQUE else ""
        what = "persons" if kind == IdentityKind.RECORD else {"email": "e-mail addresses"}.get(kind, f"{WORDS[kind]}s")
        yield f"they are two {what}{where} ({values})" if kind in UNIQUE else f"have other {what} ({values})"


def _named(key: IdentityKey) -> dict[str, str]:
    return {"kind": key.kind, "value": key.value}
