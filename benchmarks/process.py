"""Deliveries that wait in the store, processed by one worker; the reference is one RQ job for each of them."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

from redis import Redis
from rq import Queue, SimpleWorker
from sqlalchemy import update

from benchmarks import lines, places
from benchmarks.result import Result, of_rounds, per_second
from connector.operations.flow import build_processor
from connector.runtime.parts import Runtime
from connector.store.deliveries import ClaimedDelivery
from connector.store.tables import deliveries

LEASE: Final = timedelta(minutes=1)


@dataclass(slots=True)
class _Here:
    """The runtime of the reference's jobs, which run in this process, and how many of them are done."""

    runtime: Runtime | None = None
    done: int = 0


_here: Final = _Here()


def run(*, events: int = 5000, subjects: int = 1000, jobs: int = 300, rounds: int = 3) -> Iterator[Result]:
    """Events a second and worker, on each kind of database. `jobs`: how many events the reference is measured with."""
    with places.redis_url() as redis:
        for kind in places.kinds():
            measured = [_round(kind, redis, events, subjects, jobs) for _ in range(rounds)]
            yield of_rounds(f"process.{kind}", "events/s and worker", measured)


def _round(kind: str, redis: str, events: int, subjects: int, jobs: int) -> tuple[float, float]:
    with places.place(kind, redis) as place:
        runtime = place.runtime
        lines.store(runtime.database, places.NAME, subjects, events, runtime.clock())
        figure = per_second(lambda: build_processor(runtime).drain(0, lambda: True).finished)
    with places.place(kind, redis) as place, _jobs(redis) as queue:
        runtime = place.runtime
        share = max(1, jobs * subjects // events)
        for delivery in lines.store(runtime.database, places.NAME, share, jobs, runtime.clock()):
            queue.enqueue(process_one, delivery, result_ttl=0)
        _here.runtime, _here.done = runtime, 0
        runtime.connections.all()
        worker = SimpleWorker([queue], connection=queue.connection)
        reference = per_second(lambda: _work(worker))
        assert _here.done == jobs
    return figure, reference


def process_one(delivery: str) -> None:
    """The reference's job: claim one delivery, and do with it what a drain does with a batch."""
    runtime = _here.runtime
    assert runtime is not None
    with runtime.database.write() as connection:
        row = (
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery)
                .values(next_attempt_at=runtime.clock() + LEASE, attempts=deliveries.c.attempts + 1)
                .returning(*(deliveries.c[field.name] for field in fields(ClaimedDelivery)))
            )
            .mappings()
            .one()
        )
    build_processor(runtime).process([ClaimedDelivery(**row)])
    _here.done += 1


def _work(worker: SimpleWorker) -> int:
    worker.work(burst=True, logging_level="WARNING")
    return _here.done


@contextmanager
def _jobs(url: str) -> Iterator[Queue]:
    """A queue of our own; afterwards the signals are as they were before its worker took them."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    with Redis.from_url(url) as redis:
        queue = Queue(f"bench-{uuid.uuid4().hex}", connection=redis)
        try:
            yield queue
        finally:
            queue.delete(delete_jobs=True)
            for one, handler in before.items():
                signal.signal(one, handler)
