"""The rate limit of a connection: in this process, shared through Redis, and with Redis away."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connector.core.errors import CrmUnavailable
from connector.runtime.throttle import RateLimiter
from tests.runtime.timed_redis import TimedRedis

PREFIX = "test-limiter"
NOBODY = 9
ONCE = Retry(NoBackoff(), 0)


class Clock:
    def __init__(self) -> None:
        self.now = time.time()
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The library reads the clock itself."""
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    return clock


@pytest.fixture
def redis(redis_url: str, clock: Clock) -> Iterator[Redis]:
    """A Redis whose clock the test sets."""
    with TimedRedis.from_url(redis_url) as client:
        client.clock = clock
        client.flushall()
        yield client


def limiter(clock: Clock, redis: Redis | None, name: str = "tokyo", longest: float = 30.0) -> RateLimiter:
    return RateLimiter(name, (3, 2), redis=redis, clock=clock, sleep=clock.sleep, longest_wait=longest, prefix=PREFIX)


def test_calls_within_the_limit_do_not_wait(clock: Clock) -> None:
    limited = limiter(clock, None)
    for _ in range(3):
        limited.wait()
    assert clock.slept == []


def test_a_call_over_the_limit_waits_until_the_oldest_leaves_the_window(clock: Clock) -> None:
    limited = limiter(clock, None)
    for _ in range(3):
        limited.wait()
        clock.now += 0.5
    limited.wait()
    assert sum(clock.slept) == pytest.approx(0.5, abs=0.02)


def test_a_wait_beyond_the_bound_fails_at_once_and_says_when(clock: Clock) -> None:
    limited = limiter(clock, None, longest=1.0)
    for _ in range(3):
        limited.wait()
    with pytest.raises(CrmUnavailable, match="the limit of 3 calls in 2 s is used up") as caught:
        limited.wait()
    assert caught.value.retry_after == pytest.approx(2.0, abs=0.01)
    assert clock.slept == []


def test_two_processes_share_the_limit_through_redis_and_connections_do_not(clock: Clock, redis: Redis) -> None:
    first, second, other = limiter(clock, redis), limiter(clock, redis), limiter(clock, redis, "osaka")
    first.wait()
    second.wait()
    first.wait()
    other.wait()
    assert clock.slept == []
    second.wait()
    assert sum(clock.slept) == pytest.approx(2.0, abs=0.02)


def test_a_machine_an_hour_ahead_has_the_same_limit_as_the_others_and_tells_them_nothing_wrong(
    clock: Clock, redis: Redis
) -> None:
    ahead = RateLimiter("tokyo", (3, 2), redis=redis, clock=lambda: clock() + 3600, sleep=clock.sleep, prefix=PREFIX)
    for _ in range(3):
        ahead.wait()
    with pytest.raises(CrmUnavailable) as caught:
        limiter(clock, redis, longest=1.0).wait()
    assert caught.value.retry_after == pytest.approx(2.0, abs=0.01)
    limiter(clock, redis).wait()
    assert sum(clock.slept) == pytest.approx(2.0, abs=0.02)


def test_while_redis_is_away_the_process_limits_itself_and_asks_redis_again_later(clock: Clock) -> None:
    with Redis(port=NOBODY, socket_connect_timeout=0.2, retry=ONCE) as nobody:
        limited = limiter(clock, nobody)
        for _ in range(4):
            limited.wait()
        assert sum(clock.slept) == pytest.approx(2.0, abs=0.02)
        clock.now += 60
        limited.wait()
