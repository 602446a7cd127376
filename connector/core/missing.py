"""What a rule still lacks, as values that can be counted, dated and put into words; days are local ordinals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingEntries:
    """`need` different entries of a window within `days` days (None: ever).

    `counted`: the days of those that count, oldest first. `first`: the first day on which another counts. `by`: the
    last day on which those of `counted` count, so that the rest must have come by then (None: no limit).
    """

    window: str
    need: int
    days: int | None
    counted: tuple[int, ...] = ()
    first: int | None = None
    by: int | None = None

    @property
    def left(self) -> int:
        """How many more are asked for."""
        return self.need - len(self.counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingTag:
    """A tag."""

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDays:
    """`days` days since entering the status or since the last action (`of`), which was on `since`.

    It holds from `first` to `last` (None: it goes on) if nothing happens; `is_over`: that has gone by in this stay.
    """

    of: str
    days: int
    since: int | None = None
    first: int | None = None
    last: int | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDay:
    """Another day than the one on which the rule was decided; `first` is the first."""

    rule: str
    first: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingKeyPages:
    """The workspace has no key page, so that no view can be one of a key page."""


Missing: TypeAlias = MissingEntries | MissingTag | MissingDays | MissingDay | MissingKeyPages
