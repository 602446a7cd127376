"""What keeps the product right, run by hand: the account, the daily sweep, reconciliation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import structlog
from sqlalchemy.exc import DBAPIError

from connector.core.errors import CrmError
from connector.operations.connections import adapter_failure, chosen
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_reconciler, sweep
from connector.pipeline.compact import compact_events
from connector.runtime import metrics
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import deliveries, quarantine

log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationResult:
    """What a connection's system knew: its events by outcome (a `duplicate` was known here), or the error."""

    connection: str
    events: dict[str, int]
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was kept long enough: bodies of deliveries, quarantined deliveries, and what old events had too much.

    `after`: the subject after which events are left to be gone through, for want of time; None: all is done.
    """

    bodies: int
    quarantined: int
    events: int
    after: str | None


def forget(runtime: Runtime, *, after: str = "", has_time: Callable[[], bool] = lambda: True) -> Forgotten:
    """Let go what was kept as long as the settings say; events of the subjects after an id."""
    now, config, database = runtime.clock(), runtime.config, runtime.database
    with database.write() as connection:
        bodies = deliveries.forget_bodies(connection, now - timedelta(days=config.delivery_days))
        quarantined = quarantine.forget(connection, now - timedelta(days=config.quarantine_days))
    old = compact_events(database, runtime.ruleset, now=now, days=config.event_days, after=after, has_time=has_time)
    database.flush_log()
    metrics.count_compacted(old.events)
    log.info("forgotten", bodies=bodies, quarantined=quarantined, events=old.events)
    return Forgotten(bodies=bodies, quarantined=quarantined, events=old.events, after=old.after)


def account(runtime: Runtime) -> list[dict[str, Any]]:
    """Per connection what was accepted, what became of it, whether that adds up, and what is quarantined beside it."""
    books = balance(runtime)
    with runtime.database.read() as connection:
        quarantined = quarantine.count(connection)
    rows = []
    for name in sorted({*books, *quarantined, *runtime.connections.all()}):
        book = books.get(name) or deliveries.empty_account()
        is_right = is_balanced(book)
        rows.append({"connection": name, **book, "quarantined": quarantined.get(name, 0), "is_balanced": is_right})
    return rows


def run_sweep(runtime: Runtime, as_of: date | None = None) -> int:
    """Run the daily rules of every subject that is due up to a local date (None: today); how many were due."""
    swept = sweep(runtime, None if as_of is None else as_of.toordinal())
    if swept.has_updates:
        runtime.wakeups.enqueue_senders()
    return swept.due


def reconcile_now(runtime: Runtime, name: str | None = None) -> Iterator[ReconciliationResult]:
    """Ask one system, or every one whose connection is not paused, what changed; an error stops no other."""
    for one in chosen(runtime, name):
        yield _reconcile(runtime, one)


def _reconcile(runtime: Runtime, one: Connected) -> ReconciliationResult:
    try:
        counts, is_asked = build_reconciler(runtime).reconcile(one)
    except CrmError as error:
        return ReconciliationResult(connection=one.name, events={}, error=str(error))
    except DBAPIError:
        raise
    except Exception as error:  # a mistake in one adapter stops no other connection
        log.exception("not reconciled", connection=one.name)
        return ReconciliationResult(connection=one.name, events={}, error=adapter_failure(one, error))
    if is_asked:
        runtime.wakeups.enqueue_senders()
    return ReconciliationResult(connection=one.name, events=dict(sorted(counts.items())))
