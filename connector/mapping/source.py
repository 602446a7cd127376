"""YAML text → tables, lists and words that know their place; hostile text is refused early."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from connector.mapping.syntax import explained, odd_word

LARGEST: Final = 250_000
MOST_LINES: Final = 12_000
MOST_PARTS: Final = 12_000
LONGEST_LINE: Final = 20_000
DEEPEST: Final = 12
_UNPRINTABLE: Final = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """What is wrong at a line and column (both from 1)."""

    line: int
    column: int
    message: str


class Unreadable(Exception):
    """Reading cannot go on after this."""

    def __init__(self, found: Found) -> None:
        super().__init__(found.message)
        self.found = found


class Word(str):
    """A key or value as it is written, without its quotes. `is_plain`: it stands without quotes."""

    __slots__ = ("column", "is_plain", "line")

    def __new__(cls, text: str, line: int, column: int, *, is_plain: bool) -> Self:
        """The text with its place."""
        word = super().__new__(cls, text)
        word.line, word.column, word.is_plain = line, column, is_plain
        return word

    line: int
    column: int
    is_plain: bool


class Table(dict[Word, "Value"]):
    """`key: value` lines."""

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int) -> None:
        super().__init__()
        self.line = line
        self.column = column


class Series(list["Value"]):
    """`- value` lines."""

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int) -> None:
        super().__init__()
        self.line = line
        self.column = column


Value: TypeAlias = Word | Table | Series


def read(text: str, what: str = "mapping") -> tuple[Table, list[Found]]:
    """The file's table and what is wrong with its YAML; `what` it should be. Raises `Unreadable` if it cannot be."""
    if len(text) > LARGEST or len(text.encode(errors="replace")) > LARGEST:
        message = f"the file is larger than {LARGEST // 1_000} kB; that is no {what}"
        raise Unreadable(Found(1, 1, message))
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        message = f"the file has more than {MOST_LINES} lines; that is no {what}"
        raise Unreadable(Found(MOST_LINES + 1, 1, message))
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            message = f"the line is longer than {LONGEST_LINE} characters; that is no {what}"
            raise Unreadable(Found(number, LONGEST_LINE + 1, message))
    if (odd := _UNPRINTABLE.search(text)) is not None:
        start = text.rfind("\n", 0, odd.start()) + 1
        place = (text.count("\n", 0, odd.start()) + 1, odd.start() - start + 1)
        raise Unreadable(Found(*place, f"the character U+{ord(odd.group()):04X} is not allowed"))
    try:
        reading = _Reading(text.removeprefix("\ufeff"), what)
        return reading.document(), reading.found
    except (YAMLError, ValueError) as error:
        raise Unreadable(Found(*explained(text.removeprefix("\ufeff"), error))) from error


class _Reading:
    """One pass over the parser's events, which come as they are asked for: what is refused is not read to its end."""

    def __init__(self, text: str, what: str) -> None:
        self._events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
        self._what = what
        self._parts = 0
        self.found: list[Found] = []

    def _next(self) -> tuple[str, Any]:
        event = next(self._events)
        self._parts += 1
        if self._parts > MOST_PARTS:
            message = f"the file has more than {MOST_PARTS} parts; that is no {self._what}"
            raise Unreadable(_at(event, message))
        return type(event).__name__, event

    def document(self) -> Table:
        """The one document's table."""
        self._next()
        kind, event = self._next()
        if kind == "StreamEndEvent":
            start = " starts with `adapter: <name of the system>`" if self._what == "mapping" else " has a key at least"
            message = f"the file is empty; a {self._what}{start}"
            raise Unreadable(Found(1, 1, message))
        if event.version or event.tags:
            self.found.append(_at(event, "directives (%) are not allowed; remove the line"))
        root = self._value(*self._next(), depth=1)
        self._next()
        kind, event = self._next()
        if kind != "StreamEndEvent":
            self.found.append(_at(event, f"a second document (---) is not allowed; one file holds one {self._what}"))
        if not isinstance(root, Table):
            message = f"the file is no table; a {self._what} is made of `key: value` lines"
            raise Unreadable(Found(root.line, root.column, message))
        return root

    def _value(self, kind: str, event: Any, depth: int) -> Value:
        if kind == "AliasEvent":
            message = f"*{event.anchor} refers to another place; write the value out"
            raise Unreadable(_at(event, message))
        if event.anchor is not None:
            self.found.append(_at(event, f"the anchor &{event.anchor} is not allowed; remove it"))
        if event.tag is not None:
            self.found.append(_at(event, f"the tag {event.tag} is not allowed; remove it"))
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if kind == "ScalarEvent":
            return Word(event.value, line, column, is_plain=not event.style)
        if depth > DEEPEST:
            message = f"this is nested more than {DEEPEST} deep; that is no {self._what}"
            raise Unreadable(Found(line, column, message))
        if kind == "MappingStartEvent":
            return self._table(Table(line, column), depth)
        return self._series(Series(line, column), depth)

    def _table(self, table: Table, depth: int) -> Table:
        first: dict[Word, Word] = {}
        while (step := self._next())[0] != "MappingEndEvent":
            key, value = self._value(*step, depth + 1), self._value(*self._next(), depth + 1)
            if not isinstance(key, Word):
                self.found.append(
                    Found(key.line, key.column, "a key must be a word; a text in braces must be in quotes")
                )
            elif key in first:
                message = f"{shown(key)} stands twice; it is in line {first[key].line} already"
                self.found.append(Found(key.line, key.column, message))
            else:
                if key.is_plain and (odd := odd_word(key, has_value=value != "")):
                    self.found.append(Found(key.line, key.column, odd))
                first[key] = key
                table[key] = value
        return table

    def _series(self, series: Series, depth: int) -> Series:
        while (step := self._next())[0] != "SequenceEndEvent":
            series.append(self._value(*step, depth + 1))
        return series


def _at(event: Any, message: str) -> Found:
    return Found(event.start_mark.line + 1, event.start_mark.column + 1, message)


def shown(text: str) -> str:
    """A word as a message shows it: in quotes, on one line, cut."""
    longest = 60
    return repr(str(text) if len(text) <= longest else f"{text[:longest]}…")


INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_SURPRISES: Final = (
    (re.compile(r"~|null|Null|NULL"), "as nothing"),
    (
        re.compile(r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"),
        "as a yes or no",
    ),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "as a number of minutes or seconds"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t][-0-9:.+TtZz \t]*)?"), "as a date"),
    (re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"), "as another number"),
    (re.compile(r"[-+]?0[xob][0-9a-fA-F_]+"), "as another number"),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), "as another number"),
    (re.compile(r"<<|="), "as a command"),
)


def surprise(word: Word) -> str | None:
    """How some programs read a word that stands without quotes; None: all read it alike."""
    if not word.is_plain or INTEGER.fullmatch(word):
        return None
    return next((meaning for pattern, meaning in _SURPRISES if pattern.fullmatch(word)), None)
