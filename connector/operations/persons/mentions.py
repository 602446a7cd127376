"""Whether a text speaks of a person: by an e-mail, a phone number however written, a name, or the id of a record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from connector.core.event import IdentityKind
from connector.store.persons.holdings import Mentions, Person

_PHONES: Final = frozenset({IdentityKind.PHONE, IdentityKind.MOBILE})
_DIGITS: Final = 8
"""So many last digits of a phone number are the same with and without its country."""
_LEAST: Final = 5
"""A shorter word, or fewer digits, say nothing."""
_BETWEEN: Final = rb"[\s().\-/]{0,3}"
_AS_VALUE: Final = (rb'(?:["\[=,/#]|["A-Za-z_]:|[:,=]\s|^)', rb'(?=["\],}&\s/#:;]|$)')
"""What stands around the id of a record where it is a value by itself."""


def mentions_of(person: Person, names: Iterable[str] = ()) -> Mentions:
    """Whether a text of a connection speaks of the person. `names`: what it is called, beside its identities."""
    words = [re.compile(pattern, re.IGNORECASE) for pattern in _patterns(person, names)]
    by_connection: dict[str, list[re.Pattern[bytes]]] = {}
    for name, one in sorted({*((name, external) for name, _, external in person.records), *_local_ids(person)}):
        pattern = re.compile(_AS_VALUE[0] + re.escape(one.encode()) + _AS_VALUE[1])
        by_connection.setdefault(name, []).append(pattern)

    def mentions(connection: str, text: bytes) -> bool:
        patterns = [*words, *by_connection.get(connection, ())]
        plain = unquote_to_bytes(text.replace(b"+", b" "))
        return any(pattern.search(text) or pattern.search(plain) for pattern in patterns)

    return mentions


def _local_ids(person: Person) -> Iterator[tuple[str, str]]:
    """The connection and the id of accounts and visitors that count within a connection alone."""
    for kind, value in person.names:
        if kind in {IdentityKind.ACCOUNT, IdentityKind.VISITOR} and ":" in value:
            name, _, one = value.partition(":")
            yield name, one


def _patterns(person: Person, names: Iterable[str]) -> Iterator[bytes]:
    for kind, value in person.names:
        digits = re.sub(r"\D", "", value)
        if kind in _PHONES and len(digits) > _LEAST:
            yield _BETWEEN.join(digit.encode() for digit in digits[-_DIGITS:])
        elif kind not in _PHONES and len(value) >= _LEAST:
            yield from _written(value)
    for name in names:
        if len(name.encode()) >= _LEAST:
            yield from _written(name)


def _written(word: str) -> Iterator[bytes]:
    """A word as UTF-8, and as JSON may write it."""
    yield re.escape(word.encode())
    if not word.isascii():
        yield re.escape(json.dumps(word)[1:-1].encode())
