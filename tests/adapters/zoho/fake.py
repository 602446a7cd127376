"""The emulated Zoho CRM as the `Api` of adapter tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from adapters.zoho import Zoho
from connector.adapter_kit.contract import Delivery
from connector.core.event import Event
from connector.emulators.zoho.crm import FIRST_CHANNEL, TOKEN, ZohoCrm
from connector.emulators.zoho.rest import CLIENT
from connector.emulators.zoho.state import USERS
from tests.adapters.builders import whole
from tests.adapters.served import ServedApi, application
from tests.conftest import Clock

KEIKO, REN, MIO = USERS[:3]

URL = "https://www.zohoapis.jp"
NOW = datetime(2026, 3, 4, 5, 0, 0, tzinfo=UTC)


class _Unserved(ZohoCrm):
    @property
    def url(self) -> str:
        return URL


class FakeAccount(ServedApi):
    """`crm` is the account."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.crm = _Unserved(now=self.clock)
        places = (f"{URL}/crm/v8/", "https://accounts.zoho.jp/oauth/v2/token")
        super().__init__(app=application(self.crm), at=places, below="/crm/v8/")


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


def posted(body: bytes | Mapping[str, Any], *query: tuple[str, str], **headers: str) -> Delivery:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(method="POST", query=query, headers=headers, body=content, received_at=NOW)


def posted_form(**values: str) -> Delivery:
    return posted(urlencode(values).encode())


def callback(*ids: Any, module: Any = "Leads", operation: str = "update", **more: Any) -> dict[str, Any]:
    return {
        "server_time": 1772600400000,
        "module": module,
        "ids": list(ids),
        "operation": operation,
        "channel_id": str(FIRST_CHANNEL),
        "token": TOKEN,
        **more,
    }


def read_events(account: FakeAccount, body: Mapping[str, Any], **more: Any) -> list[Event]:
    adapter, delivery = connection(**more), posted(body)
    return whole(adapter, delivery, account)
