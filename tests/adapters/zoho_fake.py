"""The emulated Zoho CRM as the `Api` of adapter tests: its application is called in process, without a network."""

from __future__ import annotations

import json as json_library
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from adapters.zoho import Zoho
from connector.adapter import Answer
from connector.core.errors import CrmUnavailable
from connector.demo.zoho import TOKEN, ZohoCrm
from connector.demo.zoho_rest import CLIENT
from tests.conftest import Clock

URL = "https://www.zohoapis.jp"
NOW = datetime(2026, 3, 4, 5, 0, 0, tzinfo=UTC)


class _Unserved(ZohoCrm):
    @property
    def url(self) -> str:
        return URL


class FakeAccount:
    """`crm` is the account; `answers` are given first, a status and body each; `calls` is what was asked."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.crm = _Unserved(now=self.clock)
        self.memo: dict[str, Any] = {}
        self.keeps: dict[str, str] = {}
        self.answers: list[tuple[int, Any] | Exception] = []
        self.calls: list[str] = []
        self.bodies: list[Any] = []
        app = Flask("zoho")
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
        assert url.startswith((URL + "/crm/v8/", "https://accounts.zoho.jp/oauth/v2/token")), url
        path = urlsplit(url).path
        self.calls.append(f"{method} {path.removeprefix('/crm/v8/')}")
        self.bodies.append(json or data)
        if self.answers:
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


def connection(**settings: Any) -> Zoho:
    values: dict[str, Any] = {
        "data_center": "jp",
        "client_id": CLIENT["client_id"],
        "client_secret": (CLIENT["client_secret"],),
        "refresh_token": (CLIENT["refresh_token"],),
        "token": (TOKEN,),
        "webhook_secret": ("b7d1f0a2c9",),
        **settings,
    }
    return Zoho(**values)
