"""An emulated site whose library speaks the Segment spec: what Segment and RudderStack send on has the same form."""

from __future__ import annotations

import itertools
import json
import zlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import SiteEmulator, VisitorAction, clock
from connector.emulators.engine.faults import Faults

FLIGHT: Final = timedelta(milliseconds=400)
_PAGES: Final = {
    "site_access": "",
    "email_inflow": "?utm_source=newsletter&utm_medium=email&utm_campaign=spring",
    "cocoar_inflow": "?utm_source=cocoar",
}
_TRACKS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "form_submission": ("Form Submitted", {"form_id": "contact"}),
    "membership_registration": ("Signed Up", {"plan": "trial"}),
    "login": ("Signed In", {}),
    "file_download": ("File Downloaded", {"file_url": "https://www.example.com/files/catalog.pdf"}),
    "mail_open": ("Email Opened", {"campaign_id": "123"}),
}


class SegmentSpecSite(SiteEmulator):
    """Remembers who was identified, as the library does in the browser. `batch`: messages in one request, from 1.

    `method`: that of the destination. `has_ids`: whether messages have ids; those of the documentation have none.
    A subclass says how a request is made of messages (`sent`), and what its library adds to a message (`context`).
    """

    KINDS: ClassVar[Sequence[str]] = (*_PAGES, *_TRACKS)

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self.batch = 1
        self.method = "POST"
        self.has_ids = True
        self._numbers = itertools.count(1)
        self._users: dict[str, str] = {}
        self._waiting: list[dict[str, Any]] = []

    @abstractmethod
    def sent(self, messages: Sequence[Mapping[str, Any]], url: str) -> Message:
        """The request that carries the messages to a handler's address."""

    def context(self, action: VisitorAction) -> dict[str, Any]:
        """What the library adds to `context`."""
        del action
        return {}

    def do(self, action: VisitorAction) -> None:
        """The site's library is called as such sites do: a sign-up and a log-in identify the user first."""
        if action.email and action.kind in {"identify", "membership_registration", "login"}:
            self._users[action.visitor] = f"u_{zlib.crc32(action.email.encode())}"
            self._send({**self._message(action, "identify"), **self.traits(action.email)})
        if action.kind in _PAGES:
            self._send(self._page(action))
        elif action.kind != "identify":
            self._send(self._track(action))

    def request_deletion(self, user: str) -> None:
        """What Segment sends when somebody asks for a user's deletion: type, user and time, and no more."""
        self._send({"type": "delete", "userId": user, "timestamp": written(self.now())})

    def traits(self, email: str) -> dict[str, Any]:
        """What an identify carries, at the place where this library puts it."""
        return {"traits": {"email": email, "firstName": "Aiko", "lastName": "Sato"}}

    def drain(self, timeout: float = 30.0) -> bool:
        """Waits until everything has been sent, the last batch too."""
        self._flush()
        return super().drain(timeout)

    def _send(self, message: dict[str, Any]) -> None:
        self._waiting.append(message)
        if len(self._waiting) >= self.batch:
            self._flush()

    def _flush(self) -> None:
        messages, self._waiting = self._waiting, []
        for url in self.handlers if messages else ():
            self.courier.send(
                replace(self.sent(messages, url), about=compact(messages[0]).decode(), method=self.method)
            )

    def _page(self, action: VisitorAction) -> dict[str, Any]:
        url, message = action.page + _PAGES[action.kind], self._message(action, "page")
        message["context"]["page"]["url"] = url
        return {**message, "name": None, "properties": {"url": url, "title": "Page"}}

    def _track(self, action: VisitorAction) -> dict[str, Any]:
        word, properties = _TRACKS[action.kind]
        message = {**self._message(action, "track"), "event": word}
        if action.kind == "mail_open":
            message |= {"anonymousId": None, "channel": "server", "context": {"traits": {"email": action.email}}}
        given = {"email": action.email} if action.email and action.kind == "form_submission" else {}
        return {**message, "properties": {**properties, **given}}

    def _message(self, action: VisitorAction, type_: str) -> dict[str, Any]:
        at, number = action.at.astimezone(UTC), next(self._numbers)
        id_ = f"ajs-next-{at.timestamp() * 1000:.0f}-{number:08d}-{self.faults.seed}"
        return {
            "anonymousId": action.visitor,
            "channel": "client",
            "context": {"ip": "203.0.113.24", "page": {"url": action.page, "title": "Page"}, **self.context(action)},
            "integrations": {},
            **({"messageId": id_} if self.has_ids else {}),
            "originalTimestamp": written(at),
            "receivedAt": written(at + FLIGHT),
            "sentAt": written(at),
            "timestamp": written(at),
            "type": type_,
            "userId": self._users.get(action.visitor),
        }


def written(at: datetime) -> str:
    """A time as the libraries write it: UTC in milliseconds with a Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compact(value: Any) -> bytes:
    """JSON as JavaScript writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
