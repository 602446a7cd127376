"""An emulated HubSpot account as the `Api` of adapter tests, and deliveries of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.hubspot import HubSpot
from connector.adapter_kit.contract import Delivery, Pushed, Update
from connector.emulators.hubspot.crm import PUBLIC_URL, REFRESH_TOKEN, SECRET, HubSpotCrm
from tests.adapters.builders import update_of
from tests.adapters.served import URL, ServedApi, application
from tests.conftest import Clock

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
DANA, NOOR = "dana.ruiz@example.com", "noor.haddad@example.com"


class Account:
    """An emulated account, its adapter, and its REST interface as `api`."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.crm = HubSpotCrm(now=self.clock)
        self.told: list[Any] = []
        self.crm.handlers = []
        self.api = ServedApi(app=application(self.crm))
        self.adapter = HubSpot(
            client_secret=(SECRET,),
            refresh_token=(REFRESH_TOKEN,),
            client_id="app",
            api_url=URL,
            webhook_url=PUBLIC_URL,
        )

    def push(self, record: str, owner: str | None = None, of: str = "contact", **fields: Any) -> Pushed:
        (pushed,) = self.adapter.push([update(record, owner, of, **fields)], self.api)
        return pushed


def update(record: str, owner: str | None = None, of: str = "contact", **fields: Any) -> Update:
    field = "hubspot_owner_id" if owner else None
    return update_of(f"{of}:{record}", fields, since=NOW, owner=owner, owner_field=field)


def delivery(*events: Mapping[str, Any], query: Sequence[tuple[str, str]] = ()) -> Delivery:
    content = json.dumps(list(events)).encode()
    return Delivery(method="POST", query=tuple(query), headers={}, body=content, received_at=NOW)


def happened(record: str, word: str, at: datetime = NOW) -> dict[str, Any]:
    return {"subscriptionType": word, "occurredAt": round(at.timestamp() * 1000), "objectId": int(record)}
