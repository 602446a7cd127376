"""How Jira signs: HMAC-SHA256 over the body in X-Hub-Signature, written `sha256=` and hex."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime

from adapters.jira import Jira
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    digest = hmac.new(secret.encode("utf-8", "surrogatepass"), delivery.body, hashlib.sha256).hexdigest()
    return replace(delivery, headers={**delivery.headers, "x-hub-signature": f"sha256={digest}"})


SIGNING = Signing(
    build=lambda secrets: Jira(webhook_secret=secrets),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={
            "content-type": "application/json; charset=UTF-8",
            "user-agent": "Atlassian Webhook HTTP Client",
            "x-atlassian-webhook-identifier": "f1c3a1b2-7d0e-4b52-8f35-0b7f2b1d9a10",
        },
        body=b'{"timestamp":1772690000123,"webhookEvent":"jira:issue_deleted","issue":{"id":"10482","key":"LEAD-137"}}',
        received_at=datetime(2026, 3, 5, 5, 53, 21, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("jira-webhook-secret-example", "It's a Secret to Everybody"),
    covers_body=True,
)
