"""`connector worker`: an RQ worker in this process that outlives a Redis that goes, comes back, or comes back empty."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker, worker_registration
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import DequeueStrategy, WorkerStatus

from connector.processes import jobs
from connector.processes.jobs import Jobs
from connector.runtime import metrics, redis
from connector.runtime.parts import Runtime
from connector.runtime.settings import Config
from connector.runtime.wakeups import PlainJob

WORKER_SECONDS: Final = 30
"""How long a worker that died silently is still counted, give or take; it also bounds how long one waits on Redis."""
LONGEST_PAUSE: Final = 2.0
PAUSE: Final = 0.5
log: Final = structlog.get_logger(__name__)


class SteadyWorker(SimpleWorker):
    """Runs our jobs in this process, which has imported the application; takes no commands but signals.

    RQ's own listens to commands in a thread that would go on after its worker; and it waits up to a minute for Redis.
    """

    max_connection_wait_time = LONGEST_PAUSE

    def __init__(
        self, queues: Sequence[str] | Sequence[Queue], connection: Redis, worker_ttl: int | None = None
    ) -> None:
        super().__init__(
            queues, connection=connection, worker_ttl=worker_ttl, job_class=PlainJob, serializer=JSONSerializer
        )

    def subscribe(self) -> None:
        """Nothing: signals are enough."""

    def unsubscribe(self) -> None:
        """Nothing, as for `subscribe`."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Say that it lives; to a Redis that has forgotten it, who it is as well."""
        super().heartbeat(timeout, pipeline=pipeline)
        if pipeline is None and not self.connection.hexists(self.key, "birth"):
            with self.connection.pipeline() as again:
                again.hset(self.key, mapping=self.serialize())
                worker_registration.register(self, again)
                again.expire(self.key, timeout or self.worker_ttl + 60)
                again.execute()

    def stop(self) -> None:
        """End: as soon as the job has come to a good place, else at once, by raising `StopRequested`.

        RQ's own way asks Redis, and does not end while that is away.
        """
        self._stop_requested = True
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested

    def _install_signal_handlers(self) -> None:
        """Nothing: `run` has its own, which outlive this worker."""


class _WorkerProcess:
    """The worker of the moment, and whether the process was asked to end."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.worker: SteadyWorker | None = None
        self.is_ending = False

    def end(self, _signum: int, _frame: FrameType | None) -> None:
        """What a signal does; a second one does not wait for the job, which may be cut off at no harm."""
        if self.is_ending:
            sys.exit(1)
        self.is_ending = True
        self.jobs.end_soon()
        if self.worker is None:
            raise StopRequested
        self.worker.stop()


def run(config: Config, queues: Sequence[str]) -> int:
    """Work until SIGTERM or SIGINT, however often Redis goes; the exit code. Only in the main thread."""
    process = _WorkerProcess(Jobs(Runtime(config)))
    try:
        for sent in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sent, process.end)
        logging.getLogger("rq.worker").addFilter(_is_news)
        metrics.count_in(config.metrics_dir)
        jobs.install(process.jobs)
        client = connect(config)
        while not process.is_ending:
            _work(process, client, queues)
    except StopRequested:
        pass
    log.info("worker ended")
    return 0


def _work(process: _WorkerProcess, client: Redis, queues: Sequence[str]) -> None:
    """One worker until it ends, because it was asked to or because Redis went."""
    try:
        client.ping()
        process.worker = SteadyWorker(queues, connection=client, worker_ttl=WORKER_SECONDS)
        log.info("worker started", queues=",".join(queues))
        process.worker.work(logging_level=None, dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
    except (RedisError, OSError) as error:
        log.warning("redis is away; trying again", error=type(error).__name__)
    process.worker = None
    if not process.is_ending:
        time.sleep(PAUSE)


def _is_news(record: logging.LogRecord) -> bool:
    """Not RQ's traceback when Redis went in mid-job: `_work` says that in a line."""
    return not (record.exc_info and isinstance(record.exc_info[1], RedisError))


def connect(config: Config) -> Redis:
    """The worker's own Redis, on which it may wait for a job: with a shorter time-out it would take that for a loss."""
    return redis.connect(config, connect_timeout=2.0, timeout=float(WORKER_SECONDS), retries=1)
