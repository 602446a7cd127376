"""PostgreSQL databases for tests: one that a test has left is emptied for the next; a new one takes far longer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import text

from connector.store.database import Database, new_id
from connector.store.migrations import migrate

_END_OTHERS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_COLUMNS: Final = """
SELECT relname, attname, atttypid, attnotnull, (SELECT version_num FROM alembic_version),
  (SELECT array_agg(pg_get_indexdef(indexrelid) ORDER BY indexrelid) FROM pg_index WHERE indrelid = attrelid)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
ORDER BY relname, attnum
"""
"""Every column, with the version of the tables and the indices of its own."""


class PostgresPool:
    """Migrated databases with nothing in them. Close it at the end, with all databases given back."""

    def __init__(self, postgres: Database, server: str) -> None:
        self._postgres, self._server = postgres, server
        self._template = self._create()
        migrate(f"{server}/{self._template}")
        with psycopg.connect(f"{server}/{self._template}") as connection:
            self._whole = connection.execute(_COLUMNS).fetchall()
        self._names: list[str] = []

    def acquire(self) -> str:
        """The name of one."""
        return self._names.pop() if self._names else self._create(self._template)

    def release(self, name: str) -> None:
        """What a test has changed beyond rows is not used again."""
        if self._empties(name):
            self._names.append(name)
        else:
            self._drop(name)

    def close(self) -> None:
        for name in (*self._names, self._template):
            self._drop(name)

    def _empties(self, name: str) -> bool:
        """Delete all rows, whoever still holds some; whether the tables are as they were."""
        try:
            with psycopg.connect(f"{self._server}/{name}") as connection:
                connection.execute(_END_OTHERS)
                if connection.execute(_COLUMNS).fetchall() != self._whole:
                    return False
                connection.execute("SET session_replication_role = replica")  # in any order: no key is looked at
                for table in {row[0] for row in self._whole} - {"alembic_version"}:
                    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
                return True
        except psycopg.Error:
            return False

    def _create(self, template: str = "template1") -> str:
        name = f"test_{new_id(datetime.now(UTC)).lower()}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _drop(self, name: str) -> None:
        self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with self._postgres.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text(statement))
