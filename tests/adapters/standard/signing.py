"""How a system that speaks Standard Webhooks signs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.standard import Standard
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.signatures import sign_webhook
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, at: datetime) -> Delivery:
    return replace(delivery, headers={**delivery.headers, **sign_webhook("msg_1", delivery.body, [secret], at)})


SIGNING = Signing(
    build=lambda secrets: Standard(secret=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "crm/1"},
        body=b'{"events":[{"id":"e1","at":"2026-03-04T05:26:07Z","type":"identify","subject":{"email":"a@example.com"}}]}',
        received_at=datetime(2026, 3, 4, 5, 26, 10, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=(
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=",
    ),
    unusable=("", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64", "whsec_é", "whsec_\udcff"),
    is_timed=True,
    covers_body=True,
)
