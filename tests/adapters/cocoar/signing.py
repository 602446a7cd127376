"""How COCOAR proves its deliveries by default: a token in a header. By HMAC: tests/adapters/cocoar/test_cocoar.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.cocoar import Cocoar
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    return replace(delivery, headers={**delivery.headers, "x-cocoar-token": secret})


SIGNING = Signing(
    build=lambda secrets: Cocoar(secret=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json"},
        body=b'{"id":"scan-1","visitor_id":"9f3c1a2b","content_id":"poster-2026","time":"2026-03-26T17:16:02+09:00"}',
        received_at=datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("cocoar-5hared-3f8e2a91", "cocoar-5hared-00aa11bb"),
)
