"""The input of `connector simulate`: lines of JSON to the steps of each subject, or every mistake in them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import orjson

from connector.core.errors import SenderError
from connector.core.event import Kind, Step
from connector.core.rules import Template
from connector.core.state import LEAD
from connector.runtime.rule_settings import shown
from connector.what_if.simulate_keys import Key, keys_by_type

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
    )


@lru_cache(maxsize=1024)
def _nearest(word: str, words: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]}?" if close else ""
