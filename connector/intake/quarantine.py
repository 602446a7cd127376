"""The quarantine's form of a delivery: sealed as it came, so that it can be verified again by a corrected secret."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, Final

from connector.adapter_kit.contract import Delivery
from connector.core.errors import SenderError
from connector.intake.minutes import MinuteCounts
from connector.runtime.vault import Vault
from connector.store.database import new_id
from connector.store.quarantine import ROW_BYTES, QuarantinedDelivery
from connector.store.rows import storable

NOISE_SHARE: Final = 30
"""So many deliveries of an address a minute are quarantined that do not look like the configured sender's."""
PLAUSIBLE_SHARE: Final = 600
"""The same of those that do: while a secret is wrong, all that its system sends."""
CONNECTION_SHARES: Final = 10
"""A connection has as much as so many addresses."""
SAMPLE: Final = 100
"""Above that every so many are kept."""
KEEP_SEALED_BYTES: Final = 256 * 1024
"""Of body, headers and query together. A larger delivery keeps its error alone: it cannot be verified again."""
KEEP_NOISE_BYTES: Final = 8 * 1024
"""The same of what does not look like the configured sender's."""
COUNTED_BYTES: Final = 16 * 1024
"""A larger body counts as several deliveries."""
_LONGEST_ERROR: Final = 1_000


def quarantined(
    vault: Vault, connection: str, delivery: Delivery, error: SenderError, *, is_plausible: bool, is_whole: bool = True
) -> QuarantinedDelivery:
    """A delivery as it lies in the quarantine: what came is in `sealed` alone. `is_whole`: its body was read."""
    pairs = (*delivery.query, *delivery.headers.items(), (delivery.path, delivery.query_string))
    most = KEEP_SEALED_BYTES if is_plausible else KEEP_NOISE_BYTES
    is_kept = is_whole and len(delivery.body) + sum(len(name) + len(value) for name, value in pairs) <= most
    sealed, text = seal(vault, delivery) if is_kept else "", storable(str(error)[:_LONGEST_ERROR])
    return QuarantinedDelivery(
        id=new_id(delivery.received_at),
        connection=connection,
        received_at=delivery.received_at,
        reason=error.reason,
        error=text,
        size=len(delivery.body),
        sealed=sealed,
        is_plausible=is_plausible,
        weight=ROW_BYTES + len(sealed) + len(text.encode()),
    )


class Admission:
    """Whether a delivery that is refused is worth a row; safe for threads, each process for itself."""

    def __init__(self) -> None:
        self._counts = MinuteCounts()

    def admits(self, connection: str, delivery: Delivery, address: str, *, is_plausible: bool) -> bool:
        """By address (empty: not known) and by connection the first of each minute, and then a sample.

        What an address sends above its share does not use up that of the connection.
        """
        share, kind = (PLAUSIBLE_SHARE, "plausible") if is_plausible else (NOISE_SHARE, "noise")
        now, amount = delivery.received_at, 1 + len(delivery.body) // COUNTED_BYTES
        is_too_much = bool(address) and self._counts.add(f"{kind} {connection} {address}", now, amount) > share
        if is_too_much or self._counts.add(f"{kind} {connection}", now, amount) > CONNECTION_SHARES * share:
            return self._counts.add(f"more {kind} {connection}", now) % SAMPLE == 0
        return True


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
