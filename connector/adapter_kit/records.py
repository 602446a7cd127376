"""What the records of most systems have in common: identities that people typed, and times as keys hold them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from connector.adapter_kit.identities import NORMALIZERS
from connector.adapter_kit.payload import Part
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

_SHORTEST_PHONE: Final = 7
"""Digits; fewer are an extension, which identifies nobody."""


def readable_identities(kind: IdentityKind, values: Iterable[Any]) -> Iterator[Identity]:
    """The identities of a kind, `email` or `phone`, among what people typed into fields.

    What cannot be read identifies nobody.
    """
    for value in values:
        text = NORMALIZERS[kind](value.value if isinstance(value, Part) else value)
        if text and "://" not in text and (kind is IdentityKind.EMAIL or len(text.lstrip("+")) >= _SHORTEST_PHONE):
            yield Identity(kind=kind, value=text)


def instant_in(part: Part, zone: tzinfo) -> datetime:
    """A time as aware UTC; one that is written without a zone is of that zone. Raises `BadPayload`."""
    try:
        local = datetime.fromisoformat(part.text(40))
    except ValueError:
        return part.instant()
    if local.tzinfo is not None:
        return part.instant()
    return Part(local.replace(tzinfo=zone).astimezone(UTC).isoformat(), part.path).instant()


def moment(at: datetime) -> str:
    """An instant in whole seconds of UTC, as keys hold it where a system keeps no more than that."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def one_a_second(stages: Iterable[Sequence[str]]) -> list[list[str]]:
    """Stages with the ISO times that they were entered at, oldest first: of one second only the last, none twice."""
    found: list[list[str]] = []
    for stage, at in stages:
        if found and found[-1][1][:19] == at[:19]:
            found.pop()
        if not found or found[-1][0] != stage:
            found.append([stage, at])
    return found


def deleted_event(record: RecordRef, at: datetime, *others: Identity, mark: str = "") -> Event:
    """The event of a record that is gone; `at` is when that was seen, and may be part of its key by `mark`.

    `others` say who it was merged with.
    """
    identities = tuple(dict.fromkeys((Identity(kind=IdentityKind.RECORD, value=record.name), *others)))
    key = f"{record.name}:deleted{mark}"
    return Event(key=key, at=at, kind=Kind.DELETED, record=record, is_lead=True, identities=identities)
