"""The few statements that every table needs, in the dialect of the connection: insert what is new, upsert, in-lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Table, insert
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]
_T = TypeVar("_T")
CHUNK: Final = 400
"""Values in one IN list or VALUES clause; below SQLite's limit of bound parameters."""


def chunks(values: Iterable[_T], size: int = CHUNK) -> Iterator[Sequence[_T]]:
    """The values in portions."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def dialect_insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, for the connection's database."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def insert_all(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows in one statement."""
    if rows:
        connection.execute(insert(table), [dict(row) for row in rows])


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], column: str) -> set[Any]:
    """Insert the rows that break no unique key; the values of `column` of those that were inserted."""
    if not rows:
        return set()
    statement = dialect_insert(connection, table).on_conflict_do_nothing().returning(table.c[column])
    return set(connection.execute(statement, [dict(row) for row in rows]).scalars())


def upsert(
    connection: Connection, table: Table, rows: Sequence[Row], keys: Sequence[str], changed: Sequence[str]
) -> None:
    """Insert the rows, or set `changed` of those whose `keys` are there."""
    if not rows:
        return
    statement = dialect_insert(connection, table)
    statement = statement.on_conflict_do_update(
        index_elements=list(keys), set_={name: statement.excluded[name] for name in changed}
    )
    connection.execute(statement, [dict(row) for row in rows])
