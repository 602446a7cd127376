"""What every table needs, for a whole batch of rows at once, in the dialect of the connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    LargeBinary,
    Table,
    bindparam,
    column,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from connector.store.tables import Instant, to_utc

Row = Mapping[str, Any]
_T = TypeVar("_T")
CHUNK: Final = 400
"""Values in one IN list or VALUES clause; below SQLite's limit of bound parameters."""
_ROWS: Final = "rows"


def chunks(values: Iterable[_T], size: int = CHUNK) -> Iterator[Sequence[_T]]:
    """The values in portions."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def fetch(connection: Connection, query: Executable) -> list[Row]:
    """All rows of a query, by name of column."""
    result: CursorResult[Any] = connection.execute(query)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def among(
    connection: Connection, columns: Sequence[ColumnElement[Any]], values: Collection[str] | Collection[tuple[str, ...]]
) -> ColumnElement[bool]:
    """Whether the columns (all text) are one of the values: texts, or tuples as wide as there are columns.

    However many they are, they travel as one parameter, so that the statement is always the same and planned once.
    """
    given = bindparam(None, sorted(values), type_=JSON(), unique=True)
    is_one = len(columns) == 1
    parts: list[ColumnElement[Any]]
    if connection.dialect.name == "postgresql":
        rows = func.json_array_elements_text(given) if is_one else func.json_array_elements(given)
        each = rows.table_valued("value", name="given").render_derived(name="given")
        parts = [each.c.value.op("->>")(literal_column(str(place))) for place in range(len(columns))]
    else:
        each = func.json_each(given).table_valued("value", name="given")
        parts = [func.json_extract(each.c.value, literal_column(f"'$[{place}]'")) for place in range(len(columns))]
    return columns[0].in_(select(each.c.value)) if is_one else tuple_(*columns).in_(select(*parts))


class Batch:
    """Rows that go through one statement; `batch[name]` stands for a row's value in it. `columns` give the types.

    On PostgreSQL all rows travel as one parameter and the statement runs once, since there every parameter and every
    message costs; SQLite, in this process, is fastest with one row after the other. Bytes have no place in JSON: they
    go row by row on both.
    """

    def __init__(self, connection: Connection, rows: Sequence[Row], columns: Mapping[str, Column[Any]]) -> None:
        self._connection = connection
        self._rows = rows
        self._columns = columns
        has_bytes = any(isinstance(one.type, LargeBinary) for one in columns.values())
        self._is_one = connection.dialect.name == "postgresql" and not has_bytes

    @classmethod
    def of(cls, connection: Connection, table: Table, rows: Sequence[Row]) -> Batch:
        """Rows of a table, all with the columns of the first."""
        return cls(connection, rows, {name: table.c[name] for name in rows[0]})

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        return _given(self._types).c[name] if self._is_one else bindparam(name, type_=self._columns[name].type)

    def insert(self, statement: Any) -> Any:
        """The INSERT with the rows as what it inserts."""
        return statement.from_select(list(self._columns), select(_given(self._types))) if self._is_one else statement

    def execute(self, statement: Executable) -> CursorResult[Any]:
        """Run the statement for all rows."""
        if not self._is_one:
            return self._connection.execute(statement, [dict(row) for row in self._rows])
        instants = [name for name, one in self._columns.items() if isinstance(one.type, Instant)]
        rows = [row | {name: to_utc(row[name]) for name in instants} for row in map(dict, self._rows)]
        return self._connection.execute(statement, {_ROWS: rows})

    @property
    def _types(self) -> tuple[tuple[str, Column[Any]], ...]:
        return tuple(self._columns.items())


@cache
def _given(columns: tuple[tuple[str, Column[Any]], ...]) -> Any:
    """PostgreSQL's view of the rows in the parameter, as a table."""
    named = (column(name, one.type) for name, one in columns)
    rows = func.json_to_recordset(bindparam(_ROWS, type_=JSON()))
    return rows.table_valued(*named, name="given").render_derived(name="given", with_types=True)


def dialect_insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, for the connection's database."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def insert_all(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows."""
    if rows:
        batch = Batch.of(connection, table, rows)
        batch.execute(batch.insert(dialect_insert(connection, table)))


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], name: str) -> set[Any]:
    """Insert the rows that break no unique key; the values of the column `name` of those that were inserted."""
    if not rows:
        return set()
    batch = Batch.of(connection, table, rows)
    statement = batch.insert(dialect_insert(connection, table)).on_conflict_do_nothing().returning(table.c[name])
    return set(batch.execute(statement).scalars())


def upsert(
    connection: Connection, table: Table, rows: Sequence[Row], keys: Sequence[str], changed: Sequence[str]
) -> None:
    """Insert the rows, or overwrite `changed` of those whose `keys` are there. No two rows may have the same keys."""
    upsert_by(connection, table, rows, keys, lambda new: {name: new[name] for name in changed})


def upsert_by(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    keys: Sequence[str],
    change: Callable[[Any], Mapping[str, Any]],
) -> None:
    """As `upsert`; `change` says what becomes of a row that is there, out of the columns of the new one."""
    if rows:
        batch = Batch.of(connection, table, rows)
        statement = batch.insert(dialect_insert(connection, table))
        batch.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=change(statement.excluded)))
