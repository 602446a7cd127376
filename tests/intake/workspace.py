"""What the tests of intake send, and how they look at what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from connector.adapter_kit.contract import Delivery, Reply
from connector.adapter_kit.signatures import sign_webhook
from connector.intake.receive import Intake, NotStored
from connector.runtime.parts import Runtime
from connector.store import deliveries, quarantine
from connector.store.database import Database
from connector.store.deliveries import DeliveryRow
from connector.store.quarantine import QuarantinedDelivery
from tests.conftest import NOW
from tests.web.malformed import SECRET, SHOP, line, lines


def delivery(key: str = "msg_1", body: bytes | None = None, secret: str = SECRET) -> Delivery:
    content = lines(line()) if body is None else body
    headers = {"content-type": "application/json", **sign_webhook(key, content, [secret], NOW)}
    return Delivery(method="POST", query=(), headers=headers, body=content, received_at=NOW)


def receive(intake: Intake, sent: Delivery, name: str = SHOP) -> Reply:
    return intake.receive(intake.find(name), sent)


def stored(runtime: Runtime) -> list[DeliveryRow]:
    with runtime.database.read() as connection:
        return deliveries.listed(connection, limit=10_000)


def quarantined(runtime: Runtime) -> list[QuarantinedDelivery]:
    with runtime.database.read() as connection:
        return quarantine.listed(connection)


@contextmanager
def commits_counted(database: Database, before: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Counts the transactions that are committed; `before` is called before each."""
    counted = [0]

    def count(_connection: object) -> None:
        before()
        counted[0] += 1

    event.listen(database.engine, "commit", count)
    yield counted
    event.remove(database.engine, "commit", count)


def all_at_once(work: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    """The results, or the refusals, of the work on each value in a thread of its own."""

    def run(value: Any) -> Any:
        try:
            return work(value)
        except NotStored as error:
            return error

    listed = list(values)
    with ThreadPoolExecutor(len(listed)) as pool:
        return list(pool.map(run, listed))
