"""Large deliveries: they are written in small transactions between which others write, and each event counts once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import event, func, select

from connector.pipeline.process import EVENTS
from connector.runtime.parts import Runtime
from connector.store import deliveries
from connector.store.database import Database
from connector.store.deliveries import DeliveryRow
from connector.store.tables import events
from tests.conftest import Clock
from tests.flow.senders import Sender, add_connection, drain

LINES = EVENTS + 100


class KilledError(BaseException):
    """The process ends here."""


def _send(runtime: Runtime, *, first: int = 0) -> None:
    at = runtime.clock().isoformat()
    line = {"at": at, "type": "stage", "object": "lead", "stage": "new"}
    lines = [{**line, "id": f"e{first + one}", "subject": {"id": f"L{one % 7}"}} for one in range(LINES)]
    assert Sender(runtime).send(*lines, key=f"large-{first}").status_code == 202


@contextmanager
def _transactions(database: Database, most: int | None = None) -> Iterator[list[int]]:
    """How many events were stored at the end of each transaction that stored some; the process ends after `most`."""
    found: list[int] = []

    def note(connection: Any) -> None:
        stored = int(connection.execute(select(func.count()).select_from(events)).scalar_one())
        if stored > sum(found):
            found.append(stored - sum(found))
        if len(found) - 1 == most:
            raise KilledError

    event.listen(database.engine, "commit", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "commit", note)


def _rows(runtime: Runtime) -> list[DeliveryRow]:
    with runtime.database.read() as connection:
        return deliveries.listed(connection)


def test_a_large_delivery_is_written_in_several_transactions_and_finished_by_the_last(runtime: Runtime) -> None:
    add_connection(runtime)
    _send(runtime)
    with _transactions(runtime.database) as found:
        drain(runtime)
    assert found == [EVENTS, LINES - EVENTS]
    (row,) = _rows(runtime)
    assert (row.outcome, row.tally) == ("applied", {"applied": LINES})


def test_whoever_goes_on_with_a_large_delivery_counts_no_event_twice(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    _send(runtime)
    with _transactions(runtime.database, most=1) as found, suppress(KilledError):
        drain(runtime)
    assert found == [EVENTS, LINES - EVENTS]
    assert [row.outcome for row in _rows(runtime)] == ["pending"]
    clock.forward(seconds=runtime.config.lease_seconds)
    drain(runtime)
    (row,) = _rows(runtime)
    assert (row.outcome, row.tally) == ("applied", {"applied": LINES})


def test_deliveries_that_are_large_together_are_not_written_in_one_transaction(runtime: Runtime) -> None:
    add_connection(runtime)
    for number in range(3):
        _send(runtime, first=number * LINES)
    with _transactions(runtime.database) as found:
        drain(runtime)
    assert (sum(found), max(found)) == (3 * LINES, EVENTS)
    assert [sum((row.tally or {}).values()) for row in _rows(runtime)] == [LINES] * 3


@pytest.mark.parametrize("size", [1, 100_000_000])
def test_what_is_claimed_at_once_is_bounded_in_bytes(runtime: Runtime, clock: Clock, size: int) -> None:
    add_connection(runtime)
    for number in range(3):
        _send(runtime, first=number * LINES)
    lane = _rows(runtime)[0].lane
    with runtime.database.write() as connection:
        lease = clock() - clock()
        claimed = deliveries.claim(connection, lane, clock(), lease=lease, limit=9, size=size)
    same = [row for row in _rows(runtime) if row.lane == lane]
    assert len(claimed) == (1 if size == 1 else len(same))


def test_a_writer_that_comes_again_at_once_comes_after_those_that_wait(sqlite_url: str) -> None:
    """Two processes write to a SQLite file: one all the time, the other now and then."""
    is_over = threading.Event()
    turns: list[str] = []

    def write_all_the_time() -> None:
        with closing(Database(sqlite_url)) as busy:
            while not is_over.is_set():
                with busy.write():
                    turns.append("busy")
                    is_over.wait(0.02)

    thread = threading.Thread(target=write_all_the_time)
    thread.start()
    try:
        with closing(Database(sqlite_url)) as other:
            waits = []
            for _ in range(10):
                before = len(turns)
                with other.write():
                    waits.append(len(turns) - before)
    finally:
        is_over.set()
        thread.join()
    assert max(waits) <= 2
