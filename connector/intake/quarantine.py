"""The quarantine's form of a delivery: sealed as it came, so that it can be verified again by a corrected secret."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, Final

from connector.adapter_kit.contract import Delivery
from connector.core.errors import SenderError
from connector.runtime.vault import Vault
from connector.store.database import new_id
from connector.store.quarantine import QuarantinedDelivery
from connector.store.rows import storable

KEEP_SEALED_BYTES: Final = 256 * 1024
"""Of body, headers and query together. A larger delivery keeps its error alone: it cannot be verified again."""
_LONGEST_ERROR: Final = 1_000


def quarantined(vault: Vault, connection: str, delivery: Delivery, error: SenderError) -> QuarantinedDelivery:
    """A delivery as it lies in the quarantine: what came is in `sealed` alone."""
    pairs = (*delivery.query, *delivery.headers.items(), (delivery.path, delivery.query_string))
    is_kept = len(delivery.body) + sum(len(name) + len(value) for name, value in pairs) <= KEEP_SEALED_BYTES
    return QuarantinedDelivery(
        id=new_id(delivery.received_at),
        connection=connection,
        received_at=delivery.received_at,
        reason=error.reason,
        error=storable(str(error)[:_LONGEST_ERROR]),
        size=len(delivery.body),
        sealed=seal(vault, delivery) if is_kept else "",
    )


def seal(vault: Vault, delivery: Delivery) -> str:
    """The whole delivery, encrypted."""
    values = {
        "method": delivery.method,
        "query": delivery.query,
        "headers": dict(delivery.headers),
        "body": b64encode(delivery.body).decode(),
        "received_at": delivery.received_at.isoformat(),
        "path": delivery.path,
        "query_string": delivery.query_string,
    }
    return vault.encrypt(json.dumps(values))


def unseal(vault: Vault, sealed: str) -> Delivery:
    """The delivery as it came. Raises `WrongSetting` when no key opens it.

    One that a version before had sealed has no raw address.
    """
    values: dict[str, Any] = json.loads(vault.decrypt(sealed))
    return Delivery(
        method=values["method"],
        query=tuple((name, value) for name, value in values["query"]),
        headers=values["headers"],
        body=b64decode(values["body"]),
        received_at=datetime.fromisoformat(values["received_at"]),
        path=values.get("path", ""),
        query_string=values.get("query_string", ""),
    )
