"""How Zoho's channels prove their callbacks: by the token that the channel was made with, in the body; no signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.zoho import Zoho
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    body = delivery.body.removesuffix(b"}") + f',"token":"{secret}"}}'.encode()
    return replace(delivery, body=body)


SIGNING = Signing(
    build=lambda secrets: Zoho(token=secrets, channel_id=1000000068001),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json"},
        body=b'{"server_time":1772603100015,"query_params":{},"module":"Leads","ids":["4876876000003001512"],'
        b'"operation":"delete","channel_id":"1000000068001"}',
        received_at=datetime(2026, 3, 4, 5, 45, 1, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("deals.all.notif.7c2f", "leads.status.notif.19ab"),
    covers_body=True,  # not by a signature: another body is another place for the token
)
