"""Times as systems write them: ISO 8601 and what is near it, dates of mails, numbers since 1970, or their own form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.adapter_kit.payload import Part

_MILLISECONDS: Final = 10**11
"""A number of seconds beyond this is one of milliseconds: the year 5138."""
_NONE: Final = re.compile(r"0000[-/.]?00[-/.]?00.*")
"""What MySQL and PHP show where there is no time."""
_DOTNET: Final = re.compile(r"/Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/")
_COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})([0-9]{2}))?")
_WRITTEN: Final = re.compile(
    r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})"
    r"(?:(?:T| +)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?)?"
    r" *(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?",
    re.IGNORECASE,
)
_MAIL: Final = re.compile(
    r"(?:[A-Za-z]{3}, *)?[0-9]{1,2} [A-Za-z]{3} [0-9]{4} [0-9]{2}:[0-9]{2}(?::[0-9]{2})?"
    r"(?: (?:[+-][0-9]{4}|GMT|UTC?|Z))?"
)
"""RFC 2822; a zone by another name, such as JST, is none that everybody reads alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How a system writes times. `form`: as strptime has it; empty: any form that is known.

    `zone`, or else `offset`: that of times that are written without one.
    """

    zone: str
    offset: str
    form: str

    def mistakes(self) -> list[str]:
        """What is wrong with the settings, a sentence each."""
        found = []
        try:
            self._zone()
        except (ValueError, OSError, KeyError):
            name, given = ("zone", self.zone) if self.zone else ("utc_offset", self.offset)
            allowed = "a time zone such as Asia/Tokyo" if self.zone else "such as +09:00"
            found.append(f"the connection's setting `{name}` is {given!r}; it must be {allowed}")
        try:
            datetime.strptime(datetime(2026, 3, 4, tzinfo=UTC).strftime(self.form), self.form)  # noqa: DTZ007
        except (ValueError, re.error) as error:
            found.append(f"the connection's setting `time_format` ({self.form!r}) cannot be used: {error}")
        return found

    def read(self, part: Part) -> datetime | None:
        """A time as aware UTC; None: there is none. Raises `BadPayload`."""
        value: Any = part.value.strip() if isinstance(part.value, str) else part.value
        if value is None or value == "" or (isinstance(value, str) and _NONE.fullmatch(value)):
            return None
        if self.form and isinstance(value, str):
            return self._in_form(Part(value, part.path))
        if isinstance(value, float) or type(value) is int:
            return _unix(Part(value, part.path))
        return self._text(Part(value, part.path))

    def _text(self, part: Part) -> datetime:
        text = part.text(60)
        if dotnet := _DOTNET.fullmatch(text):
            return Part(dotnet[1], part.path).milliseconds()
        if parts := _COMPACT.fullmatch(text) or _WRITTEN.fullmatch(text):
            return self._instant(_iso(*parts.groups()), part)
        if text.isdecimal() and text.isascii():
            return _unix(part)
        if _MAIL.fullmatch(text):
            try:
                return self._aware(parsedate_to_datetime(text), part)
            except ValueError:
                pass
        return self._instant(text, part)

    def _in_form(self, part: Part) -> datetime:
        try:
            return self._aware(datetime.strptime(part.text(60), self.form), part)  # noqa: DTZ007 - it may name a zone
        except ValueError:
            part.refuse(f"a time in the form {self.form} (the setting `time_format`)")

    def _instant(self, text: str, part: Part) -> datetime:
        try:
            return self._aware(datetime.fromisoformat(text), part)
        except ValueError:
            part.refuse("a time, as in ISO 8601; how others are written is said in the setting `time_format`")

    def _aware(self, time: datetime, part: Part) -> datetime:
        zoned = time if time.tzinfo else time.replace(tzinfo=self._zone())
        return Part(zoned.isoformat(), part.path).instant()

    def _zone(self) -> tzinfo | None:
        return ZoneInfo(self.zone) if self.zone else datetime.strptime(self.offset, "%z").tzinfo


def _iso(year: str, month: str, day: str, *rest: str | None) -> str:
    hour, minute, second, fraction, zone = (*rest, None, None)[:5]
    time = f"{int(hour or 0):02}:{minute or '00'}:{second or '00'}.{(fraction or '0')[:6]:0<6}"
    offset = "+00:00" if (zone or "").upper() in {"Z", "UTC", "GMT"} else zone or ""
    return f"{year}-{int(month):02}-{int(day):02}T{time}{offset}"


def _unix(part: Part) -> datetime:
    number = float(part.value) if len(str(part.value)) <= 20 else -1.0  # noqa: PLR2004 - digits of any real time
    seconds = number / 1000 if number >= _MILLISECONDS else number
    if not 0 <= seconds < _MILLISECONDS:
        part.refuse("a time in unix seconds or milliseconds")
    instant = datetime.fromtimestamp(min(seconds, 7_000_000_000), UTC)
    return Part(instant.isoformat(), part.path).instant()
