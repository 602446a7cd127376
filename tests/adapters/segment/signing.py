"""How Segment proves a delivery: HMAC-SHA1 in hex over the body."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import UTC, datetime

from adapters.segment import Segment
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    signature = hmac.new(secret.encode(), delivery.body, "sha1").hexdigest()
    return replace(delivery, headers={**delivery.headers, "x-signature": signature})


SIGNING = Signing(
    build=lambda secrets: Segment(secret=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "Segment (Actions)"},
        body=(
            b'{"anonymousId":"8b1f3d5e-0c72-4a96-bb41-6d2e90f7a853","event":"Signed In","messageId":"node-next-1",'
            b'"timestamp":"2026-03-04T05:26:08.333Z","type":"track"}'
        ),
        received_at=datetime(2026, 3, 4, 5, 26, 9, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("segment-shared-secret-example", "an-older-segment-shared-secret"),
    covers_body=True,
)
