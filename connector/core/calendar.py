"""Local dates: the only place where an instant becomes a day of the workspace's time zone, and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo


def local_day(at: datetime, zone: tzinfo) -> int:
    """The proleptic ordinal of the local date of an aware instant."""
    return at.astimezone(zone).toordinal()


def day_start(day: int, zone: tzinfo) -> datetime:
    """The UTC instant at which a local date (ordinal) starts.

    Where midnight does not exist, the instant of the gap; where it comes twice, the first. Since 2000 every zone's gap
    that swallows a midnight starts at it (tz database 2026a), so `fold=0` gives the first instant of the date.
    """
    return datetime.combine(date.fromordinal(day), time(), zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Days:
    """The local days (ordinals) from `first` to `last`, both included; `last` None: without end."""

    first: int
    last: int | None = None

    def both(self, other: Days) -> Days | None:
        """The days that are in both spans; None where there is none."""
        ends = [end for end in (self.last, other.last) if end is not None]
        return span(max(self.first, other.first), min(ends, default=None))

    def without(self, other: Days | None) -> Days | None:
        """The first stretch of these days that is not in the other span; None where all of them are."""
        if other is None or self.both(other) is None:
            return self
        if self.first < other.first:
            return Days(self.first, other.first - 1)
        return None if other.last is None else span(other.last + 1, self.last)


def span(first: int, last: int | None) -> Days | None:
    """The days from `first` to `last`; None where there is none."""
    return None if last is not None and last < first else Days(first, last)
