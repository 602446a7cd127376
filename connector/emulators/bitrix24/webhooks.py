"""The events of an emulated Bitrix24 on their way to the handlers: once each, by the courier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.php import build_query
from connector.emulators.engine.courier import Courier, Message
from connector.emulators.engine.faults import Faults, Tally

SENT_BY_WEBHOOKS: Final = frozenset(
    f"ONCRM{entity.name}{change}" for entity in Entity for change in ("ADD", "UPDATE", "DELETE")
)
"""An outgoing webhook never gets `ONCRMDEALMOVETOCATEGORY`; only applications do."""
_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Bitrix24 Webhook Engine"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """Where events go: address, token, the subscription's number in the portal, and the events that it is for.

    `auth`: what an application's events carry besides.
    """

    url: str
    token: str
    number: int = 318
    events: frozenset[str] = SENT_BY_WEBHOOKS
    auth: Mapping[str, str] = field(default_factory=dict)


class Sender:
    """Makes the requests; the courier sends them. A handler that fails has lost the event: there is no retry.

    `others` gives the handlers that an application has bound, besides `handlers`, the outgoing webhooks.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        faults: Faults,
        tally: Tally,
        threads: int = 2,
        others: Callable[[], list[Handler]] = list,
    ) -> None:
        self.handlers: list[Handler] = []
        self.domain, self.member_id = "example-company.bitrix24.com", "7f3c9a51d20e4b6c8a1f5e7d90b2c364"
        self.courier = Courier(faults=faults, tally=tally, threads=threads)
        self._now, self._tally, self._others = now, tally, others
        self._seen = Counter[tuple[str, int]]()

    def announce(self, event: str, entity: Entity, record_id: int) -> None:
        """Sends the event to every handler that asked for it; faults are drawn per handler, record and change."""
        self._seen[event, record_id] += 1
        about = f"{event}/{entity}/{record_id}/{self._seen[event, record_id]}"
        for handler in [*self.handlers, *self._others()]:
            if event in handler.events:
                body = self._body(event, {"FIELDS": {"ID": record_id}}, handler)
                self._send(handler.url, about, body)

    def send_to(self, event: str, handler: Handler, data: Mapping[str, Any]) -> None:
        """Sends an event about the application itself."""
        self._send(handler.url, event, self._body(event, data, handler), is_sure=True)

    def robot(self, url: str, entity: Entity, record_id: int, **query: str) -> None:
        """The automation rule "Webhook": only the document and the portal, the secret being in the address."""
        auth = {name: value for name, value in self._auth("").items() if name != "application_token"}
        document = ["crm", f"CCrmDocument{entity.name.title()}", f"{entity.name}_{record_id}"]
        self._tally.add("webhooks.robots")
        address = f"{url}?{urlencode(query)}" if query else url
        self._send(address, "robot", build_query({"document_id": document, "auth": auth}), is_sure=True)

    def close(self) -> None:
        """Stops sending; what is still queued is dropped."""
        self.courier.close()

    def _send(self, url: str, about: str, body: str, *, is_sure: bool = False) -> None:
        content = (body.encode(), _HEADERS)
        self.courier.send(Message(url=url, about=about, make=lambda _: content), is_sure=is_sure)

    def _body(self, event: str, data: Mapping[str, Any], handler: Handler) -> str:
        return build_query(
            {
                "event": event,
                "event_handler_id": handler.number,
                "data": data,
                "ts": int(self._now().timestamp()),
                "auth": {**self._auth(handler.token), **handler.auth},
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
