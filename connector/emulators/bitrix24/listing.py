"""Filters, order, select and pages as Bitrix24's list methods take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from connector.emulators.bitrix24.php import as_array, as_list
from connector.emulators.bitrix24.records import Refused

Row: TypeAlias = Mapping[str, Any]
PAGE: Final = 50
_KEY: Final = re.compile(r"(>=|<=|!@|!=%|!%=|!%|!=|=%|%=|[><@%=!])?(.*)", re.DOTALL)
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">": lambda mine, theirs: mine is not None and mine > theirs,
    ">=": lambda mine, theirs: mine is not None and mine >= theirs,
    "<": lambda mine, theirs: mine is not None and mine < theirs,
    "<=": lambda mine, theirs: mine is not None and mine <= theirs,
    "=": lambda mine, theirs: mine == theirs,
    "!": lambda mine, theirs: mine != theirs,
    "!=": lambda mine, theirs: mine != theirs,
}


def matching(rows: Sequence[Row], wanted: Any) -> list[Row]:
    """The rows that a filter lets through. Raises `Refused` for an unknown field or a bad value."""
    conditions = as_array(wanted)
    return [row for row in rows if _matches(row, conditions)]


def _matches(row: Row, conditions: Mapping[str, Any]) -> bool:
    is_any = str(conditions.get("logic", "")).upper() == "OR"
    found = (_holds(row, key, value) for key, value in conditions.items() if key != "logic")
    return any(found) if is_any else all(found)


def _holds(row: Row, key: str, value: Any) -> bool:
    if key.isdecimal():
        return _matches(row, as_array(value))
    match = _KEY.fullmatch(key)
    sign, name = (match[1] or "=", match[2]) if match else ("=", key)
    if name not in row:
        raise _bad(what="filter", text=f"field '{name}' is not allowed in filter")
    mine = row[name]
    if sign in {"@", "!@"} or (sign in {"=", "!", "!="} and isinstance(value, list | dict)):
        return (mine in [_like(mine, name, wanted) for wanted in as_list(value)]) is not sign.startswith("!")
    if "%" in sign:
        return (str(value).strip("%").casefold() in str(mine).casefold()) is not sign.startswith("!")
    return _COMPARE[sign](mine, _like(mine, name, value))


def _like(mine: Any, name: str, value: Any) -> Any:
    """The filter's value in the type of the row's own."""
    try:
        if isinstance(mine, datetime):
            read = datetime.fromisoformat(str(value))
            return read if read.tzinfo else read.replace(tzinfo=mine.tzinfo)
        if isinstance(mine, bool):
            return str(value).lower() in {"1", "true", "y"}
        if isinstance(mine, int | float):
            return float(value)
    except (TypeError, ValueError) as error:
        raise _bad(what="filter", text=f"field '{name}' has invalid value") from error
    return value if mine is None else str(value)


def ordered(rows: Sequence[Row], order: Any) -> list[Row]:
    """The rows by `{field: ASC | DESC}`, the first field counting most; raises `Refused`."""
    result = list(rows)
    for name, direction in reversed(as_array(order).items()):
        if rows and name not in rows[0]:
            raise _bad(what="order", text=f"field '{name}' is not allowed in order")
        if str(direction).upper() not in {"ASC", "DESC"}:
            text = f"allowed sort directions are ASC, DESC. But got '{direction}' for field '{name}'"
            raise _bad(what="order", text=text)
        result.sort(key=lambda row: _rank(row[name]), reverse=str(direction).upper() == "DESC")
    return result


def _rank(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def page(rows: Sequence[Row], start: Any) -> tuple[Sequence[Row], int | None, int | None]:
    """The page at an offset, the total and the next offset; -1 gives the first page without counting."""
    offset = _offset(start)
    if offset < 0:
        return rows[:PAGE], None, None
    following = offset + PAGE
    return rows[offset:following], len(rows), following if following < len(rows) else None


def _offset(start: Any) -> int:
    try:
        return int(start or 0)
    except (TypeError, ValueError):
        return 0


def _bad(*, what: str, text: str) -> Refused:
    return Refused(code="INVALID_ARG_VALUE", text=f"Invalid {what}: {text}")
