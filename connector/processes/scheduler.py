"""`connector scheduler`: RQ's cron enqueues the upkeep, however often Redis goes, comes back, or comes back empty."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Final

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq.cron import CronJob, CronScheduler
from rq.exceptions import StopRequested

from connector.processes import jobs
from connector.runtime.redis import connect
from connector.runtime.settings import Config
from connector.runtime.wakeups import RECONCILE, queue_of

QUEUE: Final = "maintenance"
SWEEP_SECONDS: Final = 60
JOB_SECONDS: Final = 300
FAILED_JOB_SECONDS: Final = 3600
REMAP_SECONDS: Final = 60
SUBSCRIBE_SECONDS: Final = 120
FORGET_AT: Final = "17 3 * * *"
WATCH_AT: Final = "41 20 * * *"
"""Before the working day begins in East Asia."""
PAUSE: Final = 1.0
log: Final = structlog.get_logger(__name__)


class SteadyCron(CronScheduler):
    """RQ's cron, which can also end while Redis is away."""

    def register_death(self, pipeline: Pipeline | None = None) -> None:
        """Say goodbye, if somebody listens; the registry forgets silent ones by itself."""
        with suppress(RedisError, OSError):
            super().register_death(pipeline)

    def enqueue_jobs(self) -> list[CronJob]:
        """Enqueue what is due, in the form in which our workers read it."""
        due = [job for job in self._cron_jobs if job.should_run()]
        for job in due:
            queue_of(self.connection, job.queue_name).enqueue(str(job.func_name), **job.job_options)
            job.set_enqueue_time(datetime.now(UTC))
        return due

    def _install_signal_handlers(self) -> None:
        """Nothing: `run` has its own, which outlive this scheduler."""


def run(config: Config) -> int:
    """Schedule until SIGTERM or SIGINT; the exit code. Only in the main thread."""
    if config.log_level != "debug":
        logging.getLogger("rq.cron").setLevel(logging.WARNING)
    redis = connect(config, connect_timeout=2.0, timeout=5.0, retries=1)
    try:
        for sent in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sent, _end)
        while True:
            try:
                redis.ping()
                log.info("scheduler started")
                cron(config, redis).start()  # type: ignore[no-untyped-call]
                break
            except (RedisError, OSError) as error:
                log.warning("redis is away; trying again", error=type(error).__name__)
                time.sleep(PAUSE)
    except StopRequested:
        pass
    log.info("scheduler ended")
    return 0


def cron(config: Config, redis: Redis) -> SteadyCron:
    """The schedule of the upkeep. What runs by interval is due at once, so that a start finds what waits."""
    found = SteadyCron(connection=redis)
    _every(found, config.requeue_seconds, jobs.requeue)
    _every(found, SWEEP_SECONDS, jobs.sweep)
    _every(found, config.reconcile_seconds, jobs.reconcile, most=RECONCILE.seconds)
    _every(found, REMAP_SECONDS, jobs.remap)
    _every(found, SUBSCRIBE_SECONDS, jobs.subscribe)
    for job, at in ((jobs.forget, FORGET_AT), (jobs.watch, WATCH_AT)):
        found.register(job, QUEUE, cron=at, result_ttl=0, job_timeout=JOB_SECONDS, failure_ttl=FAILED_JOB_SECONDS)
    return found


def _every(found: SteadyCron, seconds: int, job: Callable[[], None], most: int = JOB_SECONDS) -> None:
    """`ttl`: while no worker runs, jobs of the past do not pile up."""
    found.register(
        job,
        QUEUE,
        interval=seconds,
        result_ttl=0,
        ttl=max(2 * seconds, JOB_SECONDS),
        job_timeout=most,
        failure_ttl=FAILED_JOB_SECONDS,
    )


def _end(_signum: int, _frame: FrameType | None) -> None:
    raise StopRequested
