"""Intake: verifies a webhook request, masks its secrets, commits it with its neighbours, and only then answers."""

from __future__ import annotations

import os
import queue
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
import structlog
from sqlalchemy.exc import OperationalError

from connector import metrics
from connector.adapter import Delivery, Reply
from connector.connections import Connected, Connections
from connector.core.errors import BadPayload, BadSignature, NotFound, OperatorError, SenderError
from connector.redaction import redact
from connector.store import deliveries as queries
from connector.store.database import Database, new_id
from connector.store.rows import Row
from connector.vault import Vault

GROUP: Final = 200
COMMIT_SECONDS: Final = 20.0
KEEP_SEALED_BYTES: Final = 256 * 1024
"""A larger quarantined delivery keeps its error, not its body: it cannot be verified again."""
log: Final = structlog.get_logger(__name__)


class Paused(SenderError):
    """The connection takes nothing at the moment (503, with Retry-After)."""

    reason = "paused"


class NotStored(OperatorError):
    """The delivery could not be committed: nothing was acknowledged (503, with Retry-After)."""

    reason = "not_stored"


class WrongMethod(SenderError):
    """A probe that the system does not know (405)."""

    reason = "wrong_method"


class WrongContentType(SenderError):
    """A body of a content type that the system never sends (415)."""

    reason = "wrong_content_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A row for the store, on its way to the next group commit."""

    row: Row
    is_quarantined: bool
    done: Future[None]


class Writer:
    """Commits rows of concurrent requests in groups: one transaction for all that arrived during the one before."""

    def __init__(self, database: Database, quarantine_most: int, committed: Callable[[set[int]], None]) -> None:
        self._database = database
        self._quarantine_most = quarantine_most
        self._committed = committed
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def write(self, row: Row, *, is_quarantined: bool = False) -> None:
        """Return when the row is committed. Raises `NotStored` when it could not be."""
        self._run()
        item = _Item(row=row, is_quarantined=is_quarantined, done=Future())
        self._items.put(item)
        try:
            item.done.result(timeout=COMMIT_SECONDS)
        except Exception as error:
            log.exception("a delivery could not be stored", connection=row["connection"])
            message = "the delivery could not be stored; send it again later"
            raise NotStored(message) from error

    def _run(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._start:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._loop, name="intake-writer", daemon=True)
                    self._thread.start()

    def _loop(self) -> None:
        while True:
            items = [self._items.get()]
            while len(items) < GROUP and not self._items.empty():
                items.append(self._items.get())
            self._commit(items)

    def _commit(self, items: Sequence[_Item]) -> None:
        try:
            with self._database.write() as connection:
                for item in items:
                    if item.is_quarantined:
                        queries.put_aside(connection, item.row, self._quarantine_most)
                rows = [item.row for item in items if not item.is_quarantined]
                if rows:
                    queries.store(connection, rows, os.getpid() % 16)
        except OperationalError as error:
            _fail(items, error)
        except Exception as error:  # noqa: BLE001 - one row that cannot be stored must not fail its neighbours
            if len(items) == 1:
                _fail(items, error)
            else:
                for item in items:
                    self._commit([item])
        else:
            for item in items:
                item.done.set_result(None)
            self._committed({row["lane"] for row in rows})


def _fail(items: Sequence[_Item], error: Exception) -> None:
    for item in items:
        item.done.set_exception(error)


