"""The emulated Salesforce as the `Api` of adapter tests: its application is called in process, without a network."""

from __future__ import annotations

import json as json_library
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from adapters.salesforce import Salesforce
from connector.adapter import Answer
from connector.core.errors import CrmUnavailable
from connector.demo.salesforce import SalesforceCrm
from connector.demo.salesforce_rest import CLIENT
from tests.conftest import Clock

URL = "https://acme-example.my.salesforce.com"
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


class _Unserved(SalesforceCrm):
    @property
    def url(self) -> str:
        return URL


class FakeOrg:
    """`crm` is the organization; `answers` are given first, a body and status each; `calls` is what was asked."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.crm = _Unserved(now=self.clock)
        self.memo: dict[str, Any] = {}
        self.keeps: dict[str, str] = {}
        self.answers: list[tuple[int, Any] | Exception] = []
        self.calls: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        app = Flask("salesforce")
        self.crm.routes(app)
        self._client = app.test_client()

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
        assert url.startswith(URL + "/")
        path = urlsplit(url).path
        said = (params or {}).get("q", "")
        self.calls.append(f"{method} {path.removeprefix('/services/data/v66.0/')} {said}".strip())
        self.headers.append(headers or {})
        if self.answers and "oauth2" not in path:
            first = self.answers.pop(0)
            if isinstance(first, Exception):
                raise first
            return Answer(status=first[0], headers={}, body=json_library.dumps(first[1]).encode())
        response = self._client.open(
            path,
            method=method,
            json=json,
            data=data,
            query_string=dict(params or {}),
            headers=list((headers or {}).items()),
        )
        if response.status_code >= 500:
            message = f"answered {response.status_code}"
            raise CrmUnavailable(message)
        return Answer(status=response.status_code, headers=dict(response.headers), body=response.data)


def connection(**settings: Any) -> Salesforce:
    values: dict[str, Any] = {
        "url": URL,
        "client_id": CLIENT["client_id"],
        "client_secret": (CLIENT["client_secret"],),
        "token": ("q7h2m9x4v1c8z5k3n6b0",),
        **settings,
    }
    return Salesforce(**values)
