"""Commits the rows of concurrent requests in groups: one transaction for all that arrived during the one before."""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from connector.core.errors import OperatorError
from connector.store import deliveries, quarantine
from connector.store.database import Database, FileReplaced
from connector.store.deliveries import NewDelivery
from connector.store.quarantine import Bounds, QuarantinedDelivery

GROUP: Final = 200
COMMIT_SECONDS: Final = 20.0
MOMENT: Final = 1.0
"""Seconds that any request waits for its commit; how many wait on behind them is bounded."""
_SHARDS: Final = 16
"""Rows that count what was accepted: each process adds to one of them, so that processes do not wait for each other."""
TRIES: Final = 3
"""How often a group is tried that met a deadlock, a lost connection or a database file that was replaced."""
_DATABASE_AWAY: Final = (OperationalError, InterfaceError, PoolTimeout, OSError, FileReplaced)
"""Errors of the database as a whole: no row of the group can be stored. Any other error may be one row's."""
_PASSING_STATES: Final = frozenset({"40001", "40P01"})
"""PostgreSQL's serialization failure and deadlock."""
log: Final = structlog.get_logger(__name__)


class NotStored(OperatorError):
    """The delivery could not be committed: nothing was acknowledged (503, with Retry-After)."""

    reason = "not_stored"

    def __init__(self) -> None:
        super().__init__("the delivery could not be stored; nothing was acknowledged, send it again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A delivery on its way to the next group commit."""

    row: NewDelivery | QuarantinedDelivery
    done: Future[None]


# Theory of operation
#
# A webhook may be acknowledged only when its row is committed, and a commit waits for the disk, equally long for one
# row and for two hundred. So a request does not commit by itself: it puts its row into a queue and waits for a future.
# One thread of the process takes what waits, writes it in one transaction, and resolves the futures. While that commit
# waits for the disk, the next group gathers. A lone request is written at once; under load the groups grow by
# themselves, up to `GROUP`, and the rate of commits stays what the disk can do. A group stays open until its
# transaction has the database's write lock: what arrives while another process holds it joins.
#
# While the database is locked, requests that wait would take all threads of the web server. So beyond a moment only a
# part of them waits, and the others are refused at once.
#
# A request waits a bounded time, then gives up: its sender is told that nothing was acknowledged, and comes again. The
# thread takes an item by marking its future as running, which fails when the request gave up before; such a row is
# never written. A row whose request gave up later may still be committed: its sender's retry is then a duplicate by its
# key, and counts once.
#
# Errors are of two kinds. Where the database as a whole is away, full or read-only, no row of the group can be stored:
# all of them fail, after some more tries where it may pass (a deadlock, a connection that was lost, a file that was
# replaced). Any other error may be the fault of one row: each row of the group is then written alone, so that one that
# cannot be stored fails no other.
#
# A SQLite file may be replaced while a group is committed into it, where nobody finds it again: the database says so
# after the commit, and the group is written again into the new one.
#
# The lanes of what was committed are handed over in a second thread: a Redis that does not answer must hold up no
# commit. Where that fails, the maintenance job that looks for stored deliveries finds them. Both threads start with the
# first row, so that a server may fork before, and anew when one of them has died.


class Writer:
    """Commits deliveries of concurrent requests in groups. `committed` is told the lanes, in a thread of its own.

    `bounds`: how much stays in the quarantine; `patient`: how many requests wait for a commit that takes long.
    """

    def __init__(
        self, database: Database, bounds: Bounds, committed: Callable[[set[int]], None], patient: int = 8
    ) -> None:
        self._database = database
        self._bounds = bounds
        self._committed = committed
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._lanes: queue.SimpleQueue[set[int]] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._threads: tuple[threading.Thread, ...] = ()
        self._shard = secrets.randbelow(_SHARDS)
        self._places = threading.BoundedSemaphore(patient)

    def write(self, row: NewDelivery | QuarantinedDelivery, seconds: float = COMMIT_SECONDS) -> None:
        """Return when the delivery is committed. Raises `NotStored` when it could not be, within so many seconds."""
        self._run()
        item = _Item(row=row, done=Future())
        self._items.put(item)
        try:
            self._wait(item.done, seconds)
        except Exception as error:
            item.done.cancel()
            raise NotStored from error

    def _wait(self, done: Future[None], seconds: float) -> None:
        """Wait for a commit. While one takes long, only so many wait: the threads of the others serve `/healthz`."""
        is_full = not self._places.acquire(blocking=False)
        if not is_full:
            self._places.release()
        try:
            done.result(timeout=0 if is_full else min(MOMENT, seconds))
        except TimeoutError:
            if seconds <= MOMENT or not self._places.acquire(blocking=False):
                raise
            try:
                done.result(timeout=seconds - MOMENT)
            finally:
                self._places.release()

    def _run(self) -> None:
        """Start the threads, unless they run."""
        if self._threads and all(thread.is_alive() for thread in self._threads):
            return
        with self._start:
            if not self._threads or not all(thread.is_alive() for thread in self._threads):
                self._threads = (
                    threading.Thread(target=self._write_groups, name="intake-writer", daemon=True),
                    threading.Thread(target=self._report_lanes, name="intake-reporter", daemon=True),
                )
                for thread in self._threads:
                    thread.start()

    def _write_groups(self) -> None:
        while True:
            items: list[_Item] = []
            self._add(self._items.get(), items)
            self._join(items)
            if items:
                self._commit(items, TRIES, is_open=True)

    def _join(self, items: list[_Item]) -> None:
        while len(items) < GROUP and not self._items.empty():
            self._add(self._items.get(), items)

    @staticmethod
    def _add(item: _Item, items: list[_Item]) -> None:
        """Add an item whose request still waits for it."""
        if item.done.set_running_or_notify_cancel():
            items.append(item)

    def _report_lanes(self) -> None:
        """Report the lanes of what was committed."""
        while True:
            lanes = self._lanes.get()
            while not self._lanes.empty():
                lanes |= self._lanes.get()
            try:
                self._committed(lanes)
            except Exception:
                log.exception("a wake-up failed; what is stored will be found later")

    def _commit(self, items: list[_Item], tries: int, *, is_open: bool = False) -> None:
        """Store and answer; while the group is open, what arrived before its turn to write came joins it."""
        try:
            self._store(items, is_open=is_open)
        except _DATABASE_AWAY as error:
            if tries > 1 and _may_pass(error):
                self._commit(items, tries - 1)
            else:
                _fail(items, error)
        except Exception as error:  # noqa: BLE001 - one row that cannot be stored must not fail its neighbours
            if len(items) == 1:
                _fail(items, error)
            else:
                for item in items:
                    self._commit([item], tries)
        else:
            for item in items:
                item.done.set_result(None)
            if lanes := {item.row.lane for item in items if isinstance(item.row, NewDelivery)}:
                self._lanes.put(lanes)

    def _store(self, items: list[_Item], *, is_open: bool) -> None:
        with self._database.write() as connection:
            if is_open:
                self._join(items)
            if bad := [item.row for item in items if isinstance(item.row, QuarantinedDelivery)]:
                quarantine.add(connection, bad, self._bounds)
            if good := [item.row for item in items if isinstance(item.row, NewDelivery)]:
                deliveries.store(connection, good, self._shard)


def error_text(error: Exception) -> str:
    """What a database says went wrong, in one line, without the statement and the values that would log bodies."""
    origin = (error.orig or error) if isinstance(error, DBAPIError) else error
    text = "" if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError) else str(origin)
    return f"{type(origin).__name__}: {(text.splitlines() or [''])[0][:200]}".removesuffix(": ")


def _may_pass(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _PASSING_STATES
    return isinstance(error, FileReplaced)


def _fail(items: Sequence[_Item], error: Exception) -> None:
    connections = sorted({item.row.connection for item in items})
    log.error("deliveries could not be stored", count=len(items), connections=connections, error=error_text(error))
    for item in items:
        item.done.set_exception(error)
