"""Wakes the workers: at most one waiting RQ job per lane and task, and never an error when Redis is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import RedisError
from redis.lock import Lock
from rq import Queue
from rq.utils import as_text

log: Final = structlog.get_logger(__name__)
WAITING_SECONDS: Final = 30
"""How long a wake-up that was lost on the way can keep others from being sent."""
QUIET_SECONDS: Final = 1.0
"""How long Redis is left alone after it could not be reached."""
TURN_SECONDS: Final = 15.0
"""How long others wait for the turn of a process that died."""
JOB_SECONDS: Final = 180
FAILED_JOB_SECONDS: Final = 3600


class Waker:
    """Sends wake-ups: "drain", not "do this one"; one that is lost is made up for by the re-queue job."""

    def __init__(self, redis: Redis, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._monotonic = monotonic
        self._quiet_until = 0.0

    def wake(self, queue: str, function: str, *args: int | str, seconds: int = JOB_SECONDS) -> bool:
        """Enqueue `function(*args)` unless that already waits; whether Redis could be reached.

        `seconds`: how long the job may run.
        """
        if self._monotonic() < self._quiet_until:
            return False
        try:
            if self._redis.set(_key(function, *args), "1", nx=True, ex=WAITING_SECONDS):
                self._enqueue(Queue(queue, connection=self._redis), function, args, seconds)
        except (RedisError, OSError) as error:
            self._quiet_until = self._monotonic() + QUIET_SECONDS
            log.warning("redis is away; what is stored will be found later", error=type(error).__name__)
            return False
        return True

    def _enqueue(self, queue: Queue, function: str, args: tuple[int | str, ...], seconds: int) -> None:
        """Unless the job that was enqueued last still waits: while no worker runs, jobs must not pile up."""
        last = f"{_key(function, *args)}:job"
        known = self._redis.get(last)
        if known is not None and self._redis.lpos(queue.key, as_text(known)) is not None:
            return
        job = queue.enqueue(function, args=args, job_timeout=seconds, result_ttl=0, failure_ttl=FAILED_JOB_SECONDS)
        self._redis.set(last, job.id, ex=FAILED_JOB_SECONDS * 24)

    def woken(self, function: str, *args: int | str) -> None:
        """Note that the job has started: from now on a new wake-up may wait behind it."""
        try:
            self._redis.delete(_key(function, *args))
        except (RedisError, OSError) as error:
            log.warning("redis is away", error=type(error).__name__)

    @contextmanager
    def turn(self, name: str) -> Iterator[bool]:
        """Whether nobody else works on `name` now; it is ours until the block ends, or soon after the process dies.

        Two at once do no harm, they only waste work: without Redis everybody has a turn.
        """
        lock = self._redis.lock(f"connector:turn:{name}", timeout=TURN_SECONDS, blocking=False, thread_local=False)
        try:
            has_turn = bool(lock.acquire())
        except (RedisError, OSError):
            yield True
            return
        if not has_turn:
            yield False
            return
        is_over = threading.Event()
        keeper = threading.Thread(target=_keep, args=(lock, is_over), name=f"turn-{name}", daemon=True)
        keeper.start()
        try:
            yield True
        finally:
            is_over.set()
            keeper.join()
            with suppress(RedisError, OSError):
                lock.release()


def _keep(lock: Lock, is_over: threading.Event) -> None:
    """Renew a turn until it is over; one that was lost with its Redis is let go."""
    while not is_over.wait(TURN_SECONDS / 3):
        with suppress(RedisError, OSError):
            lock.reacquire()


def _key(function: str, *args: int | str) -> str:
    return ":".join(("connector:waiting", function, *(str(arg) for arg in args)))
