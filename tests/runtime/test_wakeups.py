"""Wake-ups: at most one job of a kind waits, Redis may be away at any moment, and what was missed is found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connector.processes.jobs import Jobs
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import DRAIN, PUSH, QUIET_SECONDS, Wakeups, queue_of
from tests.conftest import wait_for
from tests.flow.senders import Sender, add_connection


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


def waiting(redis: Redis, name: str = "process") -> list[tuple[str | None, tuple[Any, ...]]]:
    return [(job.func_name, tuple(job.args)) for job in queue_of(redis, name).jobs]


def away() -> Redis:
    """A Redis that refuses: nobody listens there."""
    return Redis(host="127.0.0.1", port=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


def test_however_often_a_lane_is_woken_one_job_waits(redis: Redis) -> None:
    wakeups = Wakeups(redis, has_mail=False)
    assert all(wakeups.enqueue(DRAIN, 3) for _ in range(50))
    assert wakeups.enqueue(DRAIN, 4)
    assert wakeups.enqueue(PUSH)
    assert waiting(redis) == [(DRAIN.function, (3,)), (DRAIN.function, (4,))]
    assert waiting(redis, "push") == [("connector.processes.jobs.push", ())]


def test_a_job_that_has_started_leaves_its_place_to_the_next(redis: Redis) -> None:
    wakeups = Wakeups(redis, has_mail=False)
    wakeups.enqueue(DRAIN, 0)
    redis.delete(queue_of(redis, "process").key)
    wakeups.started(DRAIN, 0)
    wakeups.enqueue(DRAIN, 0)
    assert waiting(redis) == [(DRAIN.function, (0,))]


def test_while_no_worker_runs_jobs_do_not_pile_up(redis: Redis) -> None:
    wakeups = Wakeups(redis, has_mail=False)
    for _ in range(20):
        wakeups.enqueue(DRAIN, 0)
        redis.delete("connector:waiting:connector.processes.jobs.drain:0")  # as its time ends while the job still waits
    assert waiting(redis) == [(DRAIN.function, (0,))]


def test_after_a_redis_that_lost_everything_a_lane_is_woken_at_once(redis: Redis) -> None:
    wakeups = Wakeups(redis, has_mail=False)
    wakeups.enqueue(DRAIN, 0)
    redis.flushall()
    wakeups.enqueue(DRAIN, 0)
    assert waiting(redis) == [(DRAIN.function, (0,))]


def test_a_wake_up_that_was_lost_on_the_way_keeps_no_others_away_for_long(redis: Redis) -> None:
    redis.set("connector:waiting:connector.processes.jobs.drain:0", "1", ex=30)
    assert Wakeups(redis, has_mail=False).enqueue(DRAIN, 0)
    assert waiting(redis) == []
    assert 0 < redis.ttl("connector:waiting:connector.processes.jobs.drain:0") <= 30


def test_a_redis_that_is_away_is_left_alone_for_a_second() -> None:
    seconds = Seconds()
    wakeups = Wakeups(away(), has_mail=False, monotonic=seconds)
    assert not wakeups.enqueue(DRAIN, 0)
    started = time.monotonic()
    assert not any(wakeups.enqueue(DRAIN, lane) for lane in range(1_000))
    assert time.monotonic() - started < 0.1
    seconds.now += QUIET_SECONDS
    assert not wakeups.enqueue(DRAIN, 0)


def test_a_redis_that_comes_back_is_used_again(redis: Redis) -> None:
    seconds = Seconds()
    wakeups = Wakeups(away(), has_mail=False, monotonic=seconds)
    assert not wakeups.enqueue(DRAIN, 0)
    wakeups._redis = redis
    assert not wakeups.enqueue(DRAIN, 0)
    seconds.now += QUIET_SECONDS
    assert wakeups.enqueue(DRAIN, 0)


def test_without_redis_a_start_is_noted_nowhere_and_everybody_has_a_turn() -> None:
    wakeups = Wakeups(away(), has_mail=False)
    wakeups.started(DRAIN, 0)
    with wakeups.lock("lane:0") as mine, wakeups.lock("lane:0") as theirs:
        assert (mine, theirs) == (True, True)


def test_one_at_a_time_has_a_turn(redis: Redis) -> None:
    wakeups = Wakeups(redis, has_mail=False)
    with wakeups.lock("lane:0") as mine:
        with wakeups.lock("lane:0") as theirs, wakeups.lock("lane:1") as other:
            assert (mine, theirs, other) == (True, False, True)
        with wakeups.lock("lane:0") as theirs:
            assert not theirs
    with wakeups.lock("lane:0") as again:
        assert again


def test_a_turn_that_ended_by_itself_is_not_taken_from_its_next_owner(redis: Redis) -> None:
    wakeups = Wakeups(redis, has_mail=False)
    with wakeups.lock("lane:0"):
        redis.set("connector:turn:lane:0", "another")
    assert redis.get("connector:turn:lane:0") == b"another"


def test_what_was_stored_while_redis_was_away_is_queued_when_it_is_back(runtime: Runtime, redis: Redis) -> None:
    add_connection(runtime)
    runtime.__dict__["redis"] = away()
    sender = Sender(runtime)
    line = {"id": "e1", "at": "2026-03-04T05:26:07Z", "type": "identify", "subject": {"email": "a@example.jp"}}
    assert sender.send(line).status_code == 202
    assert waiting(redis) == []
    runtime.__dict__.pop("wakeups", None)
    runtime.__dict__["redis"] = redis
    Jobs(runtime).requeue()
    wait_for(lambda: len(waiting(redis)) == 1, "the lane's job")
