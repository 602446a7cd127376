"""How Bitrix24 proves its events: each outgoing webhook's own token stands in the body; there is no signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote_plus

from adapters.bitrix24 import Bitrix24
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    return replace(delivery, body=delivery.body + f"&auth%5Bapplication_token%5D={quote_plus(secret)}".encode())


SIGNING = Signing(
    build=lambda secrets: Bitrix24(application_tokens=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/x-www-form-urlencoded", "user-agent": "Bitrix24 Webhook Engine"},
        body=b"event=ONCRMLEADDELETE&event_handler_id=318&data%5BFIELDS%5D%5BID%5D=1907&ts=1774512963",
        received_at=datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("k4w8zq1n6t0x5p2v9c7h3j1m8b5r6y0d", "u2e6g9s3k8d1q7w4z0x5n6m2c9v1b8h3"),
    covers_body=True,  # not by a signature: another body is another place for the token
)
