"""The input of `connector simulate`: lines of JSON to the steps of each subject, or every mistake in them.

`keys_by_type` is the table of what a line may say: the keys of each type of line, and what each key takes.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from connector.core.errors import SenderError
from connector.core.event import Action, Kind, Step
from connector.core.rules import Template
from connector.core.state import LEAD, UNKNOWN
from connector.i18n.statuses import StatusFinder
from connector.runtime.rule_settings import is_email, shown

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2999
_DATE_AND_TIME: Final = re.compile(r"[\dW-]+[Tt ].+")
_BOM: Final = b"\xef\xbb\xbf"


class WrongLines(SenderError):
    """Lines cannot be read; `mistakes` has a sentence each: line, key, what was found, what is allowed."""

    reason = "wrong_lines"

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def read_lines(lines: Iterable[bytes], template: Template) -> dict[str, list[Step]]:
    """The steps of each subject, in the order of the lines (UTF-8, one JSON object each; blank ones are passed over).

    Raises `WrongLines` with every mistake of every line.
    """
    reader = _Reader(keys=keys_by_type(template))
    for number, line in enumerate(lines, start=1):
        content = line.removeprefix(_BOM) if number == 1 else line
        if content.strip():
            reader.read(number, content)
    if reader.mistakes:
        raise WrongLines(tuple(reader.mistakes))
    return reader.steps


@dataclass(slots=True, kw_only=True)
class _Reader:
    keys: Mapping[str, Mapping[str, Key]]
    steps: dict[str, list[Step]] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def read(self, number: int, line: bytes) -> None:
        """Read one line: a step more, or its mistakes."""
        try:
            raw = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            text = line.decode("utf-8", "backslashreplace").strip()
            self._note(number, None, text, f"one JSON object in UTF-8 ({error.msg})")
            return
        if not isinstance(raw, dict):
            self._note(number, None, raw, "one JSON object")
            return
        if isinstance(raw.get("sequence"), float):  # also a whole number beyond 64 bits
            with suppress(ValueError):
                raw = json.loads(line)
        before = len(self.mistakes)
        values = self._values(number, raw)
        if len(self.mistakes) == before:
            self.steps.setdefault(values["subject"], []).append(_step(number, values))

    def _values(self, number: int, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What the keys of a line say; every mistake is noted. Of a line of unknown type only the common keys count."""
        kind = raw.get("type")
        keys = self.keys.get(kind) if isinstance(kind, str) and kind else None
        known = keys or self.keys[""]
        values: dict[str, Any] = {}
        for name, value in raw.items():
            key = known.get(name)
            if key is None:
                if keys is not None:
                    self._note_key(number, name, tuple(keys))
                continue
            if value is None and not key.is_required:
                continue
            try:
                values[name] = key.read(value)
            except ValueError:
                self._note(number, name, value, key.allowed, key.words)
        self.mistakes += [
            f"line {number}: {name}: missing; allowed: {key.allowed}"
            for name, key in known.items()
            if key.is_required and name not in raw
        ]
        if kind == Kind.TAG and (raw.get("add") is None) == (raw.get("remove") is None):
            self.mistakes.append(f"line {number}: add, remove: found both or neither; allowed: one of the two")
        return values

    def _note(self, number: int, name: str | None, found: Any, allowed: str, words: tuple[str, ...] = ()) -> None:
        place = f"line {number}: {name}" if name else f"line {number}"
        hint = _nearest(found, words) if isinstance(found, str) else ""
        self.mistakes.append(f"{place}: found {shown(found)}; allowed: {allowed}{hint}")

    def _note_key(self, number: int, name: str, names: tuple[str, ...]) -> None:
        allowed = ", ".join(names)
        self.mistakes.append(f"line {number}: found the key {shown(name)}; allowed: {allowed}{_nearest(name, names)}")


def _step(number: int, values: Mapping[str, Any]) -> Step:
    return Step(
        id=values.get("id", f"{number:06d}"),
        at=values["at"],
        kind=Kind(values["type"]),
        is_lead=values.get("kind") == LEAD,
        to=values.get("to"),
        by=values.get("by"),
        trigger=values.get("trigger"),
        may_reopen=values.get("reopen", False),
        action=values.get("action"),
        page=values.get("page"),
        session=values.get("session"),
        tag=values.get("add", values.get("remove")),
        is_removed="remove" in values,
        owner=values.get("owner"),
        sequence=values.get("sequence"),
    )


@lru_cache(maxsize=1024)
def _nearest(word: str, words: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]}?" if close else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a line: `read` gives its value or raises `ValueError`; `allowed` says in words what it takes.

    A key that is not required may also be null. `words` are what it takes where that is a closed list.
    """

    read: Callable[[Any], Any]
    allowed: str
    is_required: bool = True
    words: tuple[str, ...] = ()


def keys_by_type(template: Template) -> dict[str, Mapping[str, Key]]:
    """The keys of each type of line; under `""` those that every type has."""
    words = tuple(info.code for info in template.statuses)
    to = Key(read=_status_reader(template), allowed=f"one of {', '.join(words)}", words=words)
    text = Key(read=_text, allowed="text", is_required=False)
    word = Key(read=_word, allowed="text that is not empty", is_required=False)
    reopen = Key(read=_switch, allowed="true or false", is_required=False)
    special: dict[str, dict[str, Key]] = {
        "action": {"action": _choice(*Action), "page": text, "session": word},
        "jump": {"to": to, "by": _choice("person", "crm")},
        "trigger": {"to": to, "trigger": Key(read=_word, allowed=word.allowed), "reopen": reopen},
        "identify": {},
        "tag": {"add": word, "remove": word},
        "owner": {"owner": Key(read=_owner, allowed="an e-mail address, or null")},
    }
    common = {
        "at": Key(read=_instant, allowed=f"date and time with offset in ISO 8601, from {FIRST_YEAR} to {LAST_YEAR}"),
        "subject": Key(read=_text, allowed="text"),
        "type": _choice(*special),
        "sequence": Key(read=_sequence, allowed="a whole number from 0", is_required=False),
        "id": text,
        "kind": _choice(LEAD, UNKNOWN, is_required=False),
    }
    return {"": common, **{kind: common | keys for kind, keys in special.items()}}


def _choice(*words: str, is_required: bool = True) -> Key:
    def read(value: Any) -> Any:
        return _expected(value, isinstance(value, str) and value in words)

    return Key(read=read, allowed=f"one of {', '.join(words)}", is_required=is_required, words=words)


def _status_reader(template: Template) -> Callable[[Any], Any]:
    """Reads a status by code, label or alias."""
    finder = StatusFinder(template.statuses)

    def read(value: Any) -> Any:
        code = finder.code_of(_text(value))
        return _expected(code, code is not None)

    return read


def _instant(value: Any) -> Any:
    given = datetime.fromisoformat(_expected(value, isinstance(value, str) and _DATE_AND_TIME.fullmatch(value)))
    try:
        at = given.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(value) from error
    return _expected(at, given.tzinfo is not None and FIRST_YEAR <= at.year <= LAST_YEAR)


def _sequence(value: Any) -> Any:
    return _expected(value, type(value) is int and value >= 0)


def _text(value: Any) -> Any:
    return _expected(value, isinstance(value, str))


def _word(value: Any) -> Any:
    return _expected(value, isinstance(value, str) and value != "")


def _switch(value: Any) -> Any:
    return _expected(value, isinstance(value, bool))


def _owner(value: Any) -> Any:
    return _expected(value, value is None or is_email(value))


def _expected(value: Any, is_right: object) -> Any:
    if not is_right:
        raise ValueError(value)
    return value
