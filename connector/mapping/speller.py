"""What to write in place of a word that is not allowed, and which statuses there are."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Final

from connector.core.status import StatusInfo
from connector.i18n.statuses import StatusFinder

LONGEST: Final = 200
MOST_SPELLED: Final = 50


class Speller:
    """Which statuses there are, and the nearest allowed word; gives up spelling after `MOST_SPELLED` wrong words."""

    def __init__(self, statuses: Iterable[StatusInfo]) -> None:
        self._finder: Final = StatusFinder(statuses)
        self.statuses: Final = self._finder.statuses
        self._left = MOST_SPELLED

    def offer(self, word: str, allowed: Collection[str], close: str | None = None) -> str:
        """What to write instead: the nearest word, then all of them."""
        if close is None and self._left:
            self._left -= 1
            close = next(iter(difflib.get_close_matches(word[:LONGEST].lower(), allowed, n=1)), None)
        words = ", ".join(allowed)
        return f"; did you mean {close}? Allowed: {words}" if close else f"; allowed: {words}"

    def status(self, word: str) -> tuple[str | None, str | None]:
        """The code of a code, label or alias, and the nearest code where it is none."""
        code = self._finder.code_of(word) if len(word) <= LONGEST else None
        if code is not None or not self._left or len(word) > LONGEST:
            return code, None
        self._left -= 1
        return None, self._finder.nearest_to(word)
