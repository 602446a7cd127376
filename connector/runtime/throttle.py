"""What holds back the calls to one connection: its rate limit, and the circuit breaker after repeated failures.

Both are shared by all processes through Redis, by its clock, and kept in this process while Redis is away.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Final, TypeAlias

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis, RedisError
from redis.client import Pipeline

from connector.core.errors import CrmUnavailable
from connector.runtime.redis import seconds_of
from connector.runtime.retry import CIRCUIT, RetryPolicy

_AWAY: Final = 5.0
"""Seconds for which Redis is left alone after it failed, so that no call waits for its time-out again."""
_EDGE: Final = 0.002
"""Seconds to wait beyond a window's end: the library counts a call at the very edge still."""

_TAKE: Final = """
local now, most, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local oldest = tonumber(redis.call('lindex', KEYS[1], most - 1) or 0)
if oldest + window > now then return tostring(math.min(oldest + window - now, window)) end
redis.call('lpush', KEYS[1], ARGV[1])
redis.call('ltrim', KEYS[1], 0, most - 1)
redis.call('expire', KEYS[1], window + 1)
return '0'
"""
"""Takes a place in the window and gives 0, or the seconds until the next one is free."""


class RateLimiter:
    """At most `rate[0]` calls in any `rate[1]` seconds.

    `redis`: a client with short time-outs of its own (it is asked before each call), or None. `clock`: seconds since
    the epoch, as `time.time`, for while Redis is away; `sleep`: as `time.sleep`. `longest_wait`: seconds that `wait`
    may take.
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
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._redis = redis
        self._key = f"{prefix}:{connection}"
        self._take = None if redis is None else redis.register_script(_TAKE)
        self._away_until = 0.0

    def wait(self) -> None:
        """Return when a call may be made; raises `CrmUnavailable` at once when that would take longer than allowed."""
        waited = 0.0
        while (rest := self._acquire()) > 0:
            if waited + rest > self._longest_wait:
                calls, seconds = self._item.amount, self._item.get_expiry()
                message = f"{self._connection}: the limit of {calls} calls in {seconds} s is used up"
                raise CrmUnavailable(message, rest)
            self._sleep(rest)
            waited += rest

    def _acquire(self) -> float:
        """Acquire a place in the window: 0, or the seconds until the next one is free."""
        if self._redis is not None and self._take is not None and self._clock() >= self._away_until:
            try:
                arguments = (seconds_of(self._redis), self._item.amount, self._item.get_expiry())
                rest = float(self._take(keys=[self._key], args=arguments))
            except (RedisError, OSError):
                self._away_until = self._clock() + _AWAY
            else:
                return rest + _EDGE if rest > 0 else 0.0
        if self._local.hit(self._item, self._connection):
            return 0.0
        reset_time = self._local.get_window_stats(self._item, self._connection).reset_time
        return max(reset_time - self._clock(), 0.0) + _EDGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """Closed (no trips), open (until then) or half-open (one call tries). `open_until`: by Redis' clock."""

    failures: int = 0
    trips: int = 0
    open_until: float = 0.0
    is_tried: bool = False


_Change: TypeAlias = Callable[[Circuit, float], tuple[Circuit, float]]
"""What becomes of a circuit at a time (seconds since the epoch), and the seconds to wait."""
_CLOSED: Final = Circuit()


class CircuitBreaker:
    """Opens after `threshold` failures in a row, for as long as `retry` says for so many failed tries of one call.

    `redis`: shares the circuit between processes; without it, or while it is away, each process has its own. `clock`:
    seconds since the epoch, as `time.time`, for then. `trial`: seconds after which a try that never reported back is
    forgotten.
    """

    def __init__(
        self,
        connection: str,
        *,
        redis: Redis | None,
        clock: Callable[[], float],
        threshold: int = 5,
        retry: RetryPolicy = CIRCUIT,
        trial: float = 60.0,
        prefix: str = "connector:breaker",
    ) -> None:
        self._redis = redis
        self._key = f"{prefix}:{connection}"
        self._clock = clock
        self._threshold = threshold
        self._retry = retry
        self._trial = trial
        self._local = _CLOSED
        self._lock = Lock()
        self._away_until = 0.0
        self._behind = 0.0

    def admit(self) -> float:
        """0: make the call, then say how it went; else the seconds to wait. When half-open, one caller is admitted."""

        def change(circuit: Circuit, now: float) -> tuple[Circuit, float]:
            if now < circuit.open_until:
                return circuit, circuit.open_until - now
            if not circuit.trips:
                return circuit, 0.0
            tried = Circuit(failures=circuit.failures, trips=circuit.trips, open_until=now + self._trial, is_tried=True)
            return tried, 0.0

        return self._edit(change)

    def succeeded(self) -> None:
        """The system answered: the circuit closes and all failures are forgotten."""
        self._edit(lambda _, __: (_CLOSED, 0.0))

    def failed(self, retry_after: float | None = None) -> None:
        """The system was unavailable; when the circuit opens, it does so for `retry_after` seconds at least."""

        def change(circuit: Circuit, now: float) -> tuple[Circuit, float]:
            if now < circuit.open_until and not circuit.is_tried:
                return circuit, 0.0
            failures = circuit.failures + 1
            if not circuit.trips and failures < self._threshold:
                return Circuit(failures=failures), 0.0
            trips = circuit.trips + 1
            until = now + self._retry.pause(trips, retry_after).total_seconds()
            return Circuit(failures=failures, trips=trips, open_until=until), 0.0

        self._edit(change)

    def _edit(self, change: _Change) -> float:
        if self._redis is not None and self._clock() >= self._away_until:
            try:
                return self._edit_shared(self._redis, change)
            except RedisError:
                self._away_until = self._clock() + _AWAY
        with self._lock:
            self._local, rest = change(self._local, self._clock() + self._behind)
        return rest

    def _edit_shared(self, redis: Redis, change: _Change) -> float:
        """As Redis has it, by Redis' clock; how far ours is behind that is kept for while it is away."""
        before, now = _read(redis.get(self._key)), seconds_of(redis)
        self._behind = now - self._clock()
        self._local, rest = change(before, now)
        if self._local == before:
            return rest

        def write(pipe: Pipeline) -> None:
            nonlocal rest
            after, rest = change(_read(pipe.get(self._key)), now)
            pipe.multi()
            if after == _CLOSED:
                pipe.delete(self._key)
            else:
                pipe.set(
                    self._key,
                    json.dumps(asdict(after)),
                    ex=int(4 * (self._retry.most.total_seconds() + self._trial)) + 3600,
                )

        redis.transaction(write, self._key)
        return rest


def _read(raw: object) -> Circuit:
    return Circuit(**json.loads(raw)) if isinstance(raw, bytes | str) else _CLOSED
