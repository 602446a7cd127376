"""Local dates: the only place where an instant becomes a day of the workspace's time zone, and back."""

from __future__ import annotations

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
