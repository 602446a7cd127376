"""A database that is away, full or replaced acknowledges nothing; without Redis all goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import text
from sqlalchemy.exc import ArgumentError, OperationalError

from connector.intake.group_commit import Writer, error_text
from connector.intake.receive import Intake, NotStored
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_intake
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import deliveries
from connector.store.database import Database
from tests.conftest import Clock, wait_for
from tests.flow.senders import add_connection
from tests.intake.workspace import all_at_once, commits_counted, delivery, quarantined, receive, stored
from tests.store.test_deliveries import row
from tests.store.test_quarantine import BOUNDS
from tests.web.malformed import OTHER_SECRET, SHOP, line, lines


def set_pragma(runtime: Runtime, pragma: str) -> None:
    """Set a pragma of the one connection that writes."""
    connection = runtime.database.engine.raw_connection()
    connection.cursor().execute(f"PRAGMA {pragma}")
    connection.close()


def made(url: str, redis_url: str, folder: Path, clock: Clock) -> Iterator[Runtime]:
    environ = {"DATABASE_URL": url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(folder / "data")}
    runtime = Runtime(read_config(environ, folder), clock)
    add_connection(runtime, SHOP)
    yield runtime
    runtime.close()


@pytest.fixture
def on_sqlite(sqlite_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    yield from made(sqlite_url, redis_url, tmp_path, clock)


@pytest.fixture
def on_postgresql(postgres_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    yield from made(postgres_url, redis_url, tmp_path, clock)


@pytest.mark.parametrize(
    ("pragma", "mended"),
    [("max_page_count = 1", "max_page_count = 1000000"), ("query_only = 1", "query_only = 0")],
    ids=["full disk", "read-only"],
)
def test_a_sqlite_that_cannot_be_written_acknowledges_nothing_and_recovers(
    on_sqlite: Runtime, pragma: str, mended: str
) -> None:
    intake = build_intake(on_sqlite)
    large = lines(line(fields={"text": "x" * 30_000}))
    set_pragma(on_sqlite, pragma)
    results = all_at_once(lambda number: receive(intake, delivery(f"msg_{number}", large)), range(8))
    assert {type(result) for result in results} == {NotStored}
    with pytest.raises(NotStored):
        receive(intake, delivery(secret=OTHER_SECRET, body=large))
    set_pragma(on_sqlite, mended)
    assert (stored(on_sqlite), quarantined(on_sqlite)) == ([], [])
    assert balance(on_sqlite) == {}
    assert receive(intake, delivery("msg_1", large)).status == 202


def test_a_sqlite_file_that_was_replaced_gets_what_comes_after(on_sqlite: Runtime, tmp_path: Path) -> None:
    runtime = on_sqlite
    intake = build_intake(runtime)
    receive(intake, delivery("before"))
    runtime.database.close()
    file = tmp_path / "connector.sqlite"
    backup = file.read_bytes()
    receive(intake, delivery("lost with the old file"))
    restored = tmp_path / "restored.sqlite"
    restored.write_bytes(backup)
    for ending in ("-wal", "-shm"):
        Path(f"{file}{ending}").unlink()
    restored.replace(file)
    assert receive(intake, delivery("after")).status == 202
    again = Database(runtime.config.database_url)
    with again.read() as connection:
        assert {one.key for one in deliveries.listed(connection)} == {"after", "before"}
    again.close()


def test_a_sqlite_file_that_was_deleted_acknowledges_nothing(on_sqlite: Runtime, tmp_path: Path) -> None:
    runtime = on_sqlite
    intake = build_intake(runtime)
    receive(intake, delivery("before"))
    (tmp_path / "connector.sqlite").unlink()
    with pytest.raises(NotStored):
        receive(intake, delivery("after"))
    assert not (tmp_path / "connector.sqlite").exists()


def test_a_postgresql_that_ends_its_connections_is_reached_again(postgres: Database, on_postgresql: Runtime) -> None:
    runtime = on_postgresql
    intake = build_intake(runtime)
    is_over = threading.Event()

    def end_connections() -> None:
        name = runtime.database.url.database
        kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        while not is_over.wait(0.05):
            with postgres.engine.connect() as connection:
                connection.execute(kill, {"name": name})

    def send(number: int) -> str | None:
        try:
            receive(intake, delivery(f"msg_{number}"))
        except NotStored:
            return None
        return f"msg_{number}"

    with ThreadPoolExecutor(5) as pool:
        killer = pool.submit(end_connections)
        try:
            acknowledged = {key for key in pool.map(send, range(160)) if key}
        finally:
            is_over.set()
        killer.result()
    assert len(acknowledged) > 80
    assert acknowledged <= {one.key for one in stored(runtime)}
    assert is_balanced(balance(runtime)[SHOP])


def test_a_postgresql_that_is_gone_acknowledges_nothing(postgres: Database, on_postgresql: Runtime) -> None:
    runtime = on_postgresql
    intake = build_intake(runtime)
    receive(intake, delivery("before"))
    name = str(runtime.database.url.database)
    rename(postgres, name, f"{name}_away")
    try:
        with pytest.raises(NotStored):
            intake._writer.write(row("after"))
        runtime.connections.forget()
        with pytest.raises(NotStored):
            receive(intake, delivery("after"))
    finally:
        rename(postgres, f"{name}_away", name)
    assert receive(intake, delivery("after")).status == 202
    assert {one.key for one in stored(runtime)} == {"after", "before"}


def rename(postgres: Database, name: str, new: str) -> None:
    autocommit = postgres.engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        connection.execute(kill, {"name": name})
        connection.execute(text(f"ALTER DATABASE {name} RENAME TO {new}"))


def test_a_commit_that_takes_too_long_acknowledges_nothing_and_stores_nothing_later(database: Database) -> None:
    writer, is_held, is_free = (
        Writer(database, BOUNDS, lambda _: None),
        threading.Event(),
        threading.Event(),
    )

    def hold() -> None:
        is_held.set()
        is_free.wait(20)

    with commits_counted(database, hold):
        with pytest.raises(NotStored):
            writer.write(row("during the slow commit"), seconds=0.05)
        assert is_held.wait(20)
        with pytest.raises(NotStored):
            writer.write(row("behind it"), seconds=0.05)
        is_free.set()
        writer.write(row("after it"))
    with database.read() as connection:
        keys = {one.key for one in deliveries.listed(connection)}
    assert keys == {"during the slow commit", "after it"}


def test_without_redis_deliveries_are_stored_and_acknowledged_without_delay(shop: Runtime, intake: Intake) -> None:
    shop.__dict__["redis"] = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    receive(intake, delivery("first"))
    started = time.monotonic()
    for number in range(20):
        receive(intake, delivery(f"msg_{number}"))
    assert (time.monotonic() - started) / 20 < 0.1
    assert len(stored(shop)) == 21


def test_a_redis_that_does_not_answer_holds_up_nobody(database: Database) -> None:
    is_free = threading.Event()
    woken: list[set[int]] = []

    def committed(lanes: set[int]) -> None:
        is_free.wait(20)
        woken.append(lanes)

    writer = Writer(database, BOUNDS, committed)
    started = time.monotonic()
    for number in range(20):
        writer.write(row(f"k{number}", lane=number))
    assert (time.monotonic() - started) / 20 < 0.1
    is_free.set()
    wait_for(lambda: set().union(*woken) == set(range(20)), "all lanes")
    assert len(woken) < 20


def test_a_wake_up_that_fails_stops_no_later_one(database: Database) -> None:
    woken: list[set[int]] = []

    def committed(lanes: set[int]) -> None:
        woken.append(lanes)
        if len(woken) == 1:
            message = "not expected"
            raise RuntimeError(message)

    writer = Writer(database, BOUNDS, committed)
    writer.write(row("a", lane=1))
    wait_for(lambda: bool(woken), "the first wake-up")
    writer.write(row("b", lane=2))
    wait_for(lambda: woken == [{1}, {2}], "the second")


def test_what_a_database_says_is_told_in_one_line_without_values() -> None:
    broken = OperationalError(
        "INSERT INTO deliveries", {"body": "private"}, ValueError("disk is full\nDETAIL: private")
    )
    assert error_text(broken) == "ValueError: disk is full"
    assert error_text(ArgumentError("private")) == "ArgumentError"
    assert error_text(OSError(28, "No space left on device")) == "OSError: [Errno 28] No space left on device"
