"""How BowNow proves its messages: not at all; the address that it was given carries a token."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.bownow import BowNow
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    return replace(delivery, query=(*delivery.query, ("token", secret)))


SIGNING = Signing(
    build=lambda secrets: BowNow(webhook_token=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "BowNow"},
        body=b'{"items":["status"]}',
        received_at=datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("b0wn0w-t0ken-8c1d5e7f2a", "b0wn0w-t0ken-00112233ff"),
)
