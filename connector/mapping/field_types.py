"""The types of profile fields: how another system's value is read; what cannot be read as the type is None."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, Self

from connector.adapter_kit.identities import international, normalize_email, normalize_phone
from connector.mapping.expressions import Expression

_MOST_DIGITS: Final = 30
_MOST_ITEMS: Final = 1000
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,30}(\.0{1,30})?")
_TRUTHS: Final = {"true": True, "y": True, "yes": True, "1": True, "false": False, "n": False, "no": False, "0": False}


def _string(value: Any, _region: str | None = None) -> str | None:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) and abs(value) < 10**_MOST_DIGITS else None


def _email(value: Any, _region: str | None = None) -> str | None:
    """As e-mails identify subjects in every system."""
    return normalize_email(value)


def _phone(value: Any, region: str | None) -> str | None:
    """As phone numbers identify subjects in every system."""
    found = international(normalize_phone(_string(value)) or "", region)
    return found[1] if found else None


def _integer(value: Any, _region: str | None = None) -> int | None:
    text = _string(value)
    return int(text.partition(".")[0]) if text is not None and _INTEGER.fullmatch(text) else None


def _decimal(value: Any, _region: str | None = None) -> str | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(_string(value) or "")
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS or len(number.as_tuple().digits) > _MOST_DIGITS:
        return None
    return format(number, "f")


def _boolean(value: Any, _region: str | None = None) -> bool | None:
    return _TRUTHS.get((_string(value) or "").lower())


def _date(value: Any, _region: str | None = None) -> str | None:
    """The date as it is written, whatever the time and zone beside it."""
    try:
        return datetime.fromisoformat(value.strip()).date().isoformat() if isinstance(value, str) else None
    except ValueError:
        return None


def _datetime(value: Any, _region: str | None = None) -> str | None:
    """UTC; a time without a zone is taken as UTC, a date as its first instant."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def _list(value: Any, _region: str | None = None) -> list[str] | None:
    """Texts; one value is a list of one, nothing is an empty list."""
    if isinstance(value, list | tuple):
        return [text for item in value[:_MOST_ITEMS] if (text := _string(item))]
    text = _string(value)
    return None if text is None else [text] if text else []


class FieldType(StrEnum):
    """What a profile field holds: its word in mappings, and how a value of another system is read.

    All are kept as JSON: decimals as text, dates and times as ISO 8601. A further type is a further line here.
    """

    STRING = "string", _string
    EMAIL = "email", _email
    PHONE = "phone", _phone
    INTEGER = "integer", _integer
    DECIMAL = "decimal", _decimal
    BOOLEAN = "boolean", _boolean
    DATE = "date", _date
    DATETIME = "datetime", _datetime
    LIST = "list", _list

    read: Callable[[Any, str | None], Any]

    def __new__(cls, word: str, read: Callable[[Any, str | None], Any]) -> Self:
        """A member is its word; `read` takes a value and the region of phone numbers, and gives None for no value."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.read = read
        return member


@dataclass(frozen=True, slots=True)
class Typed:
    """Where a value stands and how it is read. `region`: the country of phone numbers that are written without theirs.

    Without a region such phone numbers are left out.
    """

    source: Expression
    type: FieldType
    region: str | None

    def __call__(self, data: Mapping[str, Any]) -> Any:
        """The value in an event's data as JSON; None where there is none of the type.

        Where the data says that there is none, it is emptied: an empty text, or an empty list.
        """
        value = self.type.read(self.source.run(data), self.region)
        if value is not None or not self.source.is_emptied(data):
            return value
        return [] if self.type is FieldType.LIST else ""
