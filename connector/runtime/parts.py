"""The parts of the running product, put together from a `Config`: what every process and the command line share."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from adapters import ADAPTERS
from connector import __version__
from connector.core.engine import Ruleset
from connector.core.status import StatusInfo
from connector.runtime.clock import DatabaseClock, now_utc
from connector.runtime.connections import Connected, Connections
from connector.runtime.http import HttpApi
from connector.runtime.redis import connect
from connector.runtime.rules import RulesInForce
from connector.runtime.settings import Config
from connector.runtime.throttle import CircuitBreaker, RateLimiter
from connector.runtime.vault import ConnectionSecrets, Vault, open_vault
from connector.runtime.wakeups import Wakeups
from connector.store.database import Database

MEMO_SECONDS: Final = 300.0
"""How long an adapter's cache of owners and tokens is kept."""
CLOCKS: Final = "connector:clock:"
"""What the keys begin with under which Redis has the seconds by which a machine's clock is ahead, by its name."""
CLOCK_SECONDS: Final = 120


class Runtime:
    """Everything that a process needs, made at its first use. Close it at the end.

    `clock`: the time (None: the database's, which all machines share).
    """

    def __init__(self, config: Config, clock: Callable[[], datetime] | None = None) -> None:
        self.config = config
        self.clock: Final = clock or DatabaseClock(lambda: self.database, told=self._note_clock)
        self.machine_clock: Final = clock or now_utc
        self._apis: dict[str, tuple[Connected, float, HttpApi]] = {}

    @cached_property
    def database(self) -> Database:
        """The store."""
        return Database(self.config.database_url)

    @cached_property
    def redis(self) -> Redis:
        """Redis for dispatching; quick to give up, since nothing depends on it."""
        return connect(self.config, connect_timeout=1.0, timeout=2.0, retries=0)

    @cached_property
    def vault(self) -> Vault:
        """Encryption of secrets at rest."""
        return open_vault(self.config.secret_keys, self.config.data_dir)

    @cached_property
    def rules(self) -> RulesInForce:
        """The rules document in force."""
        return RulesInForce(self.database)

    @property
    def ruleset(self) -> Ruleset:
        """The rules as they are now: what works for long asks each time."""
        return self.rules.get()

    def statuses(self) -> tuple[StatusInfo, ...]:
        """The workspace's statuses as they are now."""
        return tuple(self.ruleset.statuses.values())

    @cached_property
    def connections(self) -> Connections:
        """The connections with their adapters and mappings."""
        return Connections(self.database, ADAPTERS, self.vault, self.rules.get)

    @cached_property
    def wakeups(self) -> Wakeups:
        """Wakes the workers."""
        return Wakeups(self.redis, has_mail=self.config.smtp is not None)

    def api_for(self, connected: Connected) -> HttpApi:
        """The `Api` of a connection: its own limit, circuit and cache, kept while the connection is unchanged."""
        known = self._apis.get(connected.name)
        if known is not None and known[0] is connected:
            if time.monotonic() >= known[1]:
                known[2].memo.clear()
                self._apis[connected.name] = (connected, time.monotonic() + MEMO_SECONDS, known[2])
            return known[2]
        memo: dict[str, Any] = {}
        rate = (connected.adapter.rate, 1) if connected.adapter.rate else connected.adapter.RATE
        api = HttpApi(
            connected.name,
            session=None,
            limiter=RateLimiter(connected.name, rate, redis=self.redis, clock=time.time, sleep=time.sleep),
            breaker=CircuitBreaker(connected.name, redis=self.redis, clock=time.time),
            user_agent=f"abm-connector/{__version__}",
            clock=time.monotonic,
            memo=memo,
            stored=ConnectionSecrets(connected.name, database=self.database, vault=self.vault, clock=self.clock),
            secrets=connected.secrets,
        )
        self._apis[connected.name] = (connected, time.monotonic() + MEMO_SECONDS, api)
        return api

    def _note_clock(self, ahead: timedelta) -> None:
        """Let the others know for a while that this machine's clock is wrong: `connector doctor` names it."""
        with suppress(RedisError, OSError):
            self.redis.set(f"{CLOCKS}{socket.gethostname()}", round(ahead.total_seconds()), ex=CLOCK_SECONDS)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("database", "redis"):
            if name in self.__dict__:
                self.__dict__[name].close()
