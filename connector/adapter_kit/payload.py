"""Reads untrusted JSON and form bodies by path; a mistake is a `BadPayload` that names the path."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

import orjson

from connector.adapter_kit.identities import LONGEST_EMAIL, LONGEST_PHONE, normalize_email, normalize_phone
from connector.core.errors import BadPayload

T = TypeVar("T")

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 32
MAX_ANSWER_DEPTH: Final = 100
MAX_PAIRS: Final = 5_000
MAX_TEXT: Final = 4_000
_YEARS: Final = range(1970, 2200)
"""Instants outside are mistakes of the sender, and near the ends of the calendar no local date exists."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS: Final = 7_258_118_400_000
"""The year 2200."""
_BIGGEST: Final = 2**63 - 1
_BOM: Final = b"\xef\xbb\xbf"
_LONG_NUMBER: Final = re.compile(rb"(?:^|[\s:,\[-])[0-9]{19}")
_SURROGATE: Final = re.compile("[\\ud800-\\udfff]")
_NO_VALUE: Final = "\ud800"
"""Stands before what is no JSON value, such as NaN, so that nobody takes that text for one."""
_FORM_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")


@dataclass(slots=True)  # not frozen: that takes four times as long to make, and a body has thousands of parts
class Part:
    """A value out of an untrusted body and its path, as in `$.events[3].at`; a missing value is None.

    `part["name"]` and `part.items()` go down; the typed readers give the value or raise `BadPayload` with the path.
    """

    value: Any
    path: str = "$"

    def __getitem__(self, name: str) -> Part:
        if not isinstance(self.value, dict):
            self.refuse("an object")
        return Part(self.value.get(name), f"{self.path}.{name}")

    def items(self) -> list[Part]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list")
        return [Part(value, f"{self.path}[{place}]") for place, value in enumerate(self.value)]

    @property
    def exists(self) -> bool:
        """Whether there is a value other than null."""
        return self.value is not None

    def maybe(self, read: Callable[[Part], T]) -> T | None:
        """What `read` (such as `Part.text`) gives, or None where there is no value."""
        return read(self) if self.exists else None

    def object(self) -> dict[str, Any]:
        """The names and values of an object."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        return self.value

    def text(self, most: int = MAX_TEXT) -> str:
        """A text of 1 to `most` characters without what databases refuse: NUL, and halves of characters."""
        if not isinstance(self.value, str) or not self.value or not is_storable(self.value):
            self.refuse("a text that is not empty")
        if len(self.value) > most:
            self.refuse(f"at most {most} characters")
        return self.value

    def identifier(self, most: int = 200) -> str:
        """An id as text, where systems send either a text or a whole number."""
        return str(self.integer()) if type(self.value) is int else Part(self.value, self.path).text(most)

    def integer(self) -> int:
        """A whole number of at most 64 bits; forms send it as text."""
        if isinstance(self.value, str) and re.fullmatch(r"-?[0-9]{1,19}", self.value):
            number = int(self.value)
        elif type(self.value) is int:
            number = self.value
        else:
            self.refuse("a whole number")
        if abs(number) > _BIGGEST:
            self.refuse("a whole number of at most 64 bits")
        return number

    def instant(self) -> datetime:
        """An ISO 8601 time with an offset, as aware UTC."""
        instant = _instant(self.value)
        if instant is None:
            self.refuse("an ISO 8601 time with an offset, such as 2026-03-04T05:26:07+09:00, from 1970 to 2199")
        return instant

    def milliseconds(self) -> datetime:
        """A number of milliseconds since 1970, to the year 2199, as aware UTC."""
        number = self.integer()
        if not 0 <= number < _MILLISECONDS:
            self.refuse("milliseconds since 1970")
        return _EPOCH + timedelta(milliseconds=number)

    def choice(self, allowed: Collection[str]) -> str:
        """One of the allowed words."""
        if not isinstance(self.value, str) or self.value not in allowed:
            self.refuse(f"one of {', '.join(sorted(allowed))}")
        return self.value

    def email(self) -> str:
        """An e-mail address, trimmed and casefolded, as it identifies a subject in every system."""
        return normalize_email(self.text(LONGEST_EMAIL)) or self.refuse("an e-mail address")

    def phone(self) -> str:
        """A phone number as digits with the leading + it may have, as it identifies a subject in every system."""
        return normalize_phone(self.text(LONGEST_PHONE)) or self.refuse("a phone number")

    def refuse(self, allowed: str) -> NoReturn:
        """Raise `BadPayload` that says what was found here and what is allowed."""
        found = "is missing" if self.value is None else f"is {_shown(self.value)}"
        message = f"{found}; it must be {allowed}"
        raise BadPayload(message, self.path)


def read_json(body: bytes, *, keeps_nul: bool = False) -> Part:
    """A JSON body in UTF-8 (RFC 8259). Raises `BadPayload`: not JSON, NaN, too big, nested too deep, or NUL in a text.

    `keeps_nul`: for bodies of many parts, where `refuse_unstorable` on each part refuses that part alone. Of equal
    names the last counts, a byte order mark is passed over, and a whole number beyond 64 bits is a text of its digits.
    """
    _check_size(body)
    root = Part(_parsed(body.removeprefix(_BOM), is_lenient=False))
    _check_depth(root.value, MAX_DEPTH)
    if not keeps_nul and b"\\u0000" in body:
        refuse_unstorable(root)
    return root


def read_answer(body: bytes) -> Any:
    """What a system answered, in JSON, as `read_json` but for this: one bad value in it hides no other.

    Halves of characters, bytes that are no UTF-8, NaN and infinity stay in it as texts, which `Part.text` and
    `refuse_unstorable` refuse where a record is read. Raises `BadPayload`: not JSON, nested too deep.
    """
    value = _parsed(body.removeprefix(_BOM), is_lenient=True)
    _check_depth(value, MAX_ANSWER_DEPTH)
    return value


def _parsed(content: bytes, *, is_lenient: bool) -> Any:
    try:
        value = orjson.loads(content)
        return json.loads(content, parse_int=_whole) if _LONG_NUMBER.search(content) else value
    except (ValueError, RecursionError) as error:
        if is_lenient:
            with suppress(ValueError, RecursionError):
                text = content.decode(errors="surrogateescape")
                return json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_NO_VALUE.__add__)
        message = f"the body is not JSON: {error}"
        raise BadPayload(message) from error


def _whole(digits: str) -> int | str:
    number = int(digits) if len(digits) <= len(str(-_BIGGEST)) else None
    return digits if number is None or abs(number) > _BIGGEST else number


def _finite(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else _NO_VALUE + digits


def is_storable(text: str) -> bool:
    """Whether a text is without NUL and halves of characters, which databases refuse."""
    return "\0" not in text and (text.isascii() or _SURROGATE.search(text) is None)


def refuse_unstorable(part: Part) -> None:
    """Raises `BadPayload` when a text or name in the part cannot be stored (`is_storable`)."""
    if isinstance(part.value, str) and not is_storable(part.value):
        part.refuse("a text without NUL" if "\0" in part.value else "a text of whole characters")
    if isinstance(part.value, dict):
        for name, value in part.value.items():
            refuse_unstorable(Part(name, part.path))
            refuse_unstorable(Part(value, f"{part.path}.{name[:60]}"))
    if isinstance(part.value, list | tuple):
        for place, item in enumerate(part.value):
            refuse_unstorable(Part(item, f"{part.path}[{place}]"))


def read_form(body: bytes) -> Part:
    """A form body in UTF-8, nested as in PHP (see `read_pairs`).

    Raises `BadPayload`: not UTF-8, NUL, too big, too many pairs, nested too deep.
    """
    _check_size(body)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_PAIRS, errors="strict")
    except ValueError as error:
        message = f"the body is not a form of at most {MAX_PAIRS} pairs in UTF-8: {error}"
        raise BadPayload(message) from error
    return read_pairs(pairs)


def read_json_or_form(body: bytes) -> Part:
    """A body of JSON or a form, by how it begins. Raises `BadPayload`."""
    is_json = body.removeprefix(_BOM).lstrip()[:1] in {b"{", b"["}
    return read_json(body) if is_json else read_form(body)


def read_pairs(pairs: Iterable[tuple[str, str]]) -> Part:
    """The pairs of a form or query: `data[FIELDS][ID]` nests; `a[]` and `a[0]` make lists.

    Every leaf is a text, which may be empty; of equal names the last counts. Raises `BadPayload`: NUL, nested too deep.
    """
    root: dict[str, Any] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            Part(value).refuse("a form without NUL")
        _put(root, name, value)
    return Part({name: _listed(value) for name, value in root.items()})


def _put(root: dict[str, Any], name: str, value: str) -> None:
    nested = _FORM_NAME.fullmatch(name)
    keys = nested[2][1:-1].split("][") if nested else []
    if len(keys) >= MAX_DEPTH:
        message = f"nested deeper than {MAX_DEPTH} levels"
        raise BadPayload(message)
    place, last = root, nested[1] if nested else name
    for key in keys:
        if not isinstance(place.get(last), dict):
            place[last] = {}
        place = place[last]
        last = key or str(len(place))
    place[last] = value


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {name: _listed(item) for name, item in value.items()}
    is_list = all(name == str(place) for place, name in enumerate(items))
    return list(items.values()) if is_list else items


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BYTES:
        message = f"the body has {len(body)} bytes; at most {MAX_BYTES} are read"
        raise BadPayload(message)


def _check_depth(value: Any, most: int) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    if level:
        message = f"nested deeper than {most} levels"
        raise BadPayload(message)


def _instant(value: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value.upper() if isinstance(value, str) else "")
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo is not None and instant.year in _YEARS else None


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    shown = repr(value[:60] if isinstance(value, str) else value)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"  # noqa: PLR2004 - as much as reads well in a message
