"""As much of SOQL as an emulated Salesforce is asked: one table, conditions joined by AND, an order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

Row: TypeAlias = Mapping[str, Any]
_QUERY: Final = re.compile(
    r"SELECT (?P<fields>.+?) FROM (?P<table>\w+)(?: WHERE (?P<where>.+?))?(?: ORDER BY (?P<order>[\w., ]+))?", re.DOTALL
)
_TEXT: Final = r"'(?:[^'\\]|\\.)*'"
_CONDITION: Final = re.compile(
    rf"(?P<field>[\w.]+) (?P<is>=|>=|IN) (?P<value>\({_TEXT}(?:, {_TEXT})*\)|{_TEXT}|true|false|[0-9T:Z-]+)(?: AND |$)"
)


class SoqlError(Exception):
    """A query that Salesforce refuses: `code` and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query as it was read; `order`: field and whether it is descending."""

    fields: tuple[str, ...]
    table: str
    conditions: tuple[tuple[str, Callable[[Any], bool]], ...]
    order: tuple[tuple[str, bool], ...]

    def run(self, rows: Sequence[Row], columns: frozenset[str]) -> list[dict[str, Any]]:
        """The rows that match, in order, with the fields asked for. Raises `SoqlError`."""
        for name in (*self.fields, *(name for name, _ in self.conditions), *(name for name, _ in self.order)):
            if name not in columns:
                raise SoqlError("INVALID_FIELD", f"No such column '{name}' on entity '{self.table}'")  # noqa: EM101
        found = [row for row in rows if all(matches(row.get(name)) for name, matches in self.conditions)]
        for name, is_down in reversed(self.order):
            found.sort(key=lambda row, name=name: str(row.get(name) or ""), reverse=is_down)  # type: ignore[misc]
        return [self._shown(row) for row in found]

    def _shown(self, row: Row) -> dict[str, Any]:
        shown: dict[str, Any] = {"attributes": {"type": self.table}}
        for name in self.fields:
            parent, _, child = name.rpartition(".")
            if not parent:
                shown[name] = row.get(name)
            elif name in row:
                shown.setdefault(parent, {"attributes": {"type": parent}})[child] = row[name]
            else:
                shown.setdefault(parent, None)
        return shown


def read_query(soql: str) -> Query:
    """The query. Raises `SoqlError`: MALFORMED_QUERY."""
    match = _QUERY.fullmatch(soql.strip())
    fields = tuple(name.strip() for name in match["fields"].split(",")) if match else ()
    if match is None or not all(re.fullmatch(r"[\w.]+", name) for name in fields) or len(set(fields)) < len(fields):
        raise SoqlError("MALFORMED_QUERY", f"unexpected token in: {soql[:60]}")  # noqa: EM101
    order = [part.split() for part in (match["order"] or "").split(",") if part]
    return Query(
        fields=fields,
        table=match["table"],
        conditions=tuple(_conditions(match["where"] or "")),
        order=tuple((part[0], part[1:] == ["DESC"]) for part in order),
    )


def _conditions(where: str) -> list[tuple[str, Callable[[Any], bool]]]:
    found, place = [], 0
    while place < len(where):
        match = _CONDITION.match(where, place)
        if match is None:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: {where[place : place + 40]}")  # noqa: EM101
        found.append((match["field"], _test(match["is"], match["value"])))
        place = match.end()
    return found


def _test(operator: str, written: str) -> Callable[[Any], bool]:
    texts = [re.sub(r"\\(.)", r"\1", text[1:-1]) for text in re.findall(_TEXT, written)]
    if operator == "IN" or texts:
        folded = {text.casefold() for text in texts}
        return lambda value: str(value).casefold() in folded
    if operator == ">=":
        since = datetime.fromisoformat(written)
        return lambda value: datetime.fromisoformat(value) >= since
    return lambda value: value is (written == "true")
