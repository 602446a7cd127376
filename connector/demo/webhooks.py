"""The queue server of an emulated Bitrix24: sends events to the handlers in the background, once each, with faults."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import requests

from connector.demo.bitrix24_fields import Entity
from connector.demo.faults import Faults, Tally, dice
from connector.demo.php import build_query

TIMEOUT: Final = 10.0
SENT_BY_WEBHOOKS: Final = frozenset(
    f"ONCRM{entity.name}{change}" for entity in Entity for change in ("ADD", "UPDATE", "DELETE")
)
"""An outgoing webhook never gets `ONCRMDEALMOVETOCATEGORY`; only applications do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One outgoing webhook: where to, its token, its number in the portal, and the events it is for."""

    url: str
    token: str
    number: int = 318
    events: frozenset[str] = SENT_BY_WEBHOOKS


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Notice:
    """One request to be sent when it is due, in seconds of the monotonic clock."""

    due: float
    number: int
    url: str = field(compare=False)
    body: str = field(compare=False)


class Sender:
    """Queues events and sends them by threads. `answers` counts what the handlers answered, by status.

    A handler that fails has lost the event: there is no retry, as with the real one.
    """

    def __init__(self, *, now: Callable[[], datetime], faults: Faults, tally: Tally, threads: int = 2) -> None:
        self.handlers: list[Handler] = []
        self.domain, self.member_id = "example-company.bitrix24.com", "7f3c9a51d20e4b6c8a1f5e7d90b2c364"
        self.answers: Counter[int] = Counter()
        self._now, self._faults, self._tally = now, faults, tally
        self._heap: list[Notice] = []
        self._numbers, self._seen = itertools.count(), Counter[tuple[str, int]]()
        self._ready, self._busy, self._is_closed = threading.Condition(), 0, False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def announce(self, event: str, entity: Entity, record_id: int) -> None:
        """Queues the event for every handler that asked for it; faults are drawn per record and change."""
        self._seen[event, record_id] += 1
        drawn = dice(self._faults.seed, event, entity, record_id, self._seen[event, record_id])
        is_lost, is_doubled, is_late = (
            drawn.random() < share for share in (self._faults.lost, self._faults.doubled, self._faults.late)
        )
        for handler in self.handlers:
            if event not in handler.events:
                continue
            self._tally.add("webhooks.raised")
            if is_lost:
                self._tally.add("webhooks.lost")
                continue
            late = drawn.uniform(0, self._faults.late_seconds) if is_late else 0.0
            body = self._body(event, record_id, handler)
            self._queue(handler.url, body, late)
            self._tally.add("webhooks.late" if is_late else "webhooks.prompt")
            if is_doubled:
                self._tally.add("webhooks.doubled")
                self._queue(handler.url, body, late + drawn.uniform(0, self._faults.late_seconds))

    def robot(self, url: str, entity: Entity, record_id: int, **query: str) -> None:
        """The automation rule "Webhook": only the document and the portal, the secret being in the address."""
        auth = {name: value for name, value in self._auth("").items() if name != "application_token"}
        document = ["crm", f"CCrmDocument{entity.name.title()}", f"{entity.name}_{record_id}"]
        self._tally.add("webhooks.robots")
        address = f"{url}?{urlencode(query)}" if query else url
        self._queue(address, build_query({"document_id": document, "auth": auth}), 0.0)

    def drain(self, timeout: float = 30.0) -> bool:
        """Waits until everything queued has been sent, late ones too; False when the time is up before."""
        with self._ready:
            return self._ready.wait_for(lambda: not self._heap and not self._busy, timeout)

    def close(self) -> None:
        """Stops sending; what is still queued is dropped."""
        with self._ready:
            self._is_closed = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(TIMEOUT + 1)

    def _body(self, event: str, record_id: int, handler: Handler) -> str:
        return build_query(
            {
                "event": event,
                "event_handler_id": handler.number,
                "data": {"FIELDS": {"ID": record_id}},
                "ts": int(self._now().timestamp()),
                "auth": self._auth(handler.token),
            }
        )

    def _auth(self, token: str) -> Mapping[str, Any]:
        return {
            "domain": self.domain,
            "client_endpoint": f"https://{self.domain}/rest/",
            "server_endpoint": "https://oauth.bitrix.info/rest/",
            "member_id": self.member_id,
            "application_token": token,
        }

    def _queue(self, url: str, body: str, late: float) -> None:
        with self._ready:
            due = time.monotonic() + late
            heapq.heappush(self._heap, Notice(due=due, number=next(self._numbers), url=url, body=body))
            self._ready.notify()

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # loopback goes by no proxy
            while notice := self._take():
                self._post(session, notice)
                with self._ready:
                    self._busy -= 1
                    self._ready.notify_all()

    def _take(self) -> Notice | None:
        with self._ready:
            while not self._is_closed:
                wait = self._heap[0].due - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    self._busy += 1
                    return heapq.heappop(self._heap)
                self._ready.wait(wait)
        return None

    def _post(self, session: requests.Session, notice: Notice) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Bitrix24 Webhook Engine"}
        try:
            answer = session.post(notice.url, data=notice.body, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException:
            self._tally.add("webhooks.failed")
            return
        with self._ready:
            self.answers[answer.status_code] += 1
        self._tally.add("webhooks.sent" if answer.ok else "webhooks.refused")
