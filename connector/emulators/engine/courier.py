"""Sends the webhooks of an emulated system in the background: lost, doubled, late and retried as its faults say."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import requests

from connector.emulators.engine.faults import Faults, Tally, dice

TIMEOUT: Final = 10.0
Content: TypeAlias = tuple[bytes, Mapping[str, str]]
"""Body and headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One webhook. `about` names record and change: faults are drawn by it, so that threads do not change them.

    `make` gives body and headers of an attempt (0, 1, …): some systems sign each attempt anew. `pauses`: seconds before
    each retry after an answer that is no 2xx; empty: the system sends once. `answered` is told each answer's status and
    body; 0 where none came.
    """

    url: str
    about: str
    make: Callable[[int], Content]
    pauses: tuple[float, ...] = ()
    answered: Callable[[int, bytes], object] | None = None
    method: str = "POST"


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """A message that is due, in seconds of the monotonic clock."""

    due: float
    number: int
    attempt: int = field(compare=False)
    message: Message = field(compare=False)


class Courier:
    """Queues messages and sends them by threads. `answers` counts what the receivers answered, by status."""

    def __init__(self, *, faults: Faults, tally: Tally, threads: int = 2) -> None:
        self.answers: Counter[int] = Counter()
        self._faults, self._tally = faults, tally
        self._heap: list[_Waiting] = []
        self._numbers = itertools.count()
        self._ready, self._busy, self._is_closed = threading.Condition(), 0, False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def send(self, message: Message, *, is_sure: bool = False) -> None:
        """Queues a message; unless it `is_sure`, it may be lost, doubled or late by the faults."""
        self._tally.add("webhooks.raised")
        drawn = dice(self._faults.seed, message.url, message.about)
        is_lost, is_doubled, is_late = (
            not is_sure and drawn.random() < share
            for share in (self._faults.lost, self._faults.doubled, self._faults.late)
        )
        if is_lost:
            self._tally.add("webhooks.lost")
            return
        late = drawn.uniform(0, self._faults.late_seconds) if is_late else 0.0
        self._tally.add("webhooks.late" if is_late else "webhooks.prompt")
        self._queue(message, 0, late)
        if is_doubled:
            self._tally.add("webhooks.doubled")
            self._queue(message, 0, late + drawn.uniform(0, self._faults.late_seconds))

    def drain(self, timeout: float = 30.0) -> bool:
        """Waits until everything queued has been sent, late ones and retries too; False when the time is up before."""
        with self._ready:
            return self._ready.wait_for(lambda: not self._heap and not self._busy, timeout)

    def close(self) -> None:
        """Stops sending; what is still queued is dropped."""
        with self._ready:
            self._is_closed = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(TIMEOUT + 1)

    def _queue(self, message: Message, attempt: int, late: float) -> None:
        with self._ready:
            heapq.heappush(self._heap, _Waiting(time.monotonic() + late, next(self._numbers), attempt, message))
            self._ready.notify()

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # loopback goes by no proxy
            while waiting := self._next_due():
                is_taken = self._post(session, waiting)
                pauses = waiting.message.pauses
                if not is_taken and waiting.attempt < len(pauses):
                    self._tally.add("webhooks.retried")
                    self._queue(waiting.message, waiting.attempt + 1, pauses[waiting.attempt])
                with self._ready:
                    self._busy -= 1
                    self._ready.notify_all()

    def _next_due(self) -> _Waiting | None:
        with self._ready:
            while not self._is_closed:
                wait = self._heap[0].due - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    self._busy += 1
                    return heapq.heappop(self._heap)
                self._ready.wait(wait)
        return None

    def _post(self, session: requests.Session, waiting: _Waiting) -> bool:
        message = waiting.message
        body, headers = message.make(waiting.attempt)
        try:
            answer = session.request(
                message.method, message.url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            )
        except requests.RequestException:
            self._tally.add("webhooks.failed")
            status, body = 0, b""
        else:
            status, body = answer.status_code, answer.content
            with self._ready:
                self.answers[status] += 1
            self._tally.add("webhooks.sent" if answer.ok else "webhooks.refused")
        if message.answered:
            message.answered(status, body)
        return 200 <= status < 300  # noqa: PLR2004 - the class of answers that accept
