"""The migrations bring a database to exactly the tables that the code knows, on both kinds."""

from __future__ import annotations

import threading

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from connector.store.database import Database
from connector.store.migrate import head, migrate, present
from connector.store.tables import metadata


def test_the_migrations_give_the_tables_that_the_code_knows(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert present(database) == head()


def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    failures: list[Exception] = []

    def run() -> None:
        try:
            migrate(database_url)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is what the test is about
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_a_database_without_tables_stands_nowhere(tmp_path: object) -> None:
    database = Database(f"sqlite:///{tmp_path}/empty.sqlite")
    assert present(database) is None
    database.close()
