"""The types of profile fields: how another system's value is read; what cannot be read as the type is None."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

_MOST_DIGITS: Final = 30
_MOST_ITEMS: Final = 1000
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,30}(\.0{1,30})?")
_TRUTHS: Final = {"true": True, "y": True, "yes": True, "1": True, "false": False, "n": False, "no": False, "0": False}


class FieldType(StrEnum):
    """What a profile field holds. All are kept as JSON: decimals as text, dates and times as ISO 8601."""

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"


def _string(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) and abs(value) < 10**_MOST_DIGITS else None


def _integer(value: Any) -> int | None:
    text = _string(value)
    return int(text.partition(".")[0]) if text is not None and _INTEGER.fullmatch(text) else None


def _decimal(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(_string(value) or "")
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS or len(number.as_tuple().digits) > _MOST_DIGITS:
        return None
    return format(number, "f")


def _boolean(value: Any) -> bool | None:
    return _TRUTHS.get((_string(value) or "").lower())


def _date(value: Any) -> str | None:
    """The date as it is written, whatever the time and zone beside it."""
    try:
        return datetime.fromisoformat(value.strip()).date().isoformat() if isinstance(value, str) else None
    except ValueError:
        return None


def _datetime(value: Any) -> str | None:
    """UTC; a time without a zone is taken as UTC, a date as its first instant."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def _list(value: Any) -> list[str] | None:
    """Texts; one value is a list of one, nothing is an empty list."""
    if isinstance(value, list | tuple):
        return [text for item in value[:_MOST_ITEMS] if (text := _string(item))]
    text = _string(value)
    return None if text is None else [text] if text else []


READ: Final[Mapping[FieldType, Callable[[Any], Any]]] = {
    FieldType.STRING: _string,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.LIST: _list,
}
