"""The marshmallow fields for what stages and triggers lead to: a status, or several by count."""

from __future__ import annotations

from typing import Any, Final

from connector.core.mapping import IGNORE, Goal
from connector.mapping.source import Series, Value, Word, shown
from connector.mapping.speller import Speller
from connector.mapping.value_fields import Gathering, Reading, kind_of, refuse

MOST_COUNTED: Final = 20


class StatusWord(Reading[str]):
    """A status by code, label or alias, in any of the languages."""

    def __init__(self, speller: Speller, *, may_ignore: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.speller = speller
        self.may_ignore = may_ignore
        self.allowed = tuple(info.code for info in speller.statuses) + ((IGNORE,) if may_ignore else ())

    def read(self, value: Value) -> str:
        """The status's code, or `ignore`."""
        if not isinstance(value, Word) or not value:
            refuse(value, f"found {kind_of(value)}; a status is expected; allowed: {', '.join(self.allowed)}")
        if value == IGNORE and self.may_ignore:
            return IGNORE
        code, close = self.speller.status(str(value))
        if code is None:
            refuse(value, f"{shown(value)} is no status{self.speller.offer(value, self.allowed, close)}")
        return code


class Goals(Reading[Goal]):
    """A status, or a list of statuses of which the nth record or event of a subject gives the nth."""

    def __init__(self, speller: Speller, *, may_ignore: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.one = StatusWord(speller, may_ignore=may_ignore)
        self.counted = StatusWord(speller)

    def read(self, value: Value) -> Goal:
        """The status's code, `ignore`, or the codes in order."""
        if not isinstance(value, Series):
            return self.one.read(value)
        if not 2 <= len(value) <= MOST_COUNTED:  # noqa: PLR2004 - one status needs no list
            message = (
                f"a list for the 1st, the 2nd and so on has 2 to {MOST_COUNTED} statuses; this one has {len(value)}"
            )
            refuse(value, message)
        gathering = Gathering()
        read = [gathering.read(self.counted, part) for part in value]
        gathering.end()
        return tuple(code for code in read if code is not None)
