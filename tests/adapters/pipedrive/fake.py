"""An emulated Pipedrive company, its adapter, and what its webhooks say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.pipedrive import Pipedrive
from connector.adapter_kit.contract import Delivery, Pushed, Update
from connector.core.event import Event
from connector.emulators.pipedrive.crm import PASSWORD, TOKEN, PipedriveCrm
from connector.emulators.pipedrive.rest import row_of
from tests.adapters.builders import update_of
from tests.adapters.served import URL, ServedApi, application
from tests.conftest import Clock

NOW = datetime(2026, 3, 6, 2, 12, tzinfo=UTC)
V1 = {"v": 1, "meta": {"action": "updated", "object": "deal", "id": 1, "timestamp": 1772600767}}


class Company:
    """An emulated company, its adapter, and its REST interface as `api`."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.crm = PipedriveCrm(now=self.clock)
        self.api = ServedApi(app=application(self.crm))
        self.adapter = Pipedrive(http_password=(PASSWORD,), api_token=(TOKEN,), company_url=URL)

    def push(self, record: str, owner: str | None = None, of: str = "deal", **fields: Any) -> Pushed:
        (pushed,) = self.adapter.push([update(record, owner, of, **fields)], self.api)
        return pushed


def update(record: str, owner: str | None = None, of: str = "deal", **fields: Any) -> Update:
    field = "owner_id" if owner else None
    return update_of(f"{of}:{record}", fields, since=NOW, owner=owner, owner_field=field)


def delivery(content: Any, **headers: str) -> Delivery:
    return Delivery(method="POST", query=(), headers=headers, body=json.dumps(content).encode(), received_at=NOW)


def meta(action: str, entity: str = "deal", **more: Any) -> dict[str, Any]:
    common = {"version": "2.0", "entity_id": "1", "id": "e1", "timestamp": "2026-03-06T02:11:59.006Z"}
    return {**common, "action": action, "entity": entity, **more}


def webhook(company: Company, record: str, action: str = "change", of: str = "deal", **more: Any) -> Delivery:
    found = company.crm.shelf.find(of, record)
    return delivery(
        {"data": row_of(found) if found else None, "previous": {}, "meta": meta(action, of, entity_id=record, **more)}
    )


def read(company: Company, one: Delivery) -> list[Event]:
    events = company.adapter.parse(one, company.adapter.fetch([one], company.api))
    return [event for event in events if isinstance(event, Event)]


def keys(events: Sequence[Event]) -> set[str]:
    return {event.key for event in events}
