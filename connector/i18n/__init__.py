"""The words of explanations in four languages: a file each, of the same keys, which a person can translate.

A text names values in braces; every language names the same ones. Rules, stages and tags keep their own names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from connector.core.status import StatusInfo

LANGUAGES: Final = ("en", "ja", "vi", "zh")
Words: TypeAlias = Mapping[str, str]
"""Key → text, for example `reason.backward`."""


@cache
def words_in(language: str) -> Words:
    """The words of one of `LANGUAGES`."""
    raw = tomllib.loads(files(__name__).joinpath(f"{language}.toml").read_text("utf-8"))
    return MappingProxyType(dict(_flat(raw, "")))


def labels_in(language: str, statuses: Mapping[str, StatusInfo]) -> dict[str, str]:
    """Status code → label in one of `LANGUAGES`."""
    return {code: str(getattr(info, language)) for code, info in statuses.items()}


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
