"""The time as the database has it, so that what one machine writes means the same on every other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from connector.store.database import Database

ASK_SECONDS: Final = 10.0
JUMP: Final = timedelta(seconds=1)
"""A machine's clock that was set, or a machine that was stopped, is noticed when its two clocks are so far apart."""
WRONG: Final = timedelta(seconds=5)
"""How far a machine's clock may be from the database's before somebody should set it."""
log: Final = structlog.get_logger(__name__)


def now_utc() -> datetime:
    """The time by this machine's clock; the only place that reads it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the database's clock was (None: nobody could say), and what this machine's two clocks were then."""

    database: datetime | None
    machine: datetime
    monotonic: float


class DatabaseClock:
    """Gives the time by the database's clock, aware UTC: asked now and then, and counted on in between.

    SQLite has that of its machine, as has everybody while the database is away from the start. `told`: what is told how
    far this machine's clock is ahead, whenever that is more than `WRONG`.
    """

    def __init__(
        self,
        database: Callable[[], Database],
        *,
        told: Callable[[timedelta], object] = bool,
        machine: Callable[[], datetime] = now_utc,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._told = told
        self._machine = machine
        self._monotonic = monotonic
        self._asked: _Asked | None = None
        self._lock = Lock()

    def __call__(self) -> datetime:
        """The time now."""
        if self._database().is_sqlite:
            return self._machine()
        asked = self._asked
        if asked is None or self._is_old(asked):
            asked = self._ask_once(asked)
        passed = timedelta(seconds=self._monotonic() - asked.monotonic)
        return (asked.database or asked.machine) + passed

    def _is_old(self, asked: _Asked) -> bool:
        passed = self._monotonic() - asked.monotonic
        return passed > ASK_SECONDS or abs(self._machine() - asked.machine - timedelta(seconds=passed)) > JUMP

    def _ask_once(self, before: _Asked | None) -> _Asked:
        """Ask, or take what another thread was answered; only those who know nothing yet wait for it."""
        if not self._lock.acquire(blocking=before is None) and before is not None:
            return before
        try:
            if self._asked is before or self._asked is None:
                self._asked = self._ask(before)
            return self._asked
        finally:
            self._lock.release()

    def _ask(self, before: _Asked | None) -> _Asked:
        started = self._monotonic()
        try:
            with self._database().read() as connection:
                found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        except SQLAlchemyError as error:
            log.warning("the database's clock cannot be read", error=type(error).__name__)
            now, machine = self._monotonic(), self._machine()
            known = before.database + timedelta(seconds=now - before.monotonic) if before and before.database else None
            return _Asked(database=known, machine=machine, monotonic=now)
        now, machine = self._monotonic(), self._machine()
        at = found.astimezone(UTC) + timedelta(seconds=(now - started) / 2)
        if abs(machine - at) > WRONG:
            self._told(machine - at)
        return _Asked(database=at, machine=machine, monotonic=now)
