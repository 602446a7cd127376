"""Whoever may write to Redis can have our own jobs run, which do no harm, and nothing else."""

from __future__ import annotations

import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from connector.processes.jobs import Jobs, install
from connector.processes.worker import SteadyWorker
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import DRAIN, queue_of
from connector.store import deliveries
from tests.flow.senders import Sender, add_connection


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: this is about Redis."""
    return sqlite_url


def work(runtime: Runtime) -> None:
    install(Jobs(runtime, linger=0.0))
    names = ("process", "push", "notify", "maintenance")
    SteadyWorker(names, runtime.redis).work(burst=True, logging_level="CRITICAL")


class Trap:
    """What makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_what_is_pickled_is_not_unpickled(runtime: Runtime, tmp_path: Path) -> None:
    queue = queue_of(runtime.redis, "process")
    job = queue.enqueue(DRAIN.function, 0)
    runtime.redis.hset(job.key, "data", zlib.compress(pickle.dumps(Trap(tmp_path / "sprung"))))
    work(runtime)
    assert not (tmp_path / "sprung").exists()
    assert queue.count == 0


@pytest.mark.parametrize(
    "name", ["os.mkdir", "connector.processes.jobs.sys.exit", "connector.processes.jobs._installed"]
)
def test_no_function_but_our_jobs_is_called(runtime: Runtime, tmp_path: Path, name: str) -> None:
    queue = Queue("process", connection=runtime.redis, serializer=JSONSerializer)
    queue.enqueue(name, str(tmp_path / "sprung"))
    work(runtime)
    assert not (tmp_path / "sprung").exists()
    assert queue.count == 0


def test_nothing_else_of_a_job_is_believed(runtime: Runtime) -> None:
    queue = queue_of(runtime.redis, "process")
    job = queue.enqueue(DRAIN.function, 0)
    for field in ("success_callback_name", "failure_callback_name", "stopped_callback_name"):
        runtime.redis.hset(job.key, field, "tests.attacks.test_redis.spring")
    runtime.redis.hset(job.key, "webhooks", '[{"url": "http://169.254.169.254/"}]')
    work(runtime)
    assert SPRUNG == []


SPRUNG: list[object] = []


def spring(*given: object) -> None:
    SPRUNG.append(given)


def test_jobs_of_the_version_before_are_dropped_and_what_they_were_for_is_found_again(runtime: Runtime) -> None:
    add_connection(runtime)
    line = {"id": "e1", "subject": {"id": "L-1"}, "type": "stage", "object": "lead", "stage": "talking"}
    Sender(runtime).send({**line, "at": "2026-03-04T05:26:07Z"})
    runtime.redis.flushall()
    former = Queue("process", connection=runtime.redis)
    former.enqueue("connector.jobs.drain", 0)
    former.enqueue(DRAIN.function, 0)
    work(runtime)
    assert former.count == 0
    Jobs(runtime).requeue()
    work(runtime)
    with runtime.database.read() as connection:
        (row,) = deliveries.listed(connection)
    assert row.outcome == "applied"
