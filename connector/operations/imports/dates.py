"""Dates and times as people write them into files, and in which order the day, month and year of a file stand."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from connector.core.errors import WrongSetting
from connector.mapping.date_order import PATTERNS, DateOrder

_LONGEST: Final = 60
_FULL: Final = 4
"""Digits of a year that is written in full; a number of three digits is nothing of a date."""
_DATE: Final = re.compile(r"(?<!\d)(\d{1,2}|\d{4})\s?[-/.年]\s?(\d{1,2})\s?[-/.月]\s?(\d{4}|\d{1,2})(?!\d)日?")
_TIME: Final = re.compile(
    r"(am|pm|午前|午後|上午|下午)?\s*(\d{1,2})\s*(?:[:時时点h]|giờ)\s*"
    r"(?:(\d{1,2})\s*(?:[:分m]|phút)?\s*(?:(\d{1,2})(?:\.\d{1,9})?\s*(?:秒|s|giây)?)?)?"
    r"\s*(am|pm|sa|ch)?\s*(z|utc|gmt|[+-]\d{2}:?\d{2})?"
)
_AFTERNOON: Final = frozenset({"pm", "午後", "下午", "ch"})
_WEEKDAY: Final = re.compile(r"\([^()\d]{1,10}\)")
_CENTURY: Final = 70
"""Years of two digits from here on are of the 20th century."""


def read_time(text: str, zone: tzinfo, order: DateOrder) -> datetime | None:
    """A time as people write it (UTC); without a zone it is one of `zone`. None: it is none from 1970 to 2199."""
    return readings(text, zone).get(order)


@lru_cache(maxsize=10_000)
def readings(text: str, zone: tzinfo) -> Mapping[DateOrder, datetime]:
    """What a time may mean (UTC), by the order of its numbers: the same for all where it says it, none for no time."""
    if len(text) > _LONGEST:
        return {}
    try:
        days = dict.fromkeys(DateOrder, datetime.fromisoformat(text.strip()))
    except ValueError:
        days = _written(unicodedata.normalize("NFKC", text).casefold())
    return {order: read for order, day in days.items() if (read := _in_utc(day, zone))}


def order_in(texts: Iterable[tuple[str, str]], zone: tzinfo, default: str | None) -> DateOrder:
    """The order that all times of a file have, each with its place; `default` where they leave it open.

    Raises `WrongSetting`: they leave it open and there is no default, or one order does not do for all.
    """
    possible, narrowed, open_ = list(DateOrder), "", ""
    for place, text in texts:
        found = readings(text, zone)
        left = [order for order in possible if order in found]
        if found and not left:
            message = f"{narrowed} and {place} are not in the same order of day, month and year; {_advice(DateOrder)}"
            raise WrongSetting(message)
        if found and len(left) < len(possible):
            possible, narrowed = left, place
        if not open_ and len(set(found.values())) > 1:
            open_ = place
    if not open_ or len(possible) == 1:
        return possible[0]
    if default in possible:
        return DateOrder(default)
    message = f"{open_} may be read in more than one way, as all dates of the file; {_advice(possible)}"
    raise WrongSetting(message)


def _advice(orders: Iterable[DateOrder]) -> str:
    ways = " or ".join(f"--date-format {PATTERNS[order]}" for order in orders)
    return f"say which by {ways}; `date_format` below `columns` in the mapping says it once for all its files"


def _in_utc(read: datetime, zone: tzinfo) -> datetime | None:
    if not 1970 <= read.year < 2200:  # noqa: PLR2004 - as in payloads
        return None
    return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)


def _written(text: str) -> dict[DateOrder, datetime]:
    """What a text that is not ISO 8601 may mean, by order; with a zone where it names one."""
    plain = _WEEKDAY.sub(" ", text)
    match = _DATE.search(plain)
    if match is None:
        return {}
    rest = f"{plain[: match.start()]} {plain[match.end() :]}".strip(" \t,").removeprefix("t")
    clock, zone = _clock(rest)
    if clock is None:
        return {}
    days = ((order, _day(order, match.groups())) for order in DateOrder)
    return {order: (day + clock).replace(tzinfo=zone) for order, day in days if day}


def _day(order: DateOrder, parts: tuple[str, ...]) -> datetime | None:
    """The day that three numbers mean in an order. Whoever begins with a year in full goes on with the month."""
    by_letter = dict(zip(DateOrder.YMD if len(parts[0]) == _FULL else order, parts, strict=True))
    if len(parts[2]) == _FULL and by_letter["y"] != parts[2]:
        return None
    year = int(by_letter["y"])
    if len(by_letter["y"]) < _FULL:
        year += 1900 if year >= _CENTURY else 2000
    try:
        return datetime(year, int(by_letter["m"]), int(by_letter["d"]))  # noqa: DTZ001 - its zone is added to it
    except ValueError:
        return None


def _clock(text: str) -> tuple[timedelta | None, tzinfo | None]:
    """The time of day, midnight where there is none, and the zone that it names. None: the text is no time."""
    if not text:
        return timedelta(), None
    match = _TIME.fullmatch(text)
    if match is None:
        return None, None
    before, hour, minute, second, after, zone = match.groups()
    hours, half = int(hour), before or after
    if half and hours <= 12:  # noqa: PLR2004 - the hours of half a day
        hours = hours % 12 + (12 if half in _AFTERNOON else 0)
    if hours > 23 or int(minute or 0) > 59 or int(second or 0) > 59:  # noqa: PLR2004 - as clocks go
        return None, None
    found = timedelta(hours=hours, minutes=int(minute or 0), seconds=int(second or 0))
    return found, None if zone is None else _zone(zone)


def _zone(text: str) -> tzinfo:
    """The zone of `Z`, `UTC` or an offset such as `+0900`."""
    digits = re.sub("[^0-9]", "", text) or "0000"
    offset = timedelta(hours=int(digits[:2]) % 24, minutes=int(digits[2:]) % 60)
    return timezone(-offset if text.startswith("-") else offset)