class Intake:
    """Takes webhook requests for all connections. `lanes`: into how many shares the waiting deliveries are divided."""

    def __init__(self, *, connections: Connections, vault: Vault, writer: Writer, lanes: int) -> None:
        self._connections = connections
        self._vault = vault
        self._writer = writer
        self._lanes = lanes

    def find(self, name: str) -> Connected:
        """The connection that a request names. Raises `NotFound` or `Paused`."""
        connected = self._connections.get(name)
        if connected is None:
            message = f"there is no connection {name!r}"
            raise NotFound(message)
        if connected.is_paused:
            message = f"the connection {name!r} is paused; send again later"
            raise Paused(message)
        return connected

    def receive(self, name: str, delivery: Delivery) -> Reply:
        """The answer to a request, after it was committed.

        Raises `NotFound`, `Paused`, `WrongMethod`, `WrongContentType`, `BadSignature`, `BadPayload`, `NotStored`.
        """
        connected = self.find(name)
        adapter = connected.adapter
        greeting = adapter.greet(delivery)
        if greeting is not None:
            return greeting
        if delivery.method != "POST":
            message = "webhooks are sent by POST"
            raise WrongMethod(message)
        self._check_content_type(connected, delivery)
        try:
            adapter.verify(delivery, delivery.received_at)
            key, reply = adapter.key(delivery), adapter.accept(delivery)
        except (BadSignature, BadPayload) as error:
            self._quarantine(connected, delivery, error)
            raise
        self._writer.write(self._row(connected, delivery, key))
        metrics.count_accepted(name)
        return reply

    def verify_again(self, name: str, database: Database, now: datetime) -> int:
        """Take quarantined deliveries of a connection that verify now, after its secret was corrected; how many."""
        connected = self.find(name)
        taken: list[str] = []
        with database.read() as connection:
            rows = queries.quarantined(connection, name)
        for row in rows:
            if row["sealed"] and (delivery := self._unseal(row)):
                try:
                    connected.adapter.verify(delivery, delivery.received_at)
                    key = connected.adapter.key(delivery)
                    connected.adapter.accept(delivery)
                except (BadSignature, BadPayload):
                    continue
                self._writer.write({**self._row(connected, delivery, key), "next_attempt_at": now})
                taken.append(row["id"])
        if taken:
            with database.write() as connection:
                queries.release(connection, taken)
        return len(taken)

    @staticmethod
    def _check_content_type(connected: Connected, delivery: Delivery) -> None:
        given = delivery.headers.get("content-type", "").split(";")[0].strip().casefold()
        allowed = connected.adapter.CONTENT_TYPES
        if given not in allowed:
            message = f"content type {given or 'none'!r}; send one of {', '.join(sorted(allowed))}"
            raise WrongContentType(message)

    def _row(self, connected: Connected, delivery: Delivery, key: str) -> Row:
        lane = (
            zlib.crc32(f"{connected.name}:{connected.adapter.lane(delivery)}".encode("utf-8", "replace")) % self._lanes
        )
        masked = redact(delivery, connected.adapter.SECRET_KEYS, connected.secrets)
        return {
            "id": new_id(delivery.received_at),
            "connection": connected.name,
            "key": _clean(key),
            "received_at": delivery.received_at,
            "lane": lane,
            "outcome": queries.PENDING,
            "attempts": 0,
            "next_attempt_at": delivery.received_at,
            "duplicates": 0,
            "method": masked.method,
            "query": [[_clean(name), _clean(value)] for name, value in masked.query],
            "headers": {_clean(name): _clean(value) for name, value in masked.headers.items()},
            "body": masked.body,
        }

    def _quarantine(self, connected: Connected, delivery: Delivery, error: SenderError) -> None:
        is_kept = len(delivery.body) <= KEEP_SEALED_BYTES
        row = {
            "id": new_id(delivery.received_at),
            "connection": connected.name,
            "received_at": delivery.received_at,
            "reason": error.reason,
            "error": _clean(str(error)[:1000]),
            "size": len(delivery.body),
            "sealed": self._seal(delivery) if is_kept else "",
        }
        self._writer.write(row, is_quarantined=True)
        metrics.count_refused(connected.name, error.reason)

    def _seal(self, delivery: Delivery) -> str:
        values = {
            "method": delivery.method,
            "query": delivery.query,
            "headers": dict(delivery.headers),
            "body": delivery.body.decode("latin-1"),
            "received_at": delivery.received_at.isoformat(),
        }
        return self._vault.encrypt(orjson.dumps(values).decode())

    def _unseal(self, row: Row) -> Delivery | None:
        values: dict[str, Any] = orjson.loads(self._vault.decrypt(row["sealed"]))
        return Delivery(
            method=values["method"],
            query=tuple((name, value) for name, value in values["query"]),
            headers=values["headers"],
            body=values["body"].encode("latin-1"),
            received_at=datetime.fromisoformat(values["received_at"]),
        )


def _clean(text: str) -> str:
    """Text that every database can store: no NUL, no lone surrogate."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
