"""How Pipedrive proves its webhooks: basic authentication, no signature."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime

from adapters.pipedrive import Pipedrive
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    basic = b64encode(f"connector:{secret}".encode()).decode()
    return replace(delivery, headers={**delivery.headers, "authorization": f"Basic {basic}"})


SIGNING = Signing(
    build=lambda secrets: Pipedrive(http_password=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "Pipedrive Webhooks"},
        body=(
            b'{"data":null,"previous":{"id":4650},"meta":{"action":"delete","entity":"deal","entity_id":"4650",'
            b'"id":"8a7f2f1c-0d2e-47b1-9b0c-4e6f9a1d3c58","timestamp":"2026-03-06T02:11:59.006Z","version":"2.0"}}'
        ),
        received_at=datetime(2026, 3, 6, 2, 12, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("b7f2-webhooks-9c41", "04dd-webhooks-71ae"),
)
