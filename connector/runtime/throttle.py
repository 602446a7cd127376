"""The rate limit of one connection: shared by all processes through Redis, kept in this process while Redis is away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis

from connector.core.errors import CrmUnavailable

_AWAY: Final = 5.0
"""Seconds for which Redis is left alone after it failed, so that no call waits for its time-out again."""
_EDGE: Final = 0.002
"""Seconds to wait beyond a window's end: the library counts a call at the very edge still."""


class RateLimiter:
    """At most `rate[0]` calls in any `rate[1]` seconds.

    `redis`: a client with short time-outs of its own (it is asked before each call), or None. `clock`: seconds since
    the epoch, as `time.time`; `sleep`: as `time.sleep`. `longest_wait`: seconds that `wait` may take.
    """

    def __init__(
        self,
        connection: str,
        rate: tuple[int, int],
        *,
        redis: Redis | None,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        longest_wait: float = 30.0,
        prefix: str = "connector:rate",
    ) -> None:
        self._connection = connection
        self._item = RateLimitItemPerSecond(*rate)
        self._clock = clock
        self._sleep = sleep
        self._longest_wait = longest_wait
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = None
        self._away_until = 0.0
        if redis is not None:
            storage = RedisStorage(
                "redis://", connection_pool=redis.connection_pool, key_prefix=prefix, wrap_exceptions=True
            )
            self._shared = MovingWindowRateLimiter(storage)

    def wait(self) -> None:
        """Return when a call may be made; raises `CrmUnavailable` at once when that would take longer than allowed."""
        waited = 0.0
        while (rest := self._take()) > 0:
            if waited + rest > self._longest_wait:
                calls, seconds = self._item.amount, self._item.get_expiry()
                message = f"{self._connection}: the limit of {calls} calls in {seconds} s is used up"
                raise CrmUnavailable(message, rest)
            self._sleep(rest)
            waited += rest

    def _take(self) -> float:
        """Take a place in the window: 0, or the seconds until the next one is free."""
        if self._shared is not None and self._clock() >= self._away_until:
            try:
                return self._take_from(self._shared)
            except StorageError:
                self._away_until = self._clock() + _AWAY
        return self._take_from(self._own)

    def _take_from(self, window: MovingWindowRateLimiter) -> float:
        if window.hit(self._item, self._connection):
            return 0.0
        reset_time = window.get_window_stats(self._item, self._connection).reset_time
        return max(reset_time - self._clock(), 0.0) + _EDGE
