"""A Redis whose clock a test sets."""

from __future__ import annotations

import time
from collections.abc import Callable

from redis import Redis


class TimedRedis(Redis):
    """Says the time by `clock`, seconds since the epoch."""

    clock: Callable[[], float] = staticmethod(time.time)

    def time(self) -> tuple[int, int]:  # type: ignore[override]
        """Whole seconds, and millionths of the next one."""
        whole, rest = divmod(self.clock(), 1)
        return int(whole), round(rest * 1_000_000)
