"""What every table needs, for a whole batch of rows at once, in the dialect of the connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    DateTime,
    Dialect,
    Executable,
    LargeBinary,
    Table,
    TextClause,
    TypeDecorator,
    bindparam,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]
_T = TypeVar("_T")
CHUNK: Final = 400
"""Values in one IN list or VALUES clause; below SQLite's limit of bound parameters."""
_ROWS: Final = "rows"
Change: TypeAlias = tuple[str, ...] | Callable[[Any], Mapping[str, Any]]


def chunks(values: Iterable[_T], size: int = CHUNK) -> Iterator[Sequence[_T]]:
    """The values in portions."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def storable(text: str) -> str:
    """Text that every database can store: no NUL, no lone surrogate."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def fetch(connection: Connection, query: Executable) -> list[Row]:
    """All rows of a query, by name of column."""
    result: CursorResult[Any] = connection.execute(query)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def columns_of(table: Table, kind: Any) -> list[Column[Any]]:
    """The columns of a table that a dataclass has as its fields."""
    return [table.c[name] for name in _field_names(kind)]


def as_row(value: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, as they are: what `dataclasses.asdict` copies, at a tenth of its cost."""
    return {name: getattr(value, name) for name in _field_names(value.__class__)}


def among(
    connection: Connection, columns: Sequence[Column[Any]], values: Collection[str] | Collection[tuple[str, ...]]
) -> TextClause:
    """Whether the columns (all text) are one of the values: texts, or tuples as wide as there are columns.

    However many they are, they travel as one parameter, so that the statement is always the same and prepared once. A
    statement can hold it once for the same columns.
    """
    clause, name = _among(connection.dialect.name, tuple(columns))
    ordered: list[Any] = sorted(values)
    # A named tuple is no list to the JSON encoder.
    listed = ordered if len(columns) == 1 else [list(value) for value in ordered]
    return clause.bindparams(bindparam(name, listed, type_=JSON()))


@cache
def _among(dialect: str, columns: tuple[Column[Any], ...]) -> tuple[TextClause, str]:
    name = "_".join(("among", *(one.name for one in columns)))
    left = ", ".join(f"{one.table.name}.{one.name}" for one in columns)
    places = range(len(columns))
    if dialect == "postgresql":
        function = "json_array_elements_text" if len(columns) == 1 else "json_array_elements"
        parts = [f"value ->> {place}" for place in places]
    else:
        function, parts = "json_each", [f"json_extract(value, '$[{place}]')" for place in places]
    right = "value" if len(columns) == 1 else ", ".join(parts)
    return text(f"({left}) IN (SELECT {right} FROM {function}(:{name}))"), name  # noqa: S608 - our own names


_LONGEST_INSTANT: Final = len("2026-03-04 05:26:07.000000")


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored in UTC with microseconds; a naive one is refused.

    SQLite keeps it as SQLAlchemy's own type does, `2026-03-04 05:26:07.000000`; read and written in one go, since a
    batch holds thousands of them.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], datetime | str | None]:
        """To UTC; to text without the offset where the database has no time zones."""
        return to_utc if dialect.name == "postgresql" else _to_text

    def result_processor(
        self,
        dialect: Dialect,
        coltype: object,  # noqa: ARG002 - the signature is SQLAlchemy's
    ) -> Callable[[Any], datetime | None]:
        """Aware UTC."""
        return to_utc if dialect.name == "postgresql" else _from_text


def to_utc(value: datetime | None) -> datetime | None:
    """The same instant in UTC. Raises `ValueError` for a naive time."""
    if value is None:
        return None
    if value.tzinfo is None:
        message = f"a naive time cannot be stored: {value!r}"
        raise ValueError(message)
    return value.astimezone(UTC)


def _to_text(value: datetime | None) -> str | None:
    if value is None or value.tzinfo is not UTC:
        value = to_utc(value)
    return None if value is None else value.isoformat(" ", "microseconds")[:_LONGEST_INSTANT]


def _from_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


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
        self._is_one = _is_one(connection.dialect.name, columns.values())

    @classmethod
    def of_table(cls, connection: Connection, table: Table, rows: Sequence[Row]) -> Batch:
        """Rows of a table, all with the columns of the first."""
        return cls(connection, rows, {name: table.c[name] for name in rows[0]})

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        return (
            _given(tuple(self._columns.items())).c[name]
            if self._is_one
            else bindparam(name, type_=self._columns[name].type)
        )

    def execute(self, statement: Executable) -> CursorResult[Any]:
        """Run the statement for all rows."""
        if not self._is_one:
            return self._connection.execute(statement, [dict(row) for row in self._rows])
        instants = [name for name, one in self._columns.items() if isinstance(one.type, Instant)]
        rows = [row | {name: to_utc(row[name]) for name in instants} for row in map(dict, self._rows)]
        return self._connection.execute(statement, {_ROWS: rows})


@cache
def _given(columns: tuple[tuple[str, Column[Any]], ...]) -> Any:
    """PostgreSQL's view of the rows in the parameter, as a table."""
    named = (column(name, one.type) for name, one in columns)
    rows = func.json_to_recordset(bindparam(_ROWS, type_=JSON()))
    return rows.table_valued(*named, name="given").render_derived(name="given", with_types=True)


def _is_one(dialect: str, columns: Iterable[Column[Any]]) -> bool:
    return dialect == "postgresql" and not any(isinstance(one.type, LargeBinary) for one in columns)


@cache
def _insert(dialect: str, table: Table, names: tuple[str, ...]) -> Any:
    """An INSERT of a batch, which knows ON CONFLICT."""
    columns = [(name, table.c[name]) for name in names]
    statement: Any = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    is_one = _is_one(dialect, (one for _, one in columns))
    return statement.from_select(names, select(_given(tuple(columns)))) if is_one else statement


@cache
def _insert_new(dialect: str, table: Table, names: tuple[str, ...], wanted: str) -> Any:
    return _insert(dialect, table, names).on_conflict_do_nothing().returning(table.c[wanted])


@lru_cache(maxsize=64)
def _upsert(dialect: str, table: Table, names: tuple[str, ...], keys: tuple[str, ...], change: Change) -> Any:
    statement = _insert(dialect, table, names)
    new = statement.excluded
    changed = change(new) if callable(change) else {name: new[name] for name in change}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def insert_all(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows."""
    if rows:
        Batch.of_table(connection, table, rows).execute(_insert(connection.dialect.name, table, tuple(rows[0])))


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], name: str) -> set[Any]:
    """Insert the rows that break no unique key; the values of the column `name` of those that were inserted."""
    if not rows:
        return set()
    statement = _insert_new(connection.dialect.name, table, tuple(rows[0]), name)
    return set(Batch.of_table(connection, table, rows).execute(statement).scalars())


def upsert(connection: Connection, table: Table, rows: Sequence[Row], keys: tuple[str, ...], change: Change) -> None:
    """Insert the rows, or change those whose `keys` are there. No two rows may have the same keys.

    `change`: the columns to overwrite, or a function of a module that says out of the new row's columns what to set.
    """
    if rows:
        statement = _upsert(connection.dialect.name, table, tuple(rows[0]), keys, change)
        Batch.of_table(connection, table, rows).execute(statement)
