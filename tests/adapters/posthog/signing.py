"""How PostHog proves a delivery: a header of the destination."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.posthog import PostHog
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

SIGNING = Signing(
    build=lambda secrets: PostHog(token=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "accept": "application/json"},
        body=(
            b'{"event":{"uuid":"019cb8a3-15c8-7f04-b9d1-6a2e7c0f8b35","event":"file_downloaded",'
            b'"distinct_id":"019cb8a0-1f2d-7c4e-9a60-5b7d2e8f1034","timestamp":"2026-03-04T05:29:02.771Z",'
            b'"properties":{"file":"catalog-2026.pdf"}}}'
        ),
        received_at=datetime(2026, 3, 4, 5, 29, 4, tzinfo=UTC),
    ),
    sign=lambda delivery, secret, _at: replace(delivery, headers={**delivery.headers, "authorization": secret}),
    secrets=("posthog-token-example-5e8a", "an-older-posthog-token-0b2d"),
)
