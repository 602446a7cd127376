"""The order of steps and events: by time, and of the same instant by all that tells which of them was the later one.

Theory of operation
-------------------
Systems date changes to the second, and people make two in one. What happened at the same instant is put in order by

1. its kind (`event.TIE_ORDER`);
2. the source's own sequence: a revision, a version, an event's number, a finer clock. What has none comes first.
   Sequences of different sources say nothing about each other; they are compared all the same, so that there is one
   order, always the same, in which every two steps have their places whatever else there is;
3. when it was read at the source. What was read last is the newest, and what was not read comes first. Only a reading
   of the system itself counts: the adapter's answer for a webhook that merely names a record, or its list of changes.
   When a webhook came in does not count: webhooks overtake each other and are sent again, and the end would depend on
   that. A fact that is read again (the same key) is a duplicate and keeps its place, unless its record said something
   else within the same second meanwhile: then it has the place of its last reading (`decide/readings.py`);
4. its id in natural order: a run of ASCII digits compares as a number and stands before any other character, all else
   as text; ids that are still equal (`7`, `007`) as text.

The same order holds for the fold, for what is late, and for what is newest of a record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

_DIGITS: Final = re.compile(r"([0-9]+)")
NO_SEQUENCE: Final = -1
NOT_READ: Final = datetime.min.replace(tzinfo=UTC)


class NaturalText(str):
    """A text that compares in natural order. It is taken apart only when it is compared, which is rare."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return natural_key(self) < natural_key(other)

    def __le__(self, other: str) -> bool:
        return natural_key(self) <= natural_key(other)

    def __gt__(self, other: str) -> bool:
        return natural_key(self) > natural_key(other)

    def __ge__(self, other: str) -> bool:
        return natural_key(self) >= natural_key(other)


Order: TypeAlias = tuple[datetime, int, int, datetime, NaturalText]
"""Time (aware UTC), place of the kind, sequence, time of the reading, id."""
SEQUENCE: Final = 2
READ: Final = 3


def natural_key(text: str) -> tuple[list[Any], str]:
    """What two texts compare by in natural order: what stands between numbers, and their digits, in turn."""
    parts: list[Any] = _DIGITS.split(text)
    for place in range(1, len(parts), 2):
        digits = parts[place].lstrip("0")
        parts[place] = (len(digits), digits)
    return parts, str(text)


def order_of(at: datetime, tie: int, key: str, sequence: int | None = None, read_at: datetime | None = None) -> Order:
    """The place of something that happened `at`; `tie`: the place of its kind, `key`: its id."""
    return at, tie, NO_SEQUENCE if sequence is None else sequence, read_at or NOT_READ, NaturalText(key)


def order_to_json(order: Order) -> list[Any]:
    """A place as JSON values; sequence and reading are there only where one of them is known."""
    at, tie, sequence, read_at, key = order
    known = [None if sequence == NO_SEQUENCE else sequence, None if read_at == NOT_READ else read_at.isoformat()]
    return [at.isoformat(), tie, str(key), *(known if known != [None, None] else ())]


def order_from_json(raw: Sequence[Any]) -> Order:
    """The place that `order_to_json` gave."""
    at, tie, key, sequence, read_at = (*raw, None, None)[:5]
    return order_of(_instant(at), tie, key, sequence, read_at and _instant(read_at))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
