"""The database behind the store: one way to read and one way to write, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from connector.store.sqlite.file import SqliteFile, is_whole

SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-32000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA secure_delete=ON",
)
"""A checkpoint writes every page that changed into the file: every 16 MB rather than 4, most of them change again.

What is deleted is overwritten: the file holds nothing of it any more.
"""
TRIES: Final = 5
"""How often work is done again when another transaction came between."""
_ABORTED: Final = frozenset({"40001", "40P01"})
"""PostgreSQL's codes of a serialization failure and a deadlock."""
T = TypeVar("T")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(first + second for first in _DIGITS for second in _DIGITS)
_SHIFTS: Final = tuple(range(120, -1, -10))


def new_id(now: datetime) -> str:
    """A new id (ULID, 26 characters: milliseconds and 80 random bits in Crockford's base 32) that sorts by time."""
    number = (now - _EPOCH) // _MILLISECOND << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def database_url(text: str) -> URL:
    """The URL with the driver that the connector uses: psycopg 3 for PostgreSQL."""
    url = make_url(text)
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    return url


class Overtaken(Exception):
    """Another transaction changed what this one had read; done again, it will see that."""


class FileReplaced(Overtaken):
    """The SQLite file was replaced while this went into the one before; done again, it will be in the new one."""


def is_overtaken(error: Exception) -> bool:
    """Whether another transaction came between, so that doing the work again helps; a unique key may say so, too."""
    code = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return isinstance(error, Overtaken | IntegrityError) or code in _ABORTED


class Database:
    """A database by URL. On SQLite all writers of a file, in any process, take turns under one file lock.

    SQLite's own busy handler is not fair: without the lock a writer may starve for most of a second.
    """

    def __init__(self, url: str) -> None:
        self.url: Final = database_url(url)
        self.is_sqlite: Final = self.url.get_backend_name() == "sqlite"
        self._lock: Final = threading.Lock()
        self.file: Final = SqliteFile(Path(self.url.database or "")) if self.is_sqlite else None
        self._writer: Final = self._engine(is_writer=True)
        self._reader: Final = self._engine(is_writer=False) if self.is_sqlite else self._writer

    @property
    def engine(self) -> Engine:
        """The engine for writing, for migrations and benchmarks."""
        return self._writer

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that writes: committed at the end, rolled back by any error. Raises `FileReplaced`."""
        if self.file is None:
            with self._writer.begin() as connection:
                yield connection
            return
        with self._lock, self.file.turn():
            before = self.file.identity()
            with self._writer.begin() as connection:
                yield connection
            if self.file.identity() != before:
                raise FileReplaced

    def attempt(self, work: Callable[[Connection], T]) -> T:
        """What `work` gives in one transaction that writes; it is run again when another transaction came between."""
        for _ in range(TRIES - 1):
            try:
                with self.write() as connection:
                    return work(connection)
            except (DBAPIError, Overtaken) as error:
                if not is_overtaken(error):
                    raise
        with self.write() as connection:
            return work(connection)

    def flush_log(self) -> None:
        """Write all of SQLite's log into the file and empty it, so that nothing that was deleted is left in it.

        While others read, what they read stays in the log until the next time.
        """
        if self.file is not None:
            with self._lock, self.file.turn(), self._writer.connect() as connection:
                raw = connection.connection.dbapi_connection
                if raw is not None:
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads; it never waits for a writer."""
        with self._reader.connect() as connection:
            yield connection

    def pages(
        self,
        read: Callable[[Connection, str | None, int], Sequence[T]],
        *,
        id_of: Callable[[T], str],
        size: int,
        most: int | None = None,
    ) -> Iterator[T]:
        """Rows, read page by page in a transaction each. `most`: how many (None: all).

        `read` gets the id of the last row so far (None: none yet), and how many rows are wanted.
        """
        after: str | None = None
        left = most
        while left is None or left > 0:
            limit = size if left is None else min(size, left)
            with self.read() as connection:
                rows = read(connection, after, limit)
            yield from rows
            if len(rows) < limit:
                return
            after = id_of(rows[-1])
            left = None if left is None else left - len(rows)

    def close(self) -> None:
        """Close the pools and the lock file."""
        self._writer.dispose()
        self._reader.dispose()
        if self.file is not None:
            self.file.close()

    def check(self) -> bool:
        """Whether a SQLite file is whole, by reading all of it: one that is not takes nothing any more."""
        if self.file is None:
            return True
        with self.read() as connection:
            raw = connection.connection.dbapi_connection
            is_sound = raw is not None and is_whole(raw)
        if is_sound:
            self.file.unmark()
        else:
            self.file.mark()
        return is_sound

    def _engine(self, *, is_writer: bool) -> Engine:
        shared: dict[str, Any] = {"hide_parameters": True, "json_serializer": _dumps, "json_deserializer": orjson.loads}
        if self.file is None:
            return create_engine(
                self.url,
                pool_size=8,
                max_overflow=16,
                pool_pre_ping=True,
                connect_args={"connect_timeout": 5, "application_name": "connector"},
                **shared,
            )
        engine = create_engine(
            self.url,
            poolclass=QueuePool,
            pool_size=1 if is_writer else 8,
            max_overflow=0 if is_writer else 24,
            connect_args={"check_same_thread": False},
            **shared,
        )
        self.file.attach(engine)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_write if is_writer else _begin_read)
        return engine


def _dumps(value: Any) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_write(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_read(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
