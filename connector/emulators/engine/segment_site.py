"""An emulated site whose library speaks the Segment spec: what Segment and RudderStack send on has the same form."""

from __future__ import annotations

import itertools
import json
import zlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import Deed, SiteEmulator, clock
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


class SpecSite(SiteEmulator):
    """Remembers who was identified, as the library does in the browser. `batch`: messages in one request, from 1.

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
        self._numbers = itertools.count(1)
        self._users: dict[str, str] = {}
        self._waiting: list[dict[str, Any]] = []

    @abstractmethod
    def sent(self, messages: Sequence[Mapping[str, Any]], url: str) -> Message:
        """The request that carries the messages to a handler's address."""

    def context(self, deed: Deed) -> dict[str, Any]:
        """What the library adds to `context`."""
        del deed
        return {}

    def do(self, deed: Deed) -> None:
        """The site's library is called as such sites do: a sign-up and a log-in identify the user first."""
        if deed.email and deed.kind in {"identify", "membership_registration", "login"}:
            self._users[deed.visitor] = f"u_{zlib.crc32(deed.email.encode())}"
            self._send({**self._message(deed, "identify"), **self.traits(deed.email)})
        if deed.kind in _PAGES:
            self._send(self._page(deed))
        elif deed.kind != "identify":
            self._send(self._track(deed))

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
            self.courier.send(self.sent(messages, url))

    def _page(self, deed: Deed) -> dict[str, Any]:
        url, message = deed.page + _PAGES[deed.kind], self._message(deed, "page")
        message["context"]["page"]["url"] = url
        return {**message, "name": None, "properties": {"url": url, "title": "Page"}}

    def _track(self, deed: Deed) -> dict[str, Any]:
        word, properties = _TRACKS[deed.kind]
        message = {**self._message(deed, "track"), "event": word}
        if deed.kind == "mail_open":
            message |= {"anonymousId": None, "channel": "server", "context": {"traits": {"email": deed.email}}}
        given = {"email": deed.email} if deed.email and deed.kind == "form_submission" else {}
        return {**message, "properties": {**properties, **given}}

    def _message(self, deed: Deed, type_: str) -> dict[str, Any]:
        at, number = deed.at.astimezone(UTC), next(self._numbers)
        return {
            "anonymousId": deed.visitor,
            "channel": "client",
            "context": {"ip": "203.0.113.24", "page": {"url": deed.page, "title": "Page"}, **self.context(deed)},
            "integrations": {},
            "messageId": f"ajs-next-{at.timestamp() * 1000:.0f}-{number:08d}-{self.faults.seed}",
            "originalTimestamp": written(at),
            "receivedAt": written(at + FLIGHT),
            "sentAt": written(at),
            "timestamp": written(at),
            "type": type_,
            "userId": self._users.get(deed.visitor),
        }


def written(at: datetime) -> str:
    """A time as the libraries write it: UTC in milliseconds with a Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compact(value: Any) -> bytes:
    """JSON as JavaScript writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
