"""A database or a Redis that takes no writes: readiness says so, `/healthz` waits for nobody, and all catches up."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from connector.adapter_kit.signatures import sign_webhook
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_intake
from connector.operations.safety.advice import explained
from connector.operations.safety.trial import Trial, Trials
from connector.processes import jobs
from connector.processes.jobs import Jobs
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import deliveries
from connector.web.app import create_app
from tests.conftest import wait_for
from tests.flow.senders import add_connection, drain
from tests.intake.workspace import delivery, receive, stored
from tests.server import exchange, serving, written
from tests.web.malformed import SECRET, SHOP, line, lines

SOON = 2.0


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Another program has SQLite's lock, as a shell does after BEGIN IMMEDIATE."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_while_the_database_is_locked_health_answers_at_once_and_senders_come_again(
    sqlite_url: str, redis_url: str, tmp_path: Path
) -> None:
    environ = {"DATABASE_URL": sqlite_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    server = Runtime(read_config(environ, tmp_path))
    add_connection(server, SHOP)
    acknowledged: list[str] = []
    slowest = 0.0

    def send(key: str) -> int:
        body = lines(line())
        headers = {"content-type": "application/json", **sign_webhook(key, body, [SECRET], datetime.now(UTC))}
        status, _, _ = exchange(port, written("POST", f"/webhooks/{SHOP}", headers, body))
        if status == 202:
            acknowledged.append(key)
        return status

    keys = [f"msg_{number}" for number in range(16)]
    with (
        serving(tmp_path, {**environ, "CONNECTOR_WEB_THREADS": "4"}, threads=4) as port,
        ThreadPoolExecutor(16) as pool,
    ):
        with locked(str(server.database.url.database)):
            answers = [pool.submit(send, key) for key in keys]
            for _ in range(5):
                started = time.monotonic()
                assert exchange(port, written("GET", "/healthz", {}, b""))[0] == 200
                slowest = max(slowest, time.monotonic() - started)
            wait_for(lambda: sum(one.done() for one in answers) >= 12, "the refusals")
            during = list(acknowledged)
        statuses = [one.result() for one in answers]
        assert set(statuses) <= {202, 503}
        assert during == []
        again = [key for key, status in zip(keys, statuses, strict=True) if status != 202]
        assert set(pool.map(send, again)) <= {202}
    found = [one.key for one in stored(server)]
    server.close()
    assert slowest < SOON
    assert (set(acknowledged) - set(found), len(found) - len(set(found))) == (set(), 0)


def ready(runtime: Runtime) -> tuple[int, dict[str, str]]:
    answer = create_app(runtime.config, runtime).test_client().get("/readyz")
    return answer.status_code, answer.get_json()["checks"]


@pytest.fixture
def read_only(sqlite_url: str) -> Iterator[str]:
    def refuse(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA query_only=ON")

    event.listen(Pool, "connect", refuse)
    yield sqlite_url
    event.remove(Pool, "connect", refuse)


def test_a_database_that_can_be_read_and_not_written_is_not_ready(
    read_only: str, redis_url: str, tmp_path: Path
) -> None:
    environ = {"DATABASE_URL": read_only, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    runtime = Runtime(read_config(environ, tmp_path))
    status, checks = ready(runtime)
    runtime.close()
    assert status == 503
    assert "cannot be written: attempt to write a readonly database; run this as the user" in checks["database"]


def test_a_disk_with_no_room_for_a_delivery_is_full_though_a_small_write_still_fits(
    sqlite_url: str, tmp_path: Path
) -> None:
    runtime = Runtime(read_config({"DATABASE_URL": sqlite_url}, tmp_path))
    error = Trials(runtime, least_room=1 << 60).database.error()
    assert Trials(runtime).database.error() is None
    runtime.close()
    assert "cannot be written: the disk of" in explained(error or OSError(), sqlite_url)
    assert "make room on its disk" in explained(error or OSError(), sqlite_url)


def test_a_write_that_does_not_end_is_told_and_who_asks_does_not_wait_for_it() -> None:
    is_free = threading.Event()
    trial = Trial(lambda: is_free.wait(20), wait=0.05)
    started = time.monotonic()
    assert trial.error() is None
    assert time.monotonic() - started < 1
    wait_for(lambda: "a write has waited for" in str(trial.error()), "the trial to be called late")
    is_free.set()
    wait_for(lambda: trial.error() is None, "the trial to end")


def test_what_was_tried_is_not_tried_again_at_once() -> None:
    tried: list[int] = []
    trial = Trial(lambda: tried.append(1), wait=5)
    assert [trial.error() for _ in range(100)] == [None] * 100
    assert tried == [1]


def test_a_redis_without_memory_is_said_and_all_that_came_meanwhile_is_found(runtime: Runtime) -> None:
    add_connection(runtime, SHOP)
    intake = build_intake(runtime)
    runtime.redis.config_set("maxmemory", "1")
    try:
        status, checks = ready(runtime)
        acknowledged = {f"msg_{number}" for number in range(20) if receive(intake, delivery(f"msg_{number}"))}
    finally:
        runtime.redis.config_set("maxmemory", "0")
    assert status == 200
    assert "redis takes no writes (" in checks["redis"]
    assert "maxmemory" in checks["redis"]
    assert ready(runtime)[1]["redis"] == "ok"
    jobs.install(Jobs(runtime, linger=0.0))
    jobs.requeue()
    drain(runtime)
    with runtime.database.read() as connection:
        found = [one.key for one in deliveries.listed(connection, limit=100)]
    assert (acknowledged - set(found), len(found) - len(set(found))) == (set(), 0)
    assert is_balanced(balance(runtime)[SHOP])
    assert balance(runtime)[SHOP]["pending"] == 0
