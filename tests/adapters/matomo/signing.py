"""Matomo proves nothing: it sends no webhooks, so whoever sends one is somebody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.matomo import Matomo
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

SIGNING = Signing(
    build=lambda secrets: Matomo(url="https://matomo.example.com/", token=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json"},
        body=b'{"requests":["?idsite=1&rec=1&_id=9f3a1c7be5d20846"],"token_auth":"0123456789abcdef0123456789abcdef"}',
        received_at=datetime(2026, 3, 4, 5, 32, tzinfo=UTC),
    ),
    sign=lambda delivery, secret, _at: replace(delivery, query=(("token", secret), ("token_auth", secret))),
    secrets=("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"),
    is_deaf=True,
)
