"""Proofs that a delivery is the sender's: Standard Webhooks 1.0.0, plain HMAC in hex, and shared tokens."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from connector.core.errors import BadSignature

TOLERANCE_SECONDS: Final = 300
"""The specification asks for a check and names no number; its reference libraries use five minutes, both ways."""
SHORTEST_KEY: Final = 24
MOST_SIGNATURES: Final = 32
_PREFIXES: Final = ("webhook", "svix")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


def verify_webhook(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Check a delivery by Standard Webhooks; header names in lower case, `now` aware UTC. Raises `BadSignature`."""
    keys = [key for key in map(webhook_key, secrets) if key]
    if not keys:
        message = "no usable signing secret is configured"
        raise BadSignature(message)
    prefix = next((prefix for prefix in _PREFIXES if headers.get(f"{prefix}-id")), None)
    if prefix is None:
        message = "the header webhook-id is missing"
        raise BadSignature(message)
    timestamp = headers.get(f"{prefix}-timestamp", "")
    _check_timestamp(timestamp, now)
    content = _content(headers[f"{prefix}-id"], timestamp, body)
    given = _given_signatures(headers.get(f"{prefix}-signature", ""))
    matches = [hmac.compare_digest(_v1(key, content), signature) for key in keys for signature in given]
    if not any(matches):
        message = "no signature matches"
        raise BadSignature(message)


def sign_webhook(message_id: str, body: bytes, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks, signed with each usable secret; without one the list is empty."""
    timestamp = str(int(at.timestamp()))
    content = _content(message_id, timestamp, body)
    signatures = [f"v1,{_v1(key, content).decode()}" for key in map(webhook_key, secrets) if key]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def webhook_key(secret: str) -> bytes | None:
    """The key in a secret (`whsec_` and base64, its padding may be missing); None when it is none or below 24 bytes."""
    text = secret.strip().removeprefix("whsec_").rstrip("=")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) >= SHORTEST_KEY else None


def check_hmac(
    given: str | None, content: bytes, secrets: Sequence[str], *, prefix: str = "", digest: str = "sha256"
) -> None:
    """Check an HMAC in hex after a prefix such as `sha256=`, by any of the secrets. Raises `BadSignature`."""
    usable = [secret for secret in secrets if secret]
    signature = _bytes(given or "").lower()
    matches = [
        hmac.compare_digest(_bytes(prefix.lower() + hmac.new(_bytes(secret), content, digest).hexdigest()), signature)
        for secret in usable
    ]
    _refuse_unless(matches, given, "signature")


def check_hmac_base64(
    given: str | None, content: bytes, secrets: Sequence[str], *, prefix: str = "", digest: str = "sha256"
) -> None:
    """As `check_hmac`, of an HMAC in base64."""
    signature = _bytes(given or "")
    macs = [b64encode(hmac.new(_bytes(secret), content, digest).digest()) for secret in secrets if secret]
    _refuse_unless([hmac.compare_digest(_bytes(prefix) + mac, signature) for mac in macs], given, "signature")


def check_token(given: str | None, secrets: Sequence[str]) -> None:
    """Compare a shared token with any of the secrets. Raises `BadSignature`."""
    token = _bytes(given or "")
    _refuse_unless([hmac.compare_digest(_bytes(secret), token) for secret in secrets if secret], given, "token")


def _refuse_unless(matches: list[bool], given: str | None, what: str) -> None:
    if not matches:
        message = f"no {what} secret is configured"
        raise BadSignature(message)
    if not any(matches):
        message = f"the {what} does not match" if given else f"the {what} is missing"
        raise BadSignature(message)


def _check_timestamp(timestamp: str, now: datetime) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        message = "the header webhook-timestamp is not whole unix seconds"
        raise BadSignature(message)
    late = int(now.timestamp()) - int(timestamp)
    if abs(late) > TOLERANCE_SECONDS:
        message = (
            f"the header webhook-timestamp is {abs(late)} seconds {'old' if late > 0 else 'ahead'}; 300 are allowed"
        )
        raise BadSignature(message)


def _given_signatures(header: str) -> list[bytes]:
    entries = header.split(" ", MOST_SIGNATURES)[:MOST_SIGNATURES]
    pairs = (entry.partition(",") for entry in entries)
    return [_bytes(signature) for version, _, signature in pairs if version == "v1" and signature]


def _v1(key: bytes, content: bytes) -> bytes:
    return b64encode(hmac.new(key, content, hashlib.sha256).digest())


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((_bytes(message_id), _bytes(timestamp), body))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
