"""The words of every language: a TOML file each, which a person can translate; a further file is a further language.

A text names values in braces; every language names the same ones. Rules, stages and tags keep their own names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

Words: TypeAlias = Mapping[str, str]
"""Key → text, for example `reason.backward`."""
FOLDER: Final = Path(__file__).parent


def languages_in(folder: Path) -> tuple[str, ...]:
    """The languages that a folder has a file of, sorted."""
    return tuple(sorted(file.stem for file in folder.glob("*.toml")))


LANGUAGES: Final = languages_in(FOLDER)


@cache
def words_in(language: str, folder: Path = FOLDER) -> Words:
    """The words of a language that the folder has a file of."""
    raw = tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))
    return MappingProxyType(dict(_flat(raw, "")))


def listed(items: Sequence[str], words: Words) -> str:
    """One, two or more things in a row."""
    if len(items) < 2:  # noqa: PLR2004 - one thing needs no "and"
        return "".join(items)
    return f"{words['list.comma'].join(items[:-1])}{words['list.and']}{items[-1]}"


def dated(day: int, words: Words) -> str:
    """A local day (ordinal) as a date."""
    found = date.fromordinal(day)
    return words["date"].format(day=found.day, month=words[f"month.{found.month}"], year=found.year)


def _flat(table: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, str):
            yield f"{place}{name}", value
        else:
            yield from _flat(value, f"{place}{name}.")
