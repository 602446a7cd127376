"""The circuit breaker of a connection: in this process, shared through Redis, and with Redis away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connector.runtime.retry import RetryPolicy
from connector.runtime.throttle import CircuitBreaker
from tests.runtime.timed_redis import TimedRedis

RETRY = RetryPolicy(first=timedelta(seconds=10), most=timedelta(seconds=35), is_least=True)
PREFIX = "test-breaker"
NOBODY = 9
ONCE = Retry(NoBackoff(), 0)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis(redis_url: str, clock: Clock) -> Iterator[Redis]:
    """A Redis whose clock the test sets."""
    with TimedRedis.from_url(redis_url) as client:
        client.clock = clock
        client.flushall()
        yield client


@pytest.fixture(params=["own", "shared"])
def store(request: pytest.FixtureRequest) -> Redis | None:
    return request.getfixturevalue("redis") if request.param == "shared" else None


def breaker(clock: Clock, redis: Redis | None) -> CircuitBreaker:
    return CircuitBreaker("tokyo", redis=redis, clock=clock, threshold=3, retry=RETRY, trial=60, prefix=PREFIX)


def broken(clock: Clock, redis: Redis | None) -> CircuitBreaker:
    circuit = breaker(clock, redis)
    for _ in range(3):
        assert circuit.admit() == 0
        circuit.failed()
    return circuit


def test_it_opens_after_failures_in_a_row_only(clock: Clock, store: Redis | None) -> None:
    circuit = breaker(clock, store)
    for _ in range(5):
        circuit.failed()
        circuit.failed()
        circuit.succeeded()
    assert circuit.admit() == 0


def test_while_open_it_says_how_long_to_wait(clock: Clock, store: Redis | None) -> None:
    circuit = broken(clock, store)
    clock.now += 4
    assert circuit.admit() == 6


def test_failures_that_come_in_while_it_is_open_change_nothing(clock: Clock, store: Redis | None) -> None:
    circuit = broken(clock, store)
    circuit.failed(3600)
    assert circuit.admit() == 10


def test_it_stays_open_for_as_long_as_the_system_asked(clock: Clock, store: Redis | None) -> None:
    circuit = breaker(clock, store)
    circuit.failed(100)
    circuit.failed()
    circuit.failed(100)
    assert circuit.admit() == 100


def test_half_open_it_admits_one_call_and_closes_when_that_succeeds(clock: Clock, store: Redis | None) -> None:
    circuit = broken(clock, store)
    clock.now += 10
    assert [circuit.admit(), circuit.admit()] == [0, 60]
    circuit.succeeded()
    assert [circuit.admit(), circuit.admit()] == [0, 0]


def test_each_failed_try_doubles_the_rest_up_to_the_bound(clock: Clock, store: Redis | None) -> None:
    circuit = broken(clock, store)
    rests = []
    for _ in range(4):
        rests.append(circuit.admit())
        clock.now += rests[-1]
        assert circuit.admit() == 0
        circuit.failed()
    assert rests == [10, 20, 35, 35]


def test_a_try_that_never_reports_back_is_forgotten(clock: Clock, store: Redis | None) -> None:
    circuit = broken(clock, store)
    clock.now += 10
    circuit.admit()
    clock.now += 60
    assert [circuit.admit(), circuit.admit()] == [0, 60]


def test_two_processes_share_the_circuit_through_redis(clock: Clock, redis: Redis) -> None:
    first, second = breaker(clock, redis), breaker(clock, redis)
    first.failed()
    second.failed()
    first.failed()
    assert second.admit() == 10
    clock.now += 10
    assert [first.admit(), second.admit()] == [0, 60]
    first.succeeded()
    assert second.admit() == 0
    assert list(redis.scan_iter(f"{PREFIX}:*")) == []


def test_without_redis_it_goes_on_with_what_it_knows(clock: Clock) -> None:
    with Redis(port=NOBODY, socket_connect_timeout=0.2, retry=ONCE) as nobody:
        circuit = broken(clock, nobody)
        assert circuit.admit() == 10
        clock.now += 8
        assert circuit.admit() == 2


def test_what_redis_said_last_is_known_when_it_goes_away(clock: Clock, redis: Redis) -> None:
    circuit = broken(clock, redis)
    circuit._redis = Redis(port=NOBODY, socket_connect_timeout=0.2, retry=ONCE)
    assert circuit.admit() == 10


@pytest.mark.parametrize("wrong", [3600, -3600])
def test_a_machine_an_hour_ahead_or_behind_says_the_same_as_the_others(
    clock: Clock, redis: Redis, wrong: float
) -> None:
    clock.now = 10_000
    foreign = CircuitBreaker(
        "tokyo", redis=redis, clock=lambda: clock() + wrong, threshold=3, retry=RETRY, prefix=PREFIX
    )
    for _ in range(3):
        foreign.failed()
    assert (breaker(clock, redis).admit(), foreign.admit()) == (10, 10)
    foreign._redis = Redis(port=NOBODY, socket_connect_timeout=0.2, retry=ONCE)
    assert foreign.admit() == 10
