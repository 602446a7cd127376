"""The parts of the running product, put together from a `Config`: what every process and the command line share."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from adapters import ADAPTERS
from connector import __version__
from connector.core.engine import Ruleset
from connector.core.rules import TEMPLATES
from connector.intake.receive import Intake, Writer
from connector.outbound.notify import Notifier
from connector.outbound.push import Pusher
from connector.outbound.smtp import MailServer
from connector.pipeline.apply import Context
from connector.pipeline.process import Processor
from connector.pipeline.sweep import Swept, sweep
from connector.processes.redis_server import redis_url
from connector.runtime.breaker import CircuitBreaker
from connector.runtime.connections import Connected, Connections
from connector.runtime.http import HttpApi
from connector.runtime.keeper import DatabaseKeeper
from connector.runtime.rule_settings import read_settings
from connector.runtime.settings import Config
from connector.runtime.throttle import RateLimiter
from connector.runtime.vault import Vault, open_vault
from connector.runtime.wakeups import Waker
from connector.store.database import Database

DRAIN: Final = "connector.processes.jobs.drain"
PUSH: Final = "connector.processes.jobs.push"
NOTIFY: Final = "connector.processes.jobs.notify"
NOWHERE: Final = "redis://127.0.0.1:1/0"
"""Where no Redis answers: without one configured or embedded, nothing of another program's is used."""
MEMO_SECONDS: Final = 300.0
"""How long an adapter's cache of owners and tokens is kept."""


def now_utc() -> datetime:
    """The time; the only clock that the product reads."""
    return datetime.now(UTC)


class Runtime:
    """Everything that a process needs, made at its first use. Close it at the end."""

    def __init__(self, config: Config, clock: Callable[[], datetime] = now_utc) -> None:
        self.config: Final = config
        self.clock: Final = clock
        self._apis: dict[str, tuple[Connected, float, HttpApi]] = {}

    @cached_property
    def database(self) -> Database:
        """The store."""
        return Database(self.config.database_url)

    @cached_property
    def redis(self) -> Redis:
        """Redis for dispatching; quick to give up, since nothing depends on it."""
        return Redis.from_url(
            redis_url(self.config.redis_url, self.config.data_dir) or NOWHERE,
            socket_connect_timeout=1.0,
            socket_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )

    @cached_property
    def vault(self) -> Vault:
        """Encryption of secrets at rest."""
        return open_vault(self.config.secret_keys, self.config.data_dir)

    @cached_property
    def ruleset(self) -> Ruleset:
        """The template with the workspace's settings."""
        template = TEMPLATES[self.config.template]
        return Ruleset(template, read_settings(self.config.workspace, template, mail_default=False))

    @cached_property
    def connections(self) -> Connections:
        """The connections with their adapters and mappings."""
        return Connections(self.database, ADAPTERS, self.vault, tuple(self.ruleset.statuses.values()))

    @cached_property
    def waker(self) -> Waker:
        """Wakes the workers."""
        return Waker(self.redis)

    @cached_property
    def intake(self) -> Intake:
        """Takes webhooks."""
        writer = Writer(self.database, self.config.quarantine_max, self.wake_lanes)
        return Intake(connections=self.connections, vault=self.vault, writer=writer, lanes=self.config.lanes)

    @cached_property
    def processor(self) -> Processor:
        """Processes deliveries."""
        return Processor(
            database=self.database,
            connections=self.connections,
            ruleset=self.ruleset,
            api_for=self.api_for,
            clock=self.clock,
            lease=timedelta(seconds=self.config.lease_seconds),
            max_attempts=self.config.max_attempts,
            give_up=timedelta(hours=self.config.push_give_up_hours),
            echo_window=timedelta(minutes=self.config.echo_window_minutes),
        )

    @cached_property
    def pusher(self) -> Pusher:
        """Pushes updates."""
        return Pusher(
            database=self.database,
            connections=self.connections,
            ruleset=self.ruleset,
            api_for=self.api_for,
            clock=self.clock,
            lease=timedelta(seconds=self.config.lease_seconds),
            give_up=timedelta(hours=self.config.push_give_up_hours),
        )

    @cached_property
    def notifier(self) -> Notifier | None:
        """Mails notices; None: no mail server is set."""
        if self.config.smtp is None:
            return None
        return Notifier(
            database=self.database,
            ruleset=self.ruleset,
            server=MailServer(self.config.smtp),
            clock=self.clock,
            lease=timedelta(seconds=self.config.lease_seconds),
            give_up=timedelta(hours=self.config.push_give_up_hours),
        )

    def context(self) -> Context:
        """What applying events needs, as of now."""
        return Context(ruleset=self.ruleset, connections=self.connections.all(), now=self.clock())

    def wake_lanes(self, lanes: set[int]) -> None:
        """Wake the drains of lanes in which something was stored."""
        for lane in lanes:
            self.waker.wake("process", DRAIN, lane)

    def wake_push(self) -> None:
        """Wake the push: something was put into the outbox."""
        self.waker.wake("push", PUSH)

    def wake_notify(self) -> None:
        """Wake the mailing, where a mail server is set: a notice may have been put into the outbox."""
        if self.config.smtp is not None:
            self.waker.wake("notify", NOTIFY)

    def sweep(self, day: int | None = None, has_time: Callable[[], bool] = lambda: True) -> Swept:
        """Run the daily rules up to a local day (ordinal; None: today)."""
        return sweep(self.database, self.connections, self.ruleset, self.clock, day=day, has_time=has_time)

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
            keeper=DatabaseKeeper(connected.name, database=self.database, vault=self.vault, clock=self.clock),
            secrets=connected.secrets,
        )
        self._apis[connected.name] = (connected, time.monotonic() + MEMO_SECONDS, api)
        return api

    def close(self) -> None:
        """Close what was opened."""
        for name in ("database", "redis"):
            if name in self.__dict__:
                self.__dict__[name].close()
