"""The emulated portal in this process as the `Api` of adapter tests: several processes over one lasting memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.bitrix24 import Bitrix24
from connector.adapter_kit.contract import Answer
from connector.emulators.bitrix24.application import Application
from connector.emulators.bitrix24.rest import Rest, create_app
from connector.emulators.bitrix24.state import Portal
from connector.emulators.engine.faults import Faults, Tally
from tests.adapters.served import ServedApi

PORTAL, SERVER, SECRET = "https://example-company.bitrix24.com", "https://oauth.bitrix.info", "s3cr3t"


@dataclass(slots=True, kw_only=True)
class Process(ServedApi):
    """One process of the connector: a memory of its own, and the lasting one of all.

    What others do meanwhile, once: `before_next_secret` gets the name of what is about to be kept, `before_next_token`
    the address that is about to be asked for a token.
    """

    before_next_secret: Callable[[str], None] | None = None
    before_next_token: Callable[[str], None] | None = None

    def call(self, method: str, url: str, **request: Any) -> Answer:
        assert not {"data", "headers"} & set(request)
        if "/oauth/" in url and self.before_next_token:
            before, self.before_next_token = self.before_next_token, None
            before(url)
        return ServedApi.call(self, method, url, **request)

    def set_secret(self, name: str, value: str) -> None:
        if self.before_next_secret:
            before, self.before_next_secret = self.before_next_secret, None
            before(name)
        ServedApi.set_secret(self, name, value)


class Harness:
    """A portal with an application, a clock, and as many processes as are asked for."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC)
        self.portal, self.faults, self.tally = Portal(now=lambda: self.now), Faults(), Tally()
        self.application = Application(now=lambda: self.now)
        self.portal.announce = self.application.announce
        self.rest = Rest(
            self.portal,
            secrets={SECRET: 1},
            faults=self.faults,
            tally=self.tally,
            application=self.application,
        )
        self.keeps: dict[str, str] = {}
        self.app = create_app(self.rest)
        self.adapter = Bitrix24(
            client_id=self.application.client_id,
            client_secret=(self.application.client_secret,),
            refresh_token=(self.application.authorize(),),
            portal_url=PORTAL,
            robot_token=("r0b0t",),
        )
        self.by_webhook = replace(self.adapter, client_id="", webhook_url=(f"{PORTAL}/rest/1/{SECRET}/",))

    def process(self) -> Process:
        """A process that has just started."""
        return Process(app=self.app, keeps=self.keeps)

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)
