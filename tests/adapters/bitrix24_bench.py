"""The emulated portal in this process as the `Api` of adapter tests: several processes over one lasting memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient

from adapters.bitrix24 import Bitrix24
from connector.adapter import Answer
from connector.core.errors import CrmUnavailable
from connector.demo.bitrix24_application import Application
from connector.demo.bitrix24_portal import Rest, create_app
from connector.demo.faults import Faults, Tally
from connector.demo.portal import Portal

PORTAL, SERVER, SECRET = "https://example-company.bitrix24.com", "https://oauth.bitrix.info", "s3cr3t"


@dataclass
class Process:
    """One process of the connector: a memory of its own, and the lasting one of all."""

    client: FlaskClient
    keeps: dict[str, str]
    memo: dict[str, Any] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)

    def keep(self, name: str, value: str) -> None:
        self.keeps[name] = value

    def kept(self, name: str) -> str | None:
        return self.keeps.get(name)

    def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        assert (data, headers) == (None, None)
        self.hosts.append(urlsplit(url).hostname or "")
        given = {} if json is None else {"json": json}
        response = self.client.open(urlsplit(url).path, method=method, query_string=params, **given)
        if response.status_code >= 500 or response.status_code == 429:
            message = f"answered {response.status_code}"
            raise CrmUnavailable(message)
        return Answer(status=response.status_code, headers=dict(response.headers), body=response.data)


class Bench:
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
        self.client = create_app(self.rest).test_client()
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
        return Process(client=self.client, keeps=self.keeps)

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)
