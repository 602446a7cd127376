"""Youyi sends nothing: whatever comes in its name is refused."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.youyi import Youyi
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

SIGNING = Signing(
    build=lambda secrets: Youyi(url="https://youyi.example", company="例", account="admin", password=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json"},
        body=b'{"id":"1"}',
        received_at=datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC),
    ),
    sign=lambda delivery, _secret, _at: delivery,
    secrets=("a password", "the password before"),
    is_deaf=True,
)
