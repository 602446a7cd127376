"""Intake: verifies a webhook request, masks its secrets, commits it with its neighbours, and only then answers."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from connector.adapter_kit.contract import Adapter, Delivery, Received, Reply
from connector.adapter_kit.redaction import mask_text, redact
from connector.core.errors import BadPayload, BadSignature, MissingProof, NotFound, SenderError, WrongSetting
from connector.intake.group_commit import NotStored, Writer, error_text
from connector.intake.quarantine import Admission, quarantined, unseal
from connector.runtime import metrics
from connector.runtime.connections import Connected, Connections
from connector.runtime.vault import Vault
from connector.store import quarantine
from connector.store.database import Database, new_id
from connector.store.deliveries import NewDelivery
from connector.store.quarantine import QuarantinedDelivery
from connector.store.rows import storable

__all__ = ["Intake", "NotStored", "Paused", "Writer", "WrongContentType", "WrongMethod"]
METHODS: Final = ("POST", "PUT", "PATCH")
"""Senders let people choose among them, and mean the same."""
LONGEST_KEY: Final = 255
PAGE: Final = 50
"""Quarantined deliveries that are looked at together; each may be as large as a body."""
_JSON: Final = "application/json"
log: Final = structlog.get_logger(__name__)


class Paused(SenderError):
    """The connection takes nothing at the moment (503, with Retry-After)."""

    reason = "paused"


class WrongMethod(SenderError):
    """A method by which no webhook is sent, and a probe that the system does not know (405)."""

    reason = "wrong_method"


class WrongContentType(SenderError):
    """A body of a content type or coding that the system never sends (415)."""

    reason = "wrong_content_type"


class Intake:
    """Takes webhook requests for all connections. `lanes`: into how many shares the waiting deliveries are divided."""

    def __init__(self, *, connections: Connections, vault: Vault, writer: Writer, lanes: int) -> None:
        self._connections = connections
        self._vault = vault
        self._writer = writer
        self._lanes = lanes
        self._admission = Admission()

    def find(self, name: str) -> Connected:
        """The connection that a request names. Raises `NotFound`, `Paused`, or `NotStored`: it cannot be looked up."""
        try:
            connected = self._connections.get(name)
        except Exception as error:
            # Whatever is wrong here is not the sender's fault: it is told to come again, and the log says what it is.
            log.error("the connections cannot be read", error=error_text(error))  # noqa: TRY400 - values stay out of the log
            raise NotStored from error
        if connected is None:
            message = f"there is no connection {name[:63]!r}"
            raise NotFound(message)
        if connected.is_paused:
            message = f"the connection {name!r} is paused; send again later"
            raise Paused(message)
        return connected

    def prove(self, connected: Connected, head: Delivery, address: str) -> None:
        """Check the proof of a request whose body is not read yet. Raises `BadSignature`, `NotStored`."""
        try:
            connected.adapter.verify(head, head.received_at)
        except BadSignature as error:
            self._set_aside(connected, head, error, address, is_plausible=False, is_whole=False)
            raise

    def receive(
        self,
        connected: Connected,
        delivery: Delivery,
        admit: Callable[[str], None] = lambda _: None,
        address: str = "",
    ) -> Reply:
        """The answer to a request to a connection (see `find`), after it was committed.

        `address`: who sent it, where that is known. `admit` is given the lane of a delivery that is verified and read,
        before that is stored; what it raises is raised. Raises `WrongMethod`, `WrongContentType`, `BadSignature`,
        `BadPayload`, `NotStored`.
        """
        adapter = connected.adapter
        greeting = adapter.greet(delivery)
        if greeting is not None:
            return greeting
        if delivery.method not in METHODS:
            message = f"webhooks are sent by {' or '.join(METHODS)}"
            raise WrongMethod(message)
        _check_content_type(connected, delivery)
        try:
            received = _verified(adapter, delivery)
        except (BadSignature, BadPayload) as error:
            self._set_aside(connected, delivery, error, address, is_plausible=_is_plausible(adapter, delivery, error))
            raise
        admit(received.lane)
        self._writer.write(self._new(connected, delivery, received, next_attempt_at=delivery.received_at))
        metrics.count_accepted(connected.name)
        return received.reply

    def _set_aside(
        self,
        connected: Connected,
        delivery: Delivery,
        error: BadSignature | BadPayload,
        address: str,
        *,
        is_plausible: bool,
        is_whole: bool = True,
    ) -> None:
        """Quarantine a delivery, unless too many came. Raises `NotStored`."""
        # It may quote a token, which belongs neither into the quarantine's list nor into the answer.
        error.args = (mask_text(str(error), connected.secrets),)
        name = connected.name
        if self._admission.admits(name, delivery, address, is_plausible=is_plausible):
            row = quarantined(self._vault, name, delivery, error, is_plausible=is_plausible, is_whole=is_whole)
            self._writer.write(row)

    def verify_again(self, name: str, database: Database, now: datetime) -> int:
        """Accept quarantined deliveries of a connection that verify now, after its secret was corrected; how many.

        A signature with a time is checked as of the receipt. Raises `NotFound`, `Paused`, `NotStored`.
        """
        self._connections.forget()
        connected = self.find(name)
        count, after = 0, ""
        while True:
            with database.read() as connection:
                rows = quarantine.listed(connection, name, PAGE, after)
            if not rows:
                return count
            accepted = [row.id for row in rows if row.sealed and self._accept_again(connected, row, now)]
            with database.write() as connection:
                quarantine.release(connection, accepted)
            count, after = count + len(accepted), rows[-1].id

    def _accept_again(self, connected: Connected, row: QuarantinedDelivery, now: datetime) -> bool:
        try:
            delivery = unseal(self._vault, row.sealed)
            received = _verified(connected.adapter, delivery)
        except (BadSignature, BadPayload, WrongSetting) as error:
            log.info("a delivery stays in the quarantine", delivery=row.id, reason=error.reason)
            return False
        self._writer.write(self._new(connected, delivery, received, next_attempt_at=now))
        metrics.count_accepted(connected.name)
        return True

    def _new(
        self, connected: Connected, delivery: Delivery, received: Received, *, next_attempt_at: datetime
    ) -> NewDelivery:
        about = f"{connected.name}:{received.lane}"
        masked = redact(delivery, connected.adapter.SECRET_KEYS, connected.secrets)
        return NewDelivery(
            id=new_id(delivery.received_at),
            connection=connected.name,
            key=_fitting(storable(received.key)),
            received_at=delivery.received_at,
            lane=zlib.crc32(about.encode("utf-8", "replace")) % self._lanes,
            next_attempt_at=next_attempt_at,
            method=masked.method,
            query=[[storable(name), storable(value)] for name, value in masked.query],
            headers={storable(name): storable(value) for name, value in masked.headers.items()},
            body=masked.body,
        )


def _verified(adapter: Adapter, delivery: Delivery) -> Received:
    """What a delivery is, once it is proved. Raises `BadSignature` and `BadPayload`."""
    adapter.verify(delivery, delivery.received_at)
    return adapter.receive(delivery)


def _is_plausible(adapter: Adapter, delivery: Delivery, error: BadSignature | BadPayload) -> bool:
    """Whether a delivery that is refused may be the configured sender's: it has a proof, and a body of its shape."""
    if isinstance(error, BadPayload):
        return True  # it is proved
    if isinstance(error, MissingProof):
        return False
    try:
        adapter.receive(delivery)
    except BadPayload:
        return False
    return True


def _check_content_type(connected: Connected, delivery: Delivery) -> None:
    given = delivery.headers.get("content-type", "").split(";")[0].strip().casefold()
    allowed = connected.adapter.CONTENT_TYPES
    if given not in allowed and not (_JSON in allowed and _may_be_json(given)):
        found = f"content type {given[:100]!r}" if given else "no content type"
        message = f"{found}; send {' or '.join(sorted(allowed))}"
        raise WrongContentType(message)
    coding = delivery.headers.get("content-encoding", "").strip().casefold()
    if coding not in {"", "identity"}:
        message = f"content encoding {coding[:100]!r}; send the body as it is, not compressed"
        raise WrongContentType(message)


def _may_be_json(content_type: str) -> bool:
    """Whether senders of JSON name it so: a vendor's own type, a text, or no type at all."""
    is_vendors = content_type.startswith("application/") and content_type.endswith("+json")
    return is_vendors or content_type in {"", "text/plain", "text/json"}


def _fitting(key: str) -> str:
    """The key, at most 255 characters long: of a longer one the end becomes a hash, so that it stays its own."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return key if len(key) <= LONGEST_KEY else f"{key[: LONGEST_KEY - len(digest)]}{digest}"
