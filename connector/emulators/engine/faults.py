"""What can go wrong with an emulated portal, by switches, and the same way each time for the same seed."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


def dice(*words: object) -> random.Random:
    """A random source that depends on the words alone, so that threads do not change what is drawn."""
    return random.Random("/".join(map(str, words)))  # noqa: S311 - repeatable faults, no secrets


@dataclass(slots=True, kw_only=True)
class Faults:
    """Switches, all off; shares are 0 to 1 and may be changed while the portal runs.

    REST: `query_limit` answers 503, `server_error` a 502 page with nothing done, `lost_answer` does the work and then
    answers 502, `slow` answers after `slow_seconds` (beyond the client's patience: a time-out), `lying` reports updates
    that it does not save. `is_rate_limited`: 2 requests a second, 50 at once. `blocked`: methods out of operating time.
    `has_bad_credentials` refuses every secret, `moved_to` answers 302 to that base address. `halved`: a text in
    whose place JSON answers have half a character.
    Webhooks: `lost`, `doubled`, and `late` by up to `late_seconds`, which also reorders them.
    """

    seed: int = 0
    query_limit: float = 0.0
    server_error: float = 0.0
    lost_answer: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 0.0
    lying: float = 0.0
    is_rate_limited: bool = False
    blocked: frozenset[str] = frozenset()
    has_bad_credentials: bool = False
    moved_to: str | None = None
    halved: str = ""
    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    late_seconds: float = 0.2


@dataclass(slots=True)
class Tally:
    """Counts of what happened, by name, safe for threads."""

    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str) -> int:
        """Counts one more, and says how many there are now."""
        with self._lock:
            self.counts[name] += 1
            return self.counts[name]

    def __getitem__(self, name: str) -> int:
        with self._lock:
            return self.counts[name]

    def snapshot(self) -> dict[str, int]:
        """All counts, by name in order."""
        with self._lock:
            return dict(sorted(self.counts.items()))


class Bucket:
    """The cloud's leaky bucket: `drain` requests a second flow out, `size` fit in."""

    def __init__(self, now: Callable[[], datetime], *, drain: float = 2.0, size: int = 50) -> None:
        self._now, self._drain, self._size = now, drain, size
        self._level, self._at = 0.0, now()
        self._lock = threading.Lock()

    def admit(self) -> bool:
        """Whether one more request fits; if so it is in."""
        with self._lock:
            now = self._now()
            self._level = max(0.0, self._level - self._drain * (now - self._at).total_seconds())
            self._at = now
            if self._level + 1 > self._size:
                return False
            self._level += 1
            return True
