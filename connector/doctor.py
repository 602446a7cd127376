"""Says what is wrong with the running product: the checks behind `/readyz`, `/metrics` and `connector doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from redis.exceptions import RedisError
from rq import Worker
from sqlalchemy.exc import SQLAlchemyError

from connector.core.errors import ConnectorError
from connector.metrics import Queue
from connector.runtime import Runtime
from connector.store import deliveries, outbox, subjects
from connector.store.migrate import head, present

LATE: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check. `is_vital`: without it nothing can be accepted; `detail` says what is wrong and what to do."""

    name: str
    is_fine: bool
    detail: str = ""
    is_vital: bool = False


def examine(runtime: Runtime) -> list[Finding]:
    """All checks, the vital ones first; never raises for what it checks."""
    database = _database(runtime)
    findings = [database, _secrets(runtime), _redis(runtime), _workers(runtime)]
    return [*findings, _backlog(runtime), _account(runtime)] if database.is_fine else findings


def _database(runtime: Runtime) -> Finding:
    try:
        standing = present(runtime.database)
    except SQLAlchemyError as error:
        detail = f"the database cannot be reached ({type(error).__name__}); check DATABASE_URL"
        return Finding(name="database", is_fine=False, is_vital=True, detail=detail)
    if standing != head():
        detail = f"the database stands at {standing or 'nothing'}, wanted {head()}; run `connector migrate`"
        return Finding(name="database", is_fine=False, is_vital=True, detail=detail)
    return Finding(name="database", is_fine=True, is_vital=True)


def _secrets(runtime: Runtime) -> Finding:
    try:
        runtime.connections.all()
    except (ConnectorError, SQLAlchemyError) as error:
        return Finding(name="connections", is_fine=False, is_vital=True, detail=str(error)[:300])
    return Finding(name="connections", is_fine=True, is_vital=True)


def _redis(runtime: Runtime) -> Finding:
    try:
        runtime.redis.ping()
    except (RedisError, OSError) as error:
        detail = f"redis cannot be reached ({type(error).__name__}); deliveries are stored and wait"
        return Finding(name="redis", is_fine=False, detail=detail)
    return Finding(name="redis", is_fine=True)


def _workers(runtime: Runtime) -> Finding:
    try:
        count = Worker.count(connection=runtime.redis)
    except (RedisError, OSError):
        count = 0
    if not count:
        return Finding(name="workers", is_fine=False, detail="no worker is running; start `connector worker`")
    return Finding(name="workers", is_fine=True)


def _backlog(runtime: Runtime) -> Finding:
    with runtime.database.read() as connection:
        oldest = deliveries.oldest_pending(connection)
    if oldest is not None and runtime.clock() - oldest > LATE:
        waits = int((runtime.clock() - oldest).total_seconds())
        return Finding(name="backlog", is_fine=False, detail=f"the oldest delivery has waited {waits} s")
    return Finding(name="backlog", is_fine=True)


def _account(runtime: Runtime) -> Finding:
    wrong = [name for name, book in balance(runtime).items() if not is_balanced(book)]
    if wrong:
        detail = f"the account of {', '.join(wrong)} does not add up; run `connector account`"
        return Finding(name="account", is_fine=False, detail=detail)
    return Finding(name="account", is_fine=True)


def balance(runtime: Runtime) -> dict[str, dict[str, int]]:
    """Per connection: deliveries accepted, and what became of them."""
    with runtime.database.read() as connection:
        return deliveries.account(connection)


def is_balanced(book: dict[str, int]) -> bool:
    """Whether what was accepted is all accounted for."""
    return book["accepted"] == sum(count for outcome, count in book.items() if outcome != "accepted")


def gauges(runtime: Runtime) -> Iterator[Queue]:
    """What waits now, for `/metrics`."""
    now = runtime.clock()
    with runtime.database.read() as connection:
        oldest = deliveries.oldest_pending(connection)
        books = deliveries.account(connection)
        waiting = outbox.count(connection)
        held = subjects.held(connection)
    age = (now - oldest).total_seconds() if oldest else 0.0
    for name, book in books.items():
        yield Queue(name="deliveries", connection=name, length=book[deliveries.PENDING], oldest_seconds=age)
    for (name, outcome), count in waiting.items():
        if outcome in {outbox.WAITING, "dead"}:
            yield Queue(name=f"outbox_{outcome}", connection=name, length=count, oldest_seconds=0.0)
    for row in held:
        yield Queue(name="held", connection=row["connection"], length=row["count"], oldest_seconds=0.0)
