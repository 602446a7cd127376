"""How a system signs that proves its deliveries by an HMAC of its own form; the other proofs are in test_generic.py."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime

from adapters.generic import Generic
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    mac = hmac.new(secret.encode("utf-8", "surrogatepass"), delivery.body, "sha1").digest()
    return replace(delivery, headers={**delivery.headers, "x-mac": f"mac={b64encode(mac).decode()}"})


SIGNING = Signing(
    build=lambda secrets: Generic(
        proof="hmac", proof_header="X-Mac", algorithm="sha1", encoding="base64", prefix="mac=", secret=secrets
    ),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "crm/1"},
        body=b'{"id":"e1","at":"2026-03-04T05:26:07Z","record":12,"email":"a@example.com","stage":"Fresh"}',
        received_at=datetime(2026, 3, 4, 5, 26, 10, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("mac-7c2d9e4f1a6b8035", "mac-0b1c2d3e4f5a6978"),
    covers_body=True,
)
