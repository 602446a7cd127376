"""The daily sweep when 1,000 of 1,000,000 stored subjects are due; the reference is the same 1,000 of 10,000."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, text

from benchmarks import places
from benchmarks.result import Result, of_rounds, per_second, say
from connector.core.calendar import day_start, local_day
from connector.core.engine import due_day, fold_all
from connector.core.event import Kind, Step
from connector.core.state import State
from connector.operations.flow import sweep
from connector.runtime.parts import Runtime
from connector.store.rows import Instant, upsert
from connector.store.tables import Json, decisions, outbox, subjects

NUMBERS: Final = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :stored)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(0, :stored - 1))",
}
ID: Final = {"sqlite": "printf('%026d', i)", "postgresql": "lpad(i::text, 26, '0')"}
SETTLE: Final = {
    "sqlite": ("COMMIT", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)", "BEGIN"),
    "postgresql": ("VACUUM (ANALYZE)", "CHECKPOINT"),
}
SUBJECTS: Final = """
INSERT INTO subjects (id, kind, status, since, due, state, version, created_at)
{numbers} SELECT {id}, 'lead', :status, :since, :due, {state}, 1, :since FROM n
"""
RECORDS: Final = """
INSERT INTO records (id, connection, object, external_id, subject, is_gone)
{numbers} SELECT {id}, :connection, 'lead', 'L-' || i, {id}, false FROM n
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A database with subjects; `due` are the rows of those whose day has come."""

    runtime: Runtime
    due: Sequence[dict[str, Any]]


def run(*, stored: int = 1_000_000, few: int = 10_000, due: int = 1_000, rounds: int = 15) -> Iterator[Result]:
    """Due subjects a second and worker, on each kind of database; `few`: how many the reference has stored."""
    with places.redis_url() as redis:
        for kind in places.kinds():
            with ExitStack() as stack:
                many, little = (_stored(stack, kind, redis, count, due) for count in (stored, few))
                measured = [(_sweep(many), _sweep(little)) for _ in range(rounds)]
            yield of_rounds(f"sweep.{kind}", "due subjects/s and worker", measured)


def _stored(stack: ExitStack, kind: str, redis: str, count: int, due: int) -> _Stored:
    runtime = stack.enter_context(places.place(kind, redis)).runtime
    started, now = time.perf_counter(), runtime.clock()
    calm, waiting = _state(runtime, now - timedelta(days=1)), _overdue(runtime, now)
    with runtime.database.write() as connection:
        _fill(connection, kind, count, _row(runtime, calm))
    rows = [{"id": f"{place * (count // due):026}", **_row(runtime, waiting)} for place in range(due)]
    _settle_down(runtime, kind)
    say(f"{kind}: {count} subjects made in {time.perf_counter() - started:.0f} s")
    return _Stored(runtime=runtime, due=rows)


def _state(runtime: Runtime, at: datetime) -> State:
    """A subject that acted, and whose order was lost at the same instant."""
    came = Step(id="shop:came", at=at, kind=Kind.ACTION, is_lead=True, action="site_access")
    lost = Step(id="shop:lost", at=at, kind=Kind.JUMP, to="lost_order", by="crm")
    return fold_all([came, lost], runtime.ruleset).state


def _overdue(runtime: Runtime, now: datetime) -> State:
    """A subject that is due today: its order was lost as long ago as the first daily rule waits."""
    zone = runtime.ruleset.zone
    today = local_day(now, zone)
    young = _state(runtime, day_start(today, zone))
    due = due_day(young, runtime.ruleset)
    assert due is not None
    return _state(runtime, day_start(2 * today - due, zone))


def _row(runtime: Runtime, state: State) -> dict[str, Any]:
    return {
        "kind": state.kind,
        "status": state.status,
        "since": state.since,
        "due": due_day(state, runtime.ruleset),
        "state": state.to_json(),
        "version": 1,
        "created_at": state.created,
    }


def _fill(connection: Connection, kind: str, count: int, row: dict[str, Any]) -> None:
    """Make the subjects, each with a record, inside the database: a row at a time would take minutes."""
    state = "CAST(:state AS JSONB)" if kind == "postgresql" else ":state"
    names = {"numbers": NUMBERS[kind], "id": ID[kind], "state": state}
    typed = (bindparam("since", type_=Instant()), bindparam("state", type_=Json))
    values = {name: row[name] for name in ("status", "since", "due", "state")} | {"stored": count}
    connection.execute(text(SUBJECTS.format(**names)).bindparams(*typed), values)
    connection.execute(text(RECORDS.format(**names)), {"stored": count, "connection": places.NAME})


def _settle_down(runtime: Runtime, kind: str) -> None:
    """Let the database finish at once what it does in its own time after so many new rows."""
    with runtime.database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in SETTLE[kind]:
            connection.execute(text(statement))


def _sweep(stored: _Stored) -> float:
    """Make the subjects due again as they were, then sweep."""
    with stored.runtime.database.write() as connection:
        connection.execute(delete(decisions))
        connection.execute(delete(outbox))
        names = tuple(name for name in stored.due[0] if name != "id")
        upsert(connection, subjects, stored.due, ("id",), names)
    figure = per_second(lambda: sweep(stored.runtime).due)
    with stored.runtime.database.read() as connection:
        moved = connection.execute(text("SELECT count(*) FROM decisions")).scalar_one()
    assert moved == len(stored.due), f"{moved} of {len(stored.due)} subjects moved"
    return figure
