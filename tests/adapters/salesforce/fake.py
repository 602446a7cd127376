"""The emulated Salesforce as the `Api` of adapter tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from adapters.salesforce import Salesforce
from connector.adapter_kit.contract import Delivery, PushOutcome, Update
from connector.core.event import Event
from connector.emulators.salesforce.crm import SalesforceCrm
from connector.emulators.salesforce.rest import CLIENT
from connector.emulators.salesforce.state import USERS
from tests.adapters.builders import update_of, whole
from tests.adapters.served import ServedApi, application
from tests.conftest import Clock

HANA, KEN, YUKI = USERS[:3]
UNSEEN: Final = "00Q5g00000KpQrTEAV"

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


def json_delivery(*bodies: Any) -> Delivery:
    body = json.dumps(bodies[0] if len(bodies) == 1 else bodies).encode()
    return Delivery(method="POST", query=(), headers={}, body=body, received_at=NOW)


def callout(record_id: str, record_object: str = "Lead", **more: Any) -> dict[str, Any]:
    return {"eventId": "e1", "object": record_object, "recordId": record_id, **more}


def read_events(org: FakeOrg, *bodies: Any, **more: Any) -> list[Event]:
    adapter, delivery = connection(**more), json_delivery(*bodies)
    return whole(adapter, delivery, org)


def update_for(record_id: str, record_object: str = "Lead", *, owner: str | None = None, **fields: Any) -> Update:
    field = "OwnerId" if owner else None
    return update_of(f"{record_object}:{record_id}", fields, since=NOW, owner=owner, owner_field=field)


def push_updates(org: FakeOrg, *updates: Update) -> list[tuple[PushOutcome, str | None]]:
    return [(one.outcome, one.reason) for one in connection().push(updates, org)]
