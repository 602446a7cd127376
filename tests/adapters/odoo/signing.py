"""How Odoo proves its deliveries: a token in the address; there is no signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.odoo import Odoo
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    return replace(delivery, query=(*delivery.query, ("token", secret)))


SIGNING = Signing(
    build=lambda secrets: Odoo(webhook_token=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "python-requests/2.31.0"},
        body=b'{"_action": "Contact to connector(#413)", "_id": 78, "_model": "res.partner"}',
        received_at=datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("r8Zk3vQn5tXw1yLm7pHc", "Jd4mW9xTz2sB6fKq0uVn"),
)
