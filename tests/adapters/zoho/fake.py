"""The emulated Zoho CRM as the `Api` of adapter tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from adapters.zoho import Zoho
from connector.emulators.zoho.crm import TOKEN, ZohoCrm
from connector.emulators.zoho.rest import CLIENT
from tests.adapters.served import ServedApi, application
from tests.conftest import Clock

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
