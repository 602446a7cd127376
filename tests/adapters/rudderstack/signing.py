"""How RudderStack proves a delivery: a static header."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.rudderstack import RudderStack
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

SIGNING = Signing(
    build=lambda secrets: RudderStack(token=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "RudderLabs"},
        body=(
            b'{"anonymousId":"4c7e1b90-3d58-4f2a-86c1-a5b0e9d27f34","event":"Signed In","messageId":"m-1",'
            b'"timestamp":"2026-03-04T05:30:10.870Z","type":"track","userId":"","context":{"sessionId":1772601880123}}'
        ),
        received_at=datetime(2026, 3, 4, 5, 30, 11, tzinfo=UTC),
    ),
    sign=lambda delivery, secret, _at: replace(
        delivery, headers={**delivery.headers, "authorization": f"Bearer {secret}"}
    ),
    secrets=("rudder-token-example-9b1f", "an-older-rudder-token-3c7d"),
)
