"""Leases: what was claimed stays ours for as long as it is worked on, and falls to others when this process dies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from connector.store.database import Database

LEFT: Final = 2 / 3
"""A lease is renewed when less than this share of it is left."""
log: Final = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Lease:
    """Claimed rows, ours until then (aware UTC). `is_over`: the work on them is done, nothing is renewed any more."""

    ids: Collection[str]
    until: datetime
    is_over: bool = False


class Renew(Protocol):
    """The query that renews: rows whose lease still is the one that ended at `before`, and that are not finished."""

    def __call__(self, connection: Connection, ids: Collection[str], *, before: datetime, until: datetime) -> object:
        """Renew the lease of rows."""
        ...


class Held(Protocol):
    """The query that asks: which rows are claimed by the lease that ends at `until`, and are not finished."""

    def __call__(self, connection: Connection, ids: Collection[str], until: datetime) -> Collection[str]:
        """The ids of these rows."""
        ...


class Leases:
    """Gives and renews leases of one kind of rows, `length` long. `clock` gives aware UTC."""

    def __init__(self, *, database: Database, renew: Renew, clock: Callable[[], datetime], length: timedelta) -> None:
        self._database = database
        self._renew = renew
        self._clock = clock
        self.length: Final = length
        self._lock: Final = threading.RLock()

    def renew(self, leases: Collection[Lease]) -> None:
        """Renew those that have come of age: however slow a system is, nobody else does the same meanwhile.

        A lease that cannot be renewed now is left to the next call.
        """
        with self._lock:
            now = self._clock()
            old = [lease for lease in leases if not lease.is_over and lease.until - now < self.length * LEFT]
            if not old:
                return
            try:
                with self._database.write() as connection:
                    for lease in old:
                        self._renew(connection, lease.ids, before=lease.until, until=now + self.length)
            except SQLAlchemyError as error:
                log.warning("leases cannot be renewed", error=type(error).__name__)
                return
            for lease in old:
                lease.until = now + self.length

    def is_ours(self, lease: Lease, ids: Collection[str], held: Held) -> bool:
        """Whether all these rows of a lease still are ours, as the database says; renewed first, if it is of age.

        A process that was stopped for longer than its lease finds here that others went on with its work.
        """
        with self._lock:
            self.renew([lease])
            try:
                with self._database.read() as connection:
                    return len(held(connection, ids, lease.until)) == len(ids)
            except SQLAlchemyError as error:
                log.warning("a lease cannot be checked", error=type(error).__name__)
                return False

    def end(self, lease: Lease) -> datetime:
        """Renew a lease no more; until when it was given."""
        with self._lock:
            lease.is_over = True
            return lease.until

    @contextmanager
    def renewed(self, *leases: Lease) -> Iterator[None]:
        """Renew leases in a thread of its own until the block ends."""
        is_over = threading.Event()

        def keep_renewing() -> None:
            while not is_over.wait(self.length.total_seconds() / 3):
                self.renew(leases)

        thread = threading.Thread(target=keep_renewing, name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
