"""What to write in place of a word that is not allowed, and which statuses there are."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Final

from connector.core.errors import UnknownStatus
from connector.core.status import StatusInfo, find_status

LONGEST: Final = 200
MOST_SPELLED: Final = 50


class Speller:
    """Which statuses there are, and the nearest allowed word; gives up spelling after `MOST_SPELLED` wrong words."""

    def __init__(self, statuses: Iterable[StatusInfo]) -> None:
        self.statuses: Final = tuple(statuses)
        self._left = MOST_SPELLED
        self._codes: dict[str, str] = {info.code: info.code for info in self.statuses}
        for info in self.statuses:
            for name in (info.en, info.ja, info.vi, info.zh):
                self._codes.setdefault(name, info.code)

    def offer(self, word: str, allowed: Collection[str], close: str | None = None) -> str:
        """What to write instead: the nearest word, then all of them."""
        if close is None and self._left:
            self._left -= 1
            close = next(iter(difflib.get_close_matches(word[:LONGEST].lower(), allowed, n=1)), None)
        words = ", ".join(allowed)
        return f"; did you mean {close}? Allowed: {words}" if close else f"; allowed: {words}"

    def status(self, word: str) -> tuple[str | None, str | None]:
        """The code of a code, label or alias, and the nearest code where it is none."""
        if word not in self._codes and self._left and len(word) <= LONGEST:
            try:
                self._codes[word] = find_status(word, self.statuses)
            except UnknownStatus as error:
                self._left -= 1
                return None, error.nearest
        return self._codes.get(word), None
