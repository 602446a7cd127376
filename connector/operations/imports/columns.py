"""What the cells of a row say: the record's id, who it is, when, at which stage, and what the mapping reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Any, Final, TypeAlias

from connector.adapter_kit.records import readable_identities
from connector.core.errors import ConnectorError
from connector.core.event import Identity, IdentityKind
from connector.mapping.date_order import DateOrder
from connector.mapping.expressions import Expression
from connector.operations.imports.dates import read_time

WHO: Final = {"email": IdentityKind.EMAIL, "phone": IdentityKind.PHONE}
_WORDS: Final = {"email": "e-mail address", "phone": "phone number"}
_NUMBERED: Final = frozenset({"id", "pipeline", "owner", "stage"})
"""What may be a number that a spreadsheet has written in its own way."""
_WHOLE: Final = re.compile(r"([0-9]+)(?:\.0+)?")
_ROUNDED: Final = re.compile(r"[0-9]([.,][0-9]+)?E[+-][0-9]+", re.IGNORECASE)
_MOST: Final = 4000
_LONGEST: Final[Mapping[str, int]] = {"id": 200, "stage": 255, "pipeline": 63, "owner": 255}
_EXAMPLES: Final = {
    DateOrder.YMD: "2026-03-04 14:05",
    DateOrder.DMY: "04/03/2026 14:05 (day first)",
    DateOrder.MDY: "03/04/2026 14:05 (month first)",
}
Steps: TypeAlias = tuple[int | str, ...]


class BadRow(ConnectorError):
    """A row that cannot be imported, and why."""

    reason = "bad_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Where cells stand in the data besides under their columns' names: the first of `places` that is not empty.

    `others`: what the same expression reads besides, and what is empty when all cells are.
    """

    places: tuple[int, ...]
    path: Steps
    others: tuple[Steps, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where a file has what an import asks for; columns are numbers, whose `names` are the header.

    `places`: what → its columns. `fields`: profile field → the columns that the mapping reads it from; `dated` are
    those of dates among them. `readers`: how the mapping reads e-mail and phone. `zone`: of times without one; `order`:
    of the numbers of dates. `unread`: the names of the columns that nothing is read from. `identifies`: whether an
    e-mail or phone is somebody's.
    """

    names: Sequence[str]
    places: Mapping[str, tuple[int, ...]]
    fields: Mapping[str, tuple[int, ...]]
    dated: frozenset[int]
    readers: Mapping[str, Expression]
    laid: Sequence[Laid]
    zone: tzinfo
    unread: Sequence[str]
    order: DateOrder = DateOrder.YMD
    identifies: Callable[[Identity], bool] = bool

    def by_name(self) -> dict[str, str]:
        """What is read from which columns, by their names."""
        found = {what: {*places, *self.fields.get(what, ())} for what, places in self.places.items()}
        found |= {name: set(places) for name, places in self.fields.items() if name not in found}
        return {what: ", ".join(self.names[place] for place in sorted(places)) for what, places in found.items()}

    def cell(self, cells: Sequence[str], what: str) -> str:
        """The trimmed cell; empty where there is no such column. Raises `BadRow`: it is too long, or destroyed."""
        if what not in self.places:
            return ""
        place = self.places[what][0]
        text, longest = cells[place].strip(), _LONGEST.get(what, _MOST)
        if len(text) > longest:
            message = f"{self.names[place]} has {len(text)} characters; allowed: up to {longest}"
            raise BadRow(message)
        return _number(text, what) if what in _NUMBERED else text

    def time(self, cells: Sequence[str], what: str) -> datetime | None:
        """The row's time (UTC), `at` or `made`; None where it has none. Raises `BadRow`."""
        text = self.cell(cells, what)
        found = read_time(text, self.zone, self.order) if text else None
        if text and found is None:
            name = self.names[self.places[what][0]]
            message = f"{name} is {text[:40]!r}; it must be a time, such as {_EXAMPLES[self.order]}"
            raise BadRow(message)
        return found

    @property
    def timed(self) -> tuple[int, ...]:
        """The columns of times and dates."""
        times = (*self.places.get("at", ()), *self.places.get("made", ()))
        return tuple(sorted({*times, *self.dated}))

    def data(self, cells: Sequence[str]) -> dict[str, Any]:
        """The row as the mapping's expressions read it.

        An empty cell says that there is nothing where the mapping reads its column, else it says nothing.
        """
        texts = [self._iso(text) if place in self.dated else text for place, text in enumerate(cells)]
        read = {place for places in self.fields.values() for place in places}
        data: dict[str, Any] = {
            name: text
            for place, (name, text) in enumerate(zip(self.names, texts, strict=True))
            if name and (text or place in read)
        }
        for laid in self.laid:
            text = next((texts[place] for place in laid.places if texts[place]), "")
            if text or not read.isdisjoint(laid.places):
                for path in (laid.path,) if text else (laid.path, *laid.others):
                    put(data, path, text)
        return data

    def _iso(self, text: str) -> str:
        """A date or time as the mapping's types read it, at the clock at which it was written."""
        found = read_time(text, self.zone, self.order) if text else None
        if found is None:
            return text
        local = found.astimezone(self.zone)
        return local.isoformat() if ":" in text or local.hour or local.minute else local.date().isoformat()

    def identities(self, cells: Sequence[str], data: Mapping[str, Any]) -> tuple[tuple[Identity, ...], list[str]]:
        """E-mails and phones; and what is to be said of those that are none, or nobody's, and left out."""
        found: dict[Identity, None] = {}
        said: list[str] = []
        for what, kind in WHO.items():
            texts = [cells[place].strip() for place in self.places.get(what, ())]
            value = self.readers[what].run(data) if what in self.readers else None
            texts += [value.strip()] if isinstance(value, str) else []
            for text in dict.fromkeys(filter(None, texts)):
                read = list(readable_identities(kind, [text]))
                own = dict.fromkeys(filter(self.identifies, read))
                found |= own
                why = "is no" if not read else "" if own else "is nobody's"
                said += [f"{text[:60]!r} {why} {_WORDS[what]} and was left out"] if why else []
        return tuple(found), said


def _number(text: str, what: str) -> str:
    """An id as its system writes it, whatever a spreadsheet or a wide keyboard made of it. Raises `BadRow`."""
    plain = unicodedata.normalize("NFKC", text)
    if what == "id" and _ROUNDED.fullmatch(plain):
        message = (
            f"the id is {text!r}: a spreadsheet has rounded it, and the id is lost; export the file again, and import "
            "it without saving it in a spreadsheet"
        )
        raise BadRow(message)
    whole = _WHOLE.fullmatch(plain)
    return whole[1] if whole else plain if what == "id" else text


def put(data: dict[str, Any], path: Steps, text: str) -> None:
    """Lay a value down at its path; nothing where another column's value stands in the way."""
    place: Any = data
    for step, following in pairwise(path):
        kind = list if isinstance(following, int) else dict
        inner = _inner(place, step)
        if inner is None:
            inner = kind()
            _set(place, step, inner)
        if not isinstance(inner, kind):
            return
        place = inner
    _set(place, path[-1], text)


def _inner(place: Any, step: int | str) -> Any:
    if isinstance(place, dict):
        return place.get(step)
    return place[step] if int(step) < len(place) else None


def _set(place: Any, step: int | str, value: Any) -> None:
    if isinstance(place, list):
        place += [None] * (int(step) + 1 - len(place))
    place[step] = value
