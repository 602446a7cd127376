"""The emulated Salesforce as the `Api` of adapter tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from adapters.salesforce import Salesforce
from connector.emulators.salesforce.crm import SalesforceCrm
from connector.emulators.salesforce.rest import CLIENT
from tests.adapters.served import ServedApi, application
from tests.conftest import Clock

URL = "https://acme-example.my.salesforce.com"
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


class _Unserved(SalesforceCrm):
    @property
    def url(self) -> str:
        return URL


class FakeOrg(ServedApi):
    """`crm` is the organization."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.crm = _Unserved(now=self.clock)
        super().__init__(app=application(self.crm), at=(f"{URL}/",), below="/services/data/v66.0/")


def connection(**settings: Any) -> Salesforce:
    values: dict[str, Any] = {
        "url": URL,
        "client_id": CLIENT["client_id"],
        "client_secret": (CLIENT["client_secret"],),
        "token": ("q7h2m9x4v1c8z5k3n6b0",),
        **settings,
    }
    return Salesforce(**values)
