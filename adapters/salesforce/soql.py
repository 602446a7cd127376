"""Writes queries in SOQL; every value passes through `literal`.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

CHUNK: Final = 200
"""Values in one query, and records in one collection: the whole address may have 16,384 bytes."""


def select(fields: Iterable[str], source: str, *, where: str = "", order: str = "") -> str:
    """A query; of fields named twice only one."""
    parts = ["SELECT", ", ".join(dict.fromkeys(fields)), "FROM", source]
    parts += ["WHERE", where] if where else []
    parts += ["ORDER BY", order] if order else []
    return " ".join(parts)


def among(field: str, values: Iterable[str]) -> str:
    """The condition that a field has one of the values."""
    return f"{field} IN ({', '.join(map(literal, values))})"


def literal(text: str) -> str:
    """A text in quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
