"""What the statuses are called in every language, and which status a word stands for that a person types.

A language's file has their names in `[status]`, and in `[status_aliases]` what people also call them, with commas
between: that is read and never shown. A company's own statuses bring their names along.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from connector.core.errors import UnknownStatus
from connector.core.status import StatusInfo
from connector.i18n import FOLDER, languages_in, words_in

DEFAULT: Final = "en"
"""The language of what is written without asking for one, and of a company's names that a language lacks."""


def labels_in(language: str, statuses: Iterable[StatusInfo], folder: Path = FOLDER) -> dict[str, str]:
    """Status code → label in a language."""
    return {info.code: _label(info, language, folder) for info in statuses}


def aliases_of(code: str, folder: Path = FOLDER) -> tuple[str, ...]:
    """What else people call a status, in all languages."""
    texts = [words_in(language, folder).get(f"status_aliases.{code}", "") for language in languages_in(folder)]
    return tuple(alias for text in texts for alias in text.split(", ") if alias)


def find_status(word: str, statuses: Iterable[StatusInfo], folder: Path = FOLDER) -> str:
    """The code for a code, label or alias in any language; raises `UnknownStatus` with the nearest code."""
    finder = StatusFinder(statuses, folder)
    code = finder.code_of(word)
    if code is None:
        raise UnknownStatus(word, finder.nearest_to(word), tuple(info.code for info in finder.statuses))
    return code


class StatusFinder:
    """Finds a status by its code, label or alias in any language of a folder.

    A code counts before a label and a label before an alias; among equals the first status of the list counts, so that
    a company's own statuses never take a word from the template's.
    """

    def __init__(self, statuses: Iterable[StatusInfo], folder: Path = FOLDER) -> None:
        self.statuses: Final = tuple(statuses)
        self._codes: dict[str, str] = {}
        for name, code in _names(self.statuses, folder):
            self._codes.setdefault(_folded(name), code)

    def code_of(self, word: str) -> str | None:
        """The code that a word stands for; None: it is no status."""
        return self._codes.get(_folded(word))

    def nearest_to(self, word: str) -> str | None:
        """The code of the name that is written most alike; None: none is."""
        close = difflib.get_close_matches(_folded(word), self._codes, n=1)
        return self._codes[close[0]] if close else None


def _names(statuses: tuple[StatusInfo, ...], folder: Path) -> Iterator[tuple[str, str]]:
    """Each name with the code that it stands for, the strongest first."""
    languages = languages_in(folder)
    yield from ((info.code, info.code) for info in statuses)
    yield from ((_label(info, language, folder), info.code) for info in statuses for language in languages)
    yield from ((alias, info.code) for info in statuses for alias in aliases_of(info.code, folder))
    former = [(code, info.code) for info in statuses for code in info.former_codes]
    yield from former
    yield from ((words_in(language, folder)[f"status.{of}"], code) for of, code in former for language in languages)


def _label(info: StatusInfo, language: str, folder: Path) -> str:
    known = info.names.get(language) or info.names.get(DEFAULT)
    return known or words_in(language, folder)[f"status.{info.code}"]


def _folded(word: str) -> str:
    """Full-width letters, case, hyphens, underscores and spaces make no difference to a person."""
    return "_".join(unicodedata.normalize("NFKC", word).casefold().replace("-", " ").replace("_", " ").split())
