"""How AMIS proves its webhooks: by the token in the address that it was given; a signature is not published."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.amis import Amis
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    return replace(delivery, query=(*delivery.query, ("token", secret)))


SIGNING = Signing(
    build=lambda secrets: Amis(webhook_token=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "x-app-id": "abmconnector"},
        body=b'{"event_type":"ping","app_id":"abmconnector","data":{}}',
        received_at=datetime(2026, 8, 12, 3, 15, 30, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("amis-t0ken-41b7e0", "amis-t0ken-99aa01"),
)
