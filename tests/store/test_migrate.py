"""The migrations bring a database to exactly the tables that the code knows, on both kinds."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import column, insert, select
from sqlalchemy import table as table_of

from connector.store import connections
from connector.store.database import Database
from connector.store.migrations import head, migrate, present
from connector.store.rows import fetch
from connector.store.tables import events, metadata, subjects


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


def test_a_database_without_tables_stands_nowhere(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    database = Database(f"sqlite:///{tmp_path}/empty.sqlite")
    assert present(database) is None
    database.close()


FORMER: Final = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def former(empty_database_url: str) -> Iterator[Database]:
    """A database as the version before left it, with one delivery of a stale stage, a held one and an applied one."""
    migrate(empty_database_url, "0006")
    database = Database(empty_database_url)
    at = {number: (FORMER + timedelta(days=number)).isoformat(" ", "microseconds")[:26] for number in range(5)}
    with database.write() as connection:
        for table, rows in _former_rows(at).items():
            for row in rows:
                connection.execute(insert(table_of(table, *map(column, row))).values(row))
    yield database
    database.close()


def _former_rows(at: Mapping[int, str]) -> dict[str, list[dict[str, Any]]]:
    def event(number: int, outcome: str, kind: str = "stage") -> dict[str, Any]:
        said = {"key": f"shop:{number}", "record": ["lead", "L"], "at": at[number], "kind": kind}
        return {
            "id": f"E{number}",
            "connection": "shop",
            "key": f"shop:{number}",
            "subject": "S",
            "origin": "S",
            "at": at[number],
            "kind": kind,
            "outcome": outcome,
            "said": json.dumps(said),
            "steps": "[]",
            "delivery": "D",
        }

    subject = {"id": "S", "kind": "lead", "status": "latent", "since": at[0], "version": 1, "created_at": at[0]}
    folded = subject | {"id": "T", "state": json.dumps({"last_run": 739_000})}
    record: dict[str, Any] = {"id": "R", "connection": "shop", "object": "lead", "external_id": "L", "subject": "S"}
    record |= {"stage": "won", "stage_at": at[4], "is_gone": False}
    delivery = {"id": "D", "connection": "shop", "key": "d", "received_at": at[4], "lane": 0, "outcome": "held"}
    delivery |= {"attempts": 1, "next_attempt_at": at[4], "duplicates": 0, "method": "POST", "query": "[]"}
    delivery |= {"headers": "{}", "tally": json.dumps({"held": 1, "applied": 2, "stale": 1})}
    return {
        "subjects": [subject, folded],
        "records": [record],
        "deliveries": [delivery, delivery | {"id": "N", "key": "n", "tally": "null", "outcome": "pending"}],
        "events": [event(1, "applied"), event(2, "held"), event(3, "applied", "owner"), event(4, "applied")],
        "kept": [{"connection": "shop", "name": "access", "sealed": "x", "kept_at": at[4]}],
    }


def test_a_database_of_the_version_before_is_taken_over_with_its_stale_events(former: Database) -> None:
    migrate(former.url.render_as_string(hide_password=False))
    with former.read() as connection:
        rows = fetch(connection, select(events.c.id, events.c.outcome, events.c.event).order_by(events.c.id))
        assert connections.get_secret(connection, "shop", "access") == "x"
    assert [(row["id"], row["outcome"]) for row in rows] == [
        ("E1", "stale"),
        ("E2", "held"),
        ("E3", "applied"),
        ("E4", "applied"),
    ]
    assert rows[0]["event"]["key"] == "shop:1"
    with former.read() as connection:
        columns = (subjects.c.id, subjects.c.since, subjects.c.last_run, subjects.c.rules)
        found = connection.execute(select(*columns).order_by(subjects.c.id)).all()
    assert [tuple(row) for row in found] == [("S", FORMER + timedelta(days=1), None, 0), ("T", FORMER, 739_000, 0)]
    assert present(former) == head()
