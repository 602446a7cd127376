"""Wakes the workers: at most one waiting RQ job per lane and task, and never an error when Redis is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

import structlog
from redis import Redis
from redis.exceptions import RedisError
from redis.lock import Lock
from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from rq.utils import as_text

log: Final = structlog.get_logger(__name__)
WAITING_SECONDS: Final = 30
"""How long a wake-up that was lost on the way can keep others from being sent."""
QUIET_SECONDS: Final = 1.0
"""How long Redis is left alone after it could not be reached."""
LOCK_SECONDS: Final = 15.0
"""How long others wait for the lock of a process that died."""
FAILED_JOB_SECONDS: Final = 3600


JOBS: Final = ("connector.processes.jobs.", "connector.jobs.")
"""Where the functions of jobs are; under the second name in jobs of former versions."""
_READ: Final = frozenset(
    {
        *("data", "status", "origin", "description", "worker_name", "timeout", "ttl", "result_ttl", "failure_ttl"),
        *("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat"),
    }
)
"""All that is believed of a job in Redis: no other functions to call, no addresses to post to, no other jobs."""


class PlainJob(RqJob):
    """A job that says which of our functions is to run with which numbers and texts, and nothing else."""

    def restore(self, raw_data: Mapping[bytes, bytes]) -> Any:
        """Take over what Redis has of it."""
        return super().restore({name: value for name, value in raw_data.items() if as_text(name) in _READ})

    def _deserialize_data(self) -> None:
        """Read the function and its arguments. Raises `DeserializationError`: they are none of ours."""
        super()._deserialize_data()  # type: ignore[no-untyped-call]
        module, _, name = str(self._func_name).rpartition(".")
        if f"{module}." not in JOBS or name.startswith("_") or self._instance is not None:
            raise DeserializationError


def queue_of(redis: Redis, name: str) -> Queue:
    """The queue of that name."""
    return Queue(name, connection=redis, job_class=PlainJob, serializer=JSONSerializer)


class Job(NamedTuple):
    """A job of the workers: its queue, its function by the name that RQ imports, and how many seconds it may run."""

    queue: str
    function: str
    seconds: int = 180


DRAIN: Final = Job("process", "connector.processes.jobs.drain")
PUSH: Final = Job("push", "connector.processes.jobs.push")
NOTIFY: Final = Job("notify", "connector.processes.jobs.notify")
REMAP: Final = Job("maintenance", "connector.processes.jobs.remap")
WHAT_IF: Final = Job("maintenance", "connector.processes.jobs.what_if_job")
FORGET: Final = Job("maintenance", "connector.processes.jobs.forget", seconds=300)
RECONCILE: Final = Job("maintenance", "connector.processes.jobs.reconcile", seconds=1800)
"""A system that was begun within the time may take longer than it."""

QUEUES: Final = (DRAIN.queue, PUSH.queue, NOTIFY.queue, REMAP.queue)


class Wakeups:
    """Sends wake-ups: "drain", not "do this one"; one that is lost is made up for by the re-queue job.

    `has_mail`: whether anybody mails notices.
    """

    def __init__(self, redis: Redis, *, has_mail: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._has_mail = has_mail
        self._monotonic = monotonic
        self._quiet_until = 0.0

    def enqueue(self, job: Job, *args: int | str) -> bool:
        """Enqueue a job with arguments unless that already waits; whether Redis could be reached."""
        if self._monotonic() < self._quiet_until:
            return False
        try:
            if self._redis.set(_key(job, *args), "1", nx=True, ex=WAITING_SECONDS):
                self._enqueue(job, args)
        except (RedisError, OSError) as error:
            self._quiet_until = self._monotonic() + QUIET_SECONDS
            log.warning("redis is away; what is stored will be found later", error=type(error).__name__)
            return False
        return True

    def enqueue_drains(self, lanes: Iterable[int]) -> None:
        """Have lanes processed in which something was stored."""
        for lane in lanes:
            self.enqueue(DRAIN, lane)

    def enqueue_senders(self) -> None:
        """Have the outbox worked off, into which something was put: updates, and notices where there is mail."""
        self.enqueue(PUSH)
        if self._has_mail:
            self.enqueue(NOTIFY)

    def _enqueue(self, job: Job, args: tuple[int | str, ...]) -> None:
        """Unless the job that was enqueued last still waits: while no worker runs, jobs must not pile up."""
        queue = queue_of(self._redis, job.queue)
        last = f"{_key(job, *args)}:job"
        known = self._redis.get(last)
        if known is not None and self._redis.lpos(queue.key, as_text(known)) is not None:
            return
        sent = queue.enqueue(
            job.function, args=args, job_timeout=job.seconds, result_ttl=0, failure_ttl=FAILED_JOB_SECONDS
        )
        self._redis.set(last, sent.id, ex=FAILED_JOB_SECONDS * 24)

    def is_any_waiting(self) -> bool:
        """Whether a job of any queue waits for a worker."""
        try:
            return any(self._redis.llen(Queue(name, connection=self._redis).key) for name in QUEUES)
        except (RedisError, OSError):
            return False

    def started(self, job: Job, *args: int | str) -> None:
        """Note that the job has started: from now on a new wake-up may wait behind it."""
        try:
            self._redis.delete(_key(job, *args))
        except (RedisError, OSError) as error:
            log.warning("redis is away", error=type(error).__name__)

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """Whether nobody else works on `name` now; it is ours until the block ends, or soon after the process dies.

        Two at once do no harm, they only waste work: without Redis everybody gets the lock.
        """
        lock = self._redis.lock(f"connector:turn:{name}", timeout=LOCK_SECONDS, blocking=False, thread_local=False)
        try:
            is_ours = bool(lock.acquire())
        except (RedisError, OSError):
            yield True
            return
        if not is_ours:
            yield False
            return
        is_over = threading.Event()
        renewer = threading.Thread(target=_renew, args=(lock, is_over), name=f"lock-{name}", daemon=True)
        renewer.start()
        try:
            yield True
        finally:
            is_over.set()
            renewer.join()
            with suppress(RedisError, OSError):
                lock.release()


def _renew(lock: Lock, is_over: threading.Event) -> None:
    """Renew a lock until it is over; one that was lost with its Redis is let go."""
    while not is_over.wait(LOCK_SECONDS / 3):
        with suppress(RedisError, OSError):
            lock.reacquire()


def _key(job: Job, *args: int | str) -> str:
    return ":".join(("connector:waiting", job.function, *(str(arg) for arg in args)))
