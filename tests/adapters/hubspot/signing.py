"""How HubSpot signs: HMAC over method, public address, body and a time in milliseconds, its version 3."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.hubspot import HubSpot
from adapters.hubspot.webhook import sign_request
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

URL = "https://connector.example.com/webhooks/hubspot"


def _sign(delivery: Delivery, secret: str, at: datetime) -> Delivery:
    return replace(delivery, headers={**delivery.headers, **sign_request(delivery, URL, secret, at)})


SIGNING = Signing(
    build=lambda secrets: HubSpot(client_secret=secrets, webhook_url=URL),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "HubSpot Connect 2.0"},
        body=(
            b'[{"eventId":2815530417,"subscriptionId":3911027,"portalId":48210377,"appId":9046112,'
            b'"occurredAt":1767268795679,"subscriptionType":"contact.deletion","attemptNumber":0,'
            b'"objectId":112558900431,"changeSource":"CRM_UI","sourceId":"userId:70311845"}]'
        ),
        received_at=datetime(2026, 1, 1, 12, 0, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("6f1d2c5a-0b7e-4c1e-9d43-2a8e5b90c7f1", "0c9b7e5d-2f4a-4e8b-8c1d-7a6f5e4d3c2b"),
    is_timed=True,
    covers_body=True,
)
