"""A batch takes the same number of SQL statements whether one delivery waits, or ten, or two hundred and fifty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import event

from connector.core.decide.batch import Refold
from connector.operations.flow import build_processor, context_now
from connector.pipeline.batch import run_batch
from connector.runtime.parts import Runtime
from connector.store import deliveries, subjects
from connector.store.deliveries import ClaimedDelivery
from tests.conftest import NOW, Clock
from tests.flow.senders import Sender, add_connection

SIZES = (1, 10, 250)
MOST = 26
"""Statements of a batch that has something of everything: new and known subjects, late events, updates."""


@contextmanager
def counting(runtime: Runtime) -> Iterator[list[str]]:
    """The statements that were executed meanwhile; one with many rows is one.

    The connections with their mappings, and the rules, are read once a second, whatever batch there is: they do not
    count.
    """
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(
            ("SELECT connections.", "SELECT mapping_versions.", "SELECT max(mapping_versions.")
        ):
            found.append(" ".join(statement.split())[:60])

    event.listen(runtime.database.engine, "before_cursor_execute", note)
    yield found
    event.remove(runtime.database.engine, "before_cursor_execute", note)


def _claim_all(runtime: Runtime) -> list[ClaimedDelivery]:
    with runtime.database.write() as connection:
        return [
            claimed
            for lane in range(runtime.config.lanes)
            for claimed in deliveries.claim(connection, lane, runtime.clock(), lease=timedelta(minutes=1), limit=1000)
        ]


def _statements(runtime: Runtime, size: int, line: Callable[[str], dict[str, Any]]) -> list[str]:
    """What processing `size` deliveries in one batch executes, each about somebody else."""
    sender = Sender(runtime)
    for number in range(size):
        name = f"{size}-{number}"
        sender.send(line(name), key=f"{line(name)['id']}-{name}")
    claimed = _claim_all(runtime)
    assert len(claimed) == size
    with counting(runtime) as found:
        build_processor(runtime).process(claimed)
    return found


def _stage(name: str, number: str, days: float, stage: str) -> dict[str, Any]:
    return {
        "id": f"{number}-{name}",
        "at": (NOW - timedelta(days=days)).isoformat(),
        "type": "stage",
        "object": "lead",
        "stage": stage,
        "kind": "lead",
        "subject": {"id": f"L-{name}", "email": f"p{name}@example.jp"},
    }


def test_new_subjects(runtime: Runtime) -> None:
    add_connection(runtime)
    _statements(runtime, 2, lambda name: _stage(name, "0", 3, "new"))  # what is looked up once is known from here on
    counts = {size: len(_statements(runtime, size, lambda name: _stage(name, "1", 3, "new"))) for size in SIZES}
    assert set(counts.values()) == {counts[1]}, counts
    assert counts[1] <= MOST


def test_known_subjects_with_late_events_and_the_ledger(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    for size in SIZES:
        _statements(runtime, size, lambda name: _stage(name, "1", 3, "talking"))
    clock.forward(seconds=1)
    found = {size: _statements(runtime, size, lambda name: _stage(name, "2", 5, "new")) for size in SIZES}
    counts = {size: len(statements) for size, statements in found.items()}
    assert set(counts.values()) == {counts[10]}, found
    assert counts[10] <= MOST


def test_a_sweep(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    visit = {"type": "action", "action": "site_access", "at": NOW.isoformat()}
    for size in SIZES:
        _statements(runtime, size, lambda name: visit | {"id": name, "subject": {"visitor": name}})
    clock.forward(days=100)
    context = context_now(runtime)
    with runtime.database.read() as connection:
        due = subjects.due(connection, context.today, 1000)
    assert len(due) == sum(SIZES)
    counts, start = {}, 0
    for size in SIZES:
        refolds = [Refold(subject=subject, until=context.today) for subject in due[start : start + size]]
        with counting(runtime) as found, runtime.database.write() as connection:
            run_batch(connection, context, refolds=refolds)
        counts[size], start = len(found), start + size
    assert set(counts.values()) == {counts[1]}, counts
