"""What is different between two mappings, or two rules documents: `deal / pipeline 0 / WON: project → order`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.core.mapping import IGNORE
from connector.core.status import STATUSES, StatusInfo
from connector.i18n.statuses import StatusFinder

NOTHING: Final = "nothing"
_LONGEST: Final = 200
_DEFAULTS: Final[Mapping[tuple[str, ...], str]] = {
    ("backward",): "follow",
    ("unmapped",): "hold",
    ("owner", "conflict"): "newest",
    ("owner", "match"): "email",
    ("owner", "unknown"): "hold",
    ("fields", "*", "conflict"): "newest",
    ("fields", "*", "type"): "string",
    ("triggers", "*", "reopen"): "false",
    ("push", "*", "new_leads"): "false",
    ("template",): "basic-2.0",
    ("timezone",): "Asia/Tokyo",
    ("session_gap_minutes",): "30",
    ("mail_enabled",): "false",
    ("fallback_to_administrators",): "false",
    ("notice_repeat",): "daily",
    ("shared_after",): "3",
    ("rules", "*", "enabled"): "true",
    ("rules", "*", "notify"): "true",
}
"""What stands for nothing being written; `*`: any name."""
_STATUS_AT: Final = frozenset({("triggers", "*", "jump_to"), ("push", "*", "status")})
_ENTRIES: Final = {"triggers": "trigger", "actions": "action", "fields": "field"}
"""Sections whose entries are told as one when they come or go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One entry that is other than before; `before` and `after` are as they are written, None: there is none."""

    place: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.place}: {self.before or NOTHING} → {self.after or NOTHING}"


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], statuses: Iterable[StatusInfo] = STATUSES
) -> tuple[Difference, ...]:
    """What is other in `after`, both as `source.read` gives a file; in the order of the files.

    Statuses count by their codes; what is written and what is the case without it are the same.
    """
    finder = StatusFinder(statuses)
    return tuple(_compared((), _plain(before, finder), _plain(after, finder)))


def _compared(path: tuple[str, ...], before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    is_entry = len(path) == 2 and path[0] in _ENTRIES and None in (before, after)  # noqa: PLR2004 - section and name
    if is_entry or not (isinstance(before or after, dict) and isinstance(after or before, dict)):
        default = _DEFAULTS.get(_pattern(path))
        yield Difference(place=_place(path), before=_shown(before) or default, after=_shown(after) or default)
        return
    old, new = before or {}, after or {}
    for name in dict.fromkeys((*old, *new)):
        yield from _compared((*path, name), old.get(name), new.get(name))


def _place(path: tuple[str, ...]) -> str:
    section, *names = path
    if section == "stages":
        pipeline = [f"pipeline {names[1]}"] if len(names) > 2 else names[1:2]  # noqa: PLR2004 - object, pipeline, stage
        return " / ".join((names[0], *pipeline, *names[2:]))
    if section in _ENTRIES and names:
        return " / ".join((f"{_ENTRIES[section]} {names[0]}", *names[1:]))
    return " / ".join(path)


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict):
        text = f"{{{', '.join(f'{name}: {_shown(inner)}' for name, inner in value.items())}}}"
    elif isinstance(value, list):
        text = f"[{', '.join(str(_shown(inner)) for inner in value)}]"
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _plain(tree: Mapping[str, Any], finder: StatusFinder) -> dict[str, Any]:
    """Tables with plain keys, short forms written out, statuses as codes, defaults left out."""
    read = {str(section): _section(str(section), value, finder) for section, value in tree.items()}
    return {section: value for section, value in read.items() if value is not None}


def _section(section: str, value: Any, finder: StatusFinder) -> Any:
    if section == "triggers" and isinstance(value, list):
        value = {_id(entry, place): _without_id(entry) for place, entry in enumerate(value, 1)}
    if section == "fields" and isinstance(value, dict):
        value = {name: entry if isinstance(entry, dict) else {"from": entry} for name, entry in value.items()}
    return _read((section,), value, lambda word: _code(word, finder))


def _read(path: tuple[str, ...], value: Any, code: Callable[[str], str]) -> Any:
    pattern = _pattern(path)
    if isinstance(value, dict):
        is_by_status = pattern in _STATUS_AT
        entries = {code(str(name)) if is_by_status else str(name): inner for name, inner in value.items()}
        found = {
            name: read for name, inner in entries.items() if (read := _read((*path, name), inner, code)) is not None
        }
        return found or None
    if isinstance(value, list):
        return [_read(path, inner, code) for inner in value] or None
    is_status = path[0] == "stages" or pattern in _STATUS_AT
    word = code(str(value)) if is_status else str(value)
    return None if _DEFAULTS.get(pattern) == word else word


def _pattern(path: tuple[str, ...]) -> tuple[str, ...]:
    return path if len(path) < 2 or path[0] == "owner" else (path[0], "*", *path[2:])  # noqa: PLR2004 - a name's place


def _code(word: str, finder: StatusFinder) -> str:
    return word if word == IGNORE else finder.code_of(word) or word


def _id(entry: Any, place: int) -> str:
    return str(entry.get("id", place)) if isinstance(entry, dict) else str(place)


def _without_id(entry: Any) -> Any:
    return {key: value for key, value in entry.items() if key != "id"} if isinstance(entry, dict) else entry
