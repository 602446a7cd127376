"""Finds the subject that a person names: by e-mail, phone, visitor id, `connection:object:id` or our own id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connector.adapter_kit.payload import Part
from connector.core.errors import BadPayload, NotFound
from connector.runtime.parts import Runtime
from connector.store import subjects

_AS: Final[tuple[tuple[str, Callable[[Part], str]], ...]] = (("email", Part.email), ("phone", Part.phone))


def candidates(who: str) -> list[tuple[str, str]]:
    """The identities (kind, value) that the words may be, as adapters write them."""
    found = [("visitor", who), ("record", who)]
    for kind, read in _AS:
        try:
            found.append((kind, read(Part(who))))
        except BadPayload:
            continue
    return found


def find_subject(runtime: Runtime, who: str) -> str:
    """The id of the subject. Raises `NotFound`, which says what the words can be."""
    with runtime.database.read() as connection:
        found = subjects.find(connection, candidates(who.strip()), who.strip().upper())
    if found is None:
        message = (
            f"there is no subject {who!r}; allowed: an e-mail, a phone number, a visitor id, CONNECTION:OBJECT:ID, "
            "or our own id"
        )
        raise NotFound(message)
    return found
