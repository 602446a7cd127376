"""How Xinnet's webhook proves itself: by a token in its header, or in the address."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.xinnet import Xinnet
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

SIGNING = Signing(
    build=lambda secrets: Xinnet(token=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json"},
        body='{"event":"新线索","lead":{"单号":"XS1","手机":"13800138000"}}'.encode(),
        received_at=datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC),
    ),
    sign=lambda delivery, secret, _at: replace(delivery, headers={**delivery.headers, "x-token": secret}),
    secrets=("k4w8zq1n6t0x5p2v9c7h3j1m8b5r6y0d", "u2e6g9s3k8d1q7w4z0x5n6m2c9v1b8h3"),
)
