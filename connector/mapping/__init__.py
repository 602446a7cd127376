"""YAML ↔ `MappingRules`: reads a mapping file and says all that is wrong with it, with file, line and column."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connector.core.errors import NotFound, SalesOpsError, WrongSetting
from connector.core.mapping import MappingRules
from connector.core.status import STATUSES, StatusInfo
from connector.mapping.schema import mapping_section, rules_of
from connector.mapping.source import LARGEST, Found, Unreadable, read
from connector.mapping.value_fields import Gathering

__all__ = [
    "BadMapping",
    "Mistake",
    "check_mapping",
    "load_mapping",
    "parse_mapping",
    "parse_mapping_for",
    "read_text",
]

_MOST_TOLD: Final = 500


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """What is wrong at a place of a file; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class BadMapping(SalesOpsError):
    """The mapping file has mistakes; `mistakes` are all of them in the order of the file, at most 500."""

    reason = "bad_mapping"

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def parse_mapping(
    text: str,
    name: str,
    statuses: Iterable[StatusInfo] = STATUSES,
    adapters: Collection[str] | None = None,
) -> MappingRules:
    """The rules that a file's text stands for. `name` is the file's name in mistakes. Raises `BadMapping`.

    `statuses`: those of the workspace, its own included. `adapters`: the systems there are; None: any name is allowed.
    """
    try:
        table, wrong = read(text)
    except Unreadable as error:
        raise BadMapping(_mistakes([error.found], name)) from error
    gathering = Gathering()
    gathering.found += wrong
    loaded = gathering.read(mapping_section(statuses, adapters), table)
    if loaded is None or gathering.found:
        raise BadMapping(_mistakes(gathering.found, name))
    return rules_of(loaded)


def check_mapping(
    text: str,
    name: str,
    statuses: Iterable[StatusInfo] = STATUSES,
    adapters: Collection[str] | None = None,
) -> tuple[Mistake, ...]:
    """All mistakes of a file's text, none when it is right; raises nothing."""
    try:
        parse_mapping(text, name, statuses, adapters)
    except BadMapping as error:
        return error.mistakes
    return ()


def load_mapping(
    path: Path, statuses: Iterable[StatusInfo] = STATUSES, adapters: Collection[str] | None = None
) -> MappingRules:
    """The rules of a file (UTF-8). Raises `BadMapping`, and `NotFound` when it cannot be opened."""
    return parse_mapping(read_text(path), path.name, statuses, adapters)


def parse_mapping_for(adapter: str, text: str, name: str, statuses: Iterable[StatusInfo]) -> MappingRules:
    """The rules of a text for a connection with that adapter. Raises `BadMapping`, and `WrongSetting` for another's."""
    rules = parse_mapping(text, name, statuses)
    if rules.adapter != adapter:
        message = f"the mapping {name} is for the adapter {rules.adapter}; the connection's is {adapter}"
        raise WrongSetting(message)
    return rules


def read_text(path: Path) -> str:
    """The text of a mapping file (UTF-8). Raises `BadMapping`, and `NotFound` when it cannot be opened."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        message = f"the mapping file {path} cannot be read: {error.strerror}"
        raise NotFound(message) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(raw) <= LARGEST:
            line, start = raw.count(b"\n", 0, error.start) + 1, raw.rfind(b"\n", 0, error.start) + 1
            found = Found(line, error.start - start + 1, "this is no UTF-8 text; save the file as UTF-8")
            raise BadMapping(_mistakes([found], path.name)) from error
        return raw.decode("latin-1")


def _mistakes(found: Iterable[Found], name: str) -> tuple[Mistake, ...]:
    ordered = sorted(set(found))[:_MOST_TOLD]
    return tuple(Mistake(name, place.line, place.column, place.message) for place in ordered)
