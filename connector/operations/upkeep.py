"""What keeps the product right, by hand: what stands how, the account, the daily sweep, reconciliation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from rq import Worker
from rq.cron_scheduler_registry import get_keys as scheduler_keys
from sqlalchemy.exc import DBAPIError

from connector.core.errors import CrmError
from connector.operations.connections import adapter_failure, chosen
from connector.operations.doctor import HealthCheck, balance, examine, gauges, is_balanced
from connector.operations.flow import build_reconciler, sweep
from connector.pipeline.compact import compact_events
from connector.runtime import metrics
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import deliveries, quarantine
from connector.store.persons.compaction import forget_bodies

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What runs, what waits and what is wrong. `workers` and `schedulers`: how many; None: not known without Redis.

    `connections`: each with `adapter`, `is_paused`, `last_delivery` and how much waits, by the names of the gauges
    (`deliveries`, `held`, `quarantine`, `outbox_waiting`, `outbox_dead`) and `oldest_seconds` of the deliveries.
    `notices`: mails that wait.
    """

    workers: int | None
    schedulers: int | None
    connections: list[dict[str, Any]]
    notices: int
    wrong: list[HealthCheck]


WAITING: Final = ("deliveries", "held", "quarantine", "outbox_waiting", "outbox_dead")


def status(runtime: Runtime) -> Status:
    """What runs, what waits and what is wrong, at this moment; without a usable database only what is wrong."""
    found = examine(runtime)
    workers, schedulers = _running(runtime)
    is_usable = all(one.is_fine for one in found if one.is_vital)
    connections, notices = _waiting(runtime) if is_usable else ([], 0)
    return Status(
        workers=workers,
        schedulers=schedulers,
        connections=connections,
        notices=notices,
        wrong=[one for one in found if not one.is_fine],
    )


def _running(runtime: Runtime) -> tuple[int | None, int | None]:
    try:
        return Worker.count(connection=runtime.redis), len(scheduler_keys(runtime.redis))
    except (RedisError, OSError):
        return None, None


def _waiting(runtime: Runtime) -> tuple[list[dict[str, Any]], int]:
    rows: dict[str, dict[str, Any]] = {}
    notices = 0
    for name, one in sorted(runtime.connections.all().items()):
        with runtime.database.read() as connection:
            last = deliveries.last_delivery(connection, name)
        rows[name] = {"connection": name, "adapter": one.adapter.NAME, "is_paused": one.is_paused}
        rows[name] |= {"last_delivery": last, **dict.fromkeys(WAITING, 0), "oldest_seconds": 0}
    for queue in gauges(runtime):
        if queue.connection in rows:
            rows[queue.connection][queue.name] = queue.length
            if queue.name == "deliveries":
                rows[queue.connection]["oldest_seconds"] = int(queue.oldest_seconds)
        elif queue.name == "outbox_waiting":
            notices += queue.length
    return list(rows.values()), notices


def forget(runtime: Runtime, *, after: str = "", has_time: Callable[[], bool] = lambda: True) -> Forgotten:
    """Let go what was kept as long as the settings say; events of the subjects after an id."""
    now, config, database = runtime.clock(), runtime.config, runtime.database
    with database.write() as connection:
        bodies = forget_bodies(connection, now - timedelta(days=config.delivery_days))
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
