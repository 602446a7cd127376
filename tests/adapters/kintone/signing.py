"""How kintone proves its deliveries: a token in the address; there is no signature."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from adapters.kintone import Kintone
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

_RECORD = {
    "$id": {"type": "__ID__", "value": "345"},
    "$revision": {"type": "__REVISION__", "value": "8"},
    "作成日時": {"type": "CREATED_TIME", "value": "2026-02-03T01:15:00Z"},
    "更新日時": {"type": "UPDATED_TIME", "value": "2026-03-04T05:06:00Z"},
    "ステータス": {"type": "STATUS", "value": "商談中"},
}
_BODY = {"id": "0d5f2a8e-6b1c", "type": "UPDATE_STATUS", "app": {"id": "27"}, "record": _RECORD}


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    return replace(delivery, query=(*delivery.query, ("token", secret)))


SIGNING = Signing(
    build=lambda secrets: Kintone(webhook_token=secrets, app="27"),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "application/json", "user-agent": "kintone"},
        body=json.dumps(_BODY, ensure_ascii=False).encode(),
        received_at=datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("w3Nf8sRz5Kq1Xj6Bd0Hy", "c7Vb2nMx9Lp4Tg8Ws5Ea"),
)
