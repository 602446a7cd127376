"""Spans of local days: what is left of two of them, and of one without another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Days:
    """The local days (ordinals) from `first` to `last`, both included; `last` None: it goes on."""

    first: int
    last: int | None = None

    def both(self, other: Days) -> Days | None:
        """The days that are in both; None: there is none."""
        ends = [end for end in (self.last, other.last) if end is not None]
        return span(max(self.first, other.first), min(ends, default=None))

    def without(self, other: Days | None) -> Days | None:
        """The first stretch of days that the other has not; None: it has them all."""
        if other is None or self.both(other) is None:
            return self
        if self.first < other.first:
            return Days(self.first, other.first - 1)
        return None if other.last is None else span(other.last + 1, self.last)


def span(first: int, last: int | None) -> Days | None:
    """The days from `first` to `last`; None where there is none."""
    return None if last is not None and last < first else Days(first, last)
