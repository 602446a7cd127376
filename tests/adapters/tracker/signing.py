"""How a page proves where it is: its origin, and the public key in the address. Nobody signs anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.tracker import Tracker
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

SITE = "https://www.example.com"


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    return replace(delivery, query=(("key", secret),), headers={**delivery.headers, "origin": SITE})


SIGNING = Signing(
    build=lambda secrets: Tracker(sites=(SITE,), site_keys=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "text/plain;charset=UTF-8", "user-agent": "Mozilla/5.0"},
        body=b'{"id":"4d2f8a6b1c9e7035","visitor":"9f3c1a2b5d6e7f80","sent":1772601970000,"events":[{"id":"8a1b2c3d4e5f6071",'
        b'"type":"login","at":1772601969000,"session":"5e6f708192a3b4c5","page":"https://www.example.com/account"}]}',
        received_at=datetime(2026, 3, 4, 5, 26, 10, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("site-5f1c0e7a93d84b26", "site-0a9b8c7d6e5f4132"),
)
