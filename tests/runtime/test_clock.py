"""The time is the database's, whatever the clock of a machine says, and goes on while the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.operations.doctor import examine
from connector.runtime.clock import ASK_SECONDS, DatabaseClock
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import deliveries
from connector.store.database import Database
from tests.flow.senders import Sender, add_connection, drain

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


class Machine:
    """A machine whose clock is wrong by `ahead`, and can be set or stopped by a test."""

    def __init__(self, ahead: timedelta = HOUR) -> None:
        self.ahead, self.passed = ahead, 0.0
        self._started = datetime.now(UTC)

    def clock(self) -> datetime:
        return self._started + timedelta(seconds=self.passed) + self.ahead

    def monotonic(self) -> float:
        return self.passed


def _clock(database: Database, machine: Machine, told: list[timedelta] | None = None) -> DatabaseClock:
    note = bool if told is None else told.append
    return DatabaseClock(lambda: database, told=note, machine=machine.clock, monotonic=machine.monotonic)


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Database]:
    found = Database(postgres_url)
    yield found
    found.close()


def _is_now(found: datetime) -> bool:
    return abs(found - datetime.now(UTC)) < 10 * SECOND


def test_the_time_is_the_database_s_and_how_far_the_machine_is_off_is_told(shared: Database) -> None:
    told: list[timedelta] = []
    assert _is_now(_clock(shared, Machine(), told)())
    assert [abs(one - HOUR) < 10 * SECOND for one in told] == [True]
    _clock(shared, Machine(timedelta(0)), told)()
    assert len(told) == 1


def test_it_is_asked_now_and_then_and_counted_on_in_between(shared: Database) -> None:
    machine = Machine()
    clock = _clock(shared, machine)
    first = clock()
    machine.passed += ASK_SECONDS
    assert clock() - first == timedelta(seconds=ASK_SECONDS)
    machine.passed += 1
    assert _is_now(clock())


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_machine_s_clock_that_jumps_changes_nothing(shared: Database, jump: timedelta) -> None:
    machine = Machine()
    clock = _clock(shared, machine)
    clock()
    machine.ahead += jump
    assert _is_now(clock())


def test_while_the_database_is_away_the_time_goes_on_from_what_it_said_last(shared: Database) -> None:
    machine = Machine()
    databases = [shared, Database("postgresql://nobody@127.0.0.1:1/nothing")]
    clock = DatabaseClock(lambda: databases[0], machine=machine.clock, monotonic=machine.monotonic)
    first = clock()
    databases.reverse()
    machine.passed += 60
    assert clock() - first == timedelta(seconds=60)
    databases[0].close()


def test_where_the_database_was_never_there_the_machine_s_clock_is_taken() -> None:
    machine = Machine()
    with closing(Database("postgresql://nobody@127.0.0.1:1/nothing")) as nobody:
        assert _clock(nobody, machine)() == machine.clock()


def test_sqlite_has_its_machine_s_clock(sqlite_url: str) -> None:
    machine = Machine()
    with closing(Database(sqlite_url)) as database:
        assert _clock(database, machine)() == machine.clock()


def test_a_web_server_that_is_four_minutes_ahead_delays_nothing_and_the_doctor_names_it(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    environ = {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    with closing(Runtime(read_config(environ, tmp_path))) as right:
        right.redis.flushall()
        assert {one.name: one.is_fine for one in examine(right)}["clocks"]
        machine = Machine(timedelta(minutes=4))
        ahead = DatabaseClock(lambda: right.database, told=right._note_clock, machine=machine.clock)
        with closing(Runtime(right.config, ahead)) as web:
            add_connection(web, "site")
            line = {"id": "1", "at": datetime.now(UTC).isoformat(), "type": "stage", "stage": "new"}
            line |= {"object": "lead", "subject": {"email": "mai@example.com"}}  # type: ignore[dict-item]
            assert Sender(web, "site").send(line, key="1").status_code == 202
        drain(right)
        with right.database.read() as connection:
            assert deliveries.account(connection)["site"]["applied"] == 1
        (clocks,) = (one for one in examine(right) if one.name == "clocks")
        assert "(240 s ahead)" in clocks.detail
