"""An emulated COCOAR: each scan that leads to the site is told by one webhook, as JSON or as a form."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import SiteEmulator, VisitorAction, clock
from connector.emulators.engine.faults import Faults

SECRET: Final = "cocoar-5hared-3f8e2a91"  # noqa: S105 - of an application that is not real
PAUSES: Final = (0.05, 0.1)


class CocoarSite(SiteEmulator):
    """The application: whatever a visitor does in it is an inflow. `proof`: token or hmac; `is_form`: how it sends."""

    NAME: ClassVar[str] = "cocoar"
    KINDS: ClassVar[Sequence[str]] = ("cocoar_inflow",)

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
        proof: str = "token",
        is_form: bool = False,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self.proof, self.is_form = proof, is_form
        self._numbers = itertools.count(1)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the application."""
        return {"proof": self.proof}, {"secret": [SECRET]}

    def do(self, action: VisitorAction) -> None:
        """A visitor scans something that leads to the page; with an e-mail where the application asked for it."""
        number = next(self._numbers)
        values: dict[str, Any] = {
            "id": f"scan-{number:06}",
            "visitor_id": action.visitor,
            "content_id": "poster-2026",
            "url": action.page,
            "time": action.at.isoformat(),
        }
        if action.email:
            values["email"] = action.email
        content = self._content(values)
        for url in self.handlers:
            self.courier.send(Message(url=url, about=str(number), make=lambda _attempt: content, pauses=PAUSES))

    def _content(self, values: Mapping[str, Any]) -> Content:
        body = urlencode(values).encode() if self.is_form else json.dumps(values).encode()
        kind = "x-www-form-urlencoded" if self.is_form else "json"
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        proof = {"X-Cocoar-Signature": signature} if self.proof == "hmac" else {"X-Cocoar-Token": SECRET}
        return body, {"Content-Type": f"application/{kind}", **proof}
