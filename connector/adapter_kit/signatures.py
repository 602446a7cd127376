"""Proofs that a delivery is the sender's, by the names that the field has for them.

Standard Webhooks 1.0.0 (`verify_webhook`: HMAC `v1`, ed25519 `v1a`), an HMAC over the body or over a template such as
`{timestamp}.{body}` (`check_hmac`, `signed_content`, `check_time`), shared tokens (`check_token`), user and password
(`check_basic`). Each of them raises `BadSignature` on any doubt and nothing else, compares in constant time, and
refuses everything without a usable secret. https://github.com/standard-webhooks/standard-webhooks
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadSignature, MissingProof

TOLERANCE_SECONDS: Final = 300
"""The specification asks for a check and names no number; its reference libraries use five minutes, both ways."""
SHORTEST_KEY: Final = 24
PUBLIC_KEY_BYTES: Final = 32
MOST_SIGNATURES: Final = 32
DIGESTS: Final = ("sha256", "sha1", "sha512")
ENCODINGS: Final = ("hex", "base64")
PLACES: Final = ("body", "id", "timestamp", "method", "path", "query")
"""What a template of signed content may name in braces; `path` and `query` are as they were sent."""
_PREFIXES: Final = ("webhook", "svix")
_PUBLIC: Final = "whpk_"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE: Final = re.compile(r"\{([a-z]+)\}")


def verify_webhook(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Check a delivery by Standard Webhooks; header names in lower case, `now` aware UTC. Raises `BadSignature`.

    A secret is `whsec_…`, the key of HMACs, or `whpk_…`, the sender's public key. Neither is ever taken for the other.
    """
    keys = [key for key in map(webhook_key, secrets) if key]
    public_keys = [key for key in map(public_key, secrets) if key]
    if not keys and not public_keys:
        message = "no usable signing secret is configured"
        raise BadSignature(message)
    prefix = next((prefix for prefix in _PREFIXES if headers.get(f"{prefix}-id")), None)
    if prefix is None:
        message = "the header webhook-id is missing"
        raise MissingProof(message)
    timestamp = headers.get(f"{prefix}-timestamp", "")
    check_time("webhook-timestamp", timestamp, now)
    content = _webhook_content(headers[f"{prefix}-id"], timestamp, body)
    given = _webhook_signatures(headers.get(f"{prefix}-signature", ""))
    macs = [compute_hmac(key, content, "sha256", "base64") for key in keys]
    matches = [hmac.compare_digest(mac, signature) for mac in macs for signature in given["v1"]]
    matches += [_is_signed(key, content, signature) for key in public_keys for signature in given["v1a"]]
    if not any(matches):
        message = "no signature matches"
        raise BadSignature(message)


def sign_webhook(message_id: str, body: bytes, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks, signed with each usable secret; without one the list is empty."""
    timestamp = str(int(at.timestamp()))
    content = _webhook_content(message_id, timestamp, body)
    keys = [key for key in map(webhook_key, secrets) if key]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{compute_hmac(key, content, 'sha256', 'base64').decode()}" for key in keys),
    }


def webhook_key(secret: str) -> bytes | None:
    """The key in a secret (`whsec_` and base64, its padding may be missing); None when it is none or below 24 bytes."""
    key = _decoded(secret.strip().removeprefix("whsec_"))
    return key if key is not None and len(key) >= SHORTEST_KEY else None


def is_usable(secret: str) -> bool:
    """Whether a secret of Standard Webhooks can prove anything."""
    return webhook_key(secret) is not None or public_key(secret) is not None


def public_key(secret: str) -> Ed25519PublicKey | None:
    """The sender's public key (`whpk_` and base64 of 32 bytes); None when it is none."""
    text = secret.strip()
    key = _decoded(text.removeprefix(_PUBLIC)) if text.startswith(_PUBLIC) else None
    return Ed25519PublicKey.from_public_bytes(key) if key is not None and len(key) == PUBLIC_KEY_BYTES else None


def check_hmac(
    given: str | None,
    content: bytes,
    secrets: Sequence[str],
    *,
    prefix: str = "",
    digest: str = "sha256",
    encoding: str = "hex",
) -> None:
    """Check an HMAC after a prefix such as `sha256=`, by any of the secrets. Raises `BadSignature`.

    A header may hold several, divided by commas: while a secret is changed, or beside a time (`t=…,v1=…`).
    """
    macs = [compute_hmac(_bytes(secret), content, digest, encoding) for secret in secrets if secret]
    wanted = [_bytes(prefix) + mac for mac in macs]
    signatures = [_bytes(entry) for entry in (given or "", *_entries(given or ""))]
    if encoding == "hex":
        wanted, signatures = ([text.lower() for text in texts] for texts in (wanted, signatures))
    matches = [hmac.compare_digest(one, signature) for one in wanted for signature in signatures]
    _refuse_unless(matches, secrets, given, "signature")


def compute_hmac(key: bytes, content: bytes, digest: str = "sha256", encoding: str = "hex") -> bytes:
    """An HMAC as it is written; `digest` is one of `DIGESTS`, `encoding` one of `ENCODINGS`."""
    mac = hmac.new(key, content, getattr(hashlib, digest)).digest()
    return b64encode(mac) if encoding == "base64" else mac.hex().encode()


def signed_content(template: str, values: Mapping[str, bytes]) -> bytes:
    """What an HMAC covers, by a template such as `{id}.{timestamp}.{body}`; `values` has one for each of `PLACES`."""
    parts = _PLACE.split(template)
    return b"".join(values[part] if place % 2 else _bytes(part) for place, part in enumerate(parts))


def places_in(template: str) -> set[str]:
    """What a template of signed content names; what is none of `PLACES` cannot be filled in."""
    return set(_PLACE.findall(template))


def check_time(
    header: str, timestamp: str, now: datetime, *, per_second: int = 1, tolerance: int = TOLERANCE_SECONDS
) -> None:
    """Check when a delivery was signed: digits since 1970, `per_second` of them a second. Raises `BadSignature`."""
    if not re.fullmatch(r"[0-9]{1,12}" if per_second == 1 else r"[0-9]{1,15}", timestamp):
        message = f"the header {header} is not whole {'unix seconds' if per_second == 1 else 'milliseconds'}"
        raise BadSignature(message)
    late = (now - _EPOCH) // timedelta(seconds=1 / per_second) - int(timestamp)
    if abs(late) > tolerance * per_second:
        direction = "old" if late > 0 else "ahead"
        message = f"the header {header} is {abs(late) // per_second} seconds {direction}; {tolerance} are allowed"
        raise BadSignature(message)


def entry_after(prefix: str, header: str) -> str:
    """What stands after a prefix such as `t=` in a header of several entries; without a prefix all of it."""
    if not prefix:
        return header.strip()
    return next((entry.removeprefix(prefix) for entry in _entries(header) if entry.startswith(prefix)), "")


def find_token(delivery: Delivery, header: str = "", query: str = "") -> str | None:
    """What stands in the header, or else in the query parameter, of that name."""
    found = delivery.headers.get(header.strip().lower()) if header else None
    return found or (delivery.parameter(query) if query else None)


def check_token(given: str | None, secrets: Sequence[str]) -> None:
    """Compare a shared token with any of the secrets. Raises `BadSignature`."""
    token = _bytes(given or "")
    matches = [hmac.compare_digest(_bytes(secret), token) for secret in secrets if secret]
    _refuse_unless(matches, secrets, given, "token")


def check_sender(delivery: Delivery, header: str, tokens: Sequence[str]) -> None:
    """Compare a shared token: in a header as it is, after `Bearer`, or as the password of `Basic`; else `?token=`.

    Raises `BadSignature`.
    """
    given = (find_token(delivery, header) or "").strip()
    scheme, _, rest = given.partition(" ")
    if scheme.lower() == "bearer":
        given = rest.strip()
    elif scheme.lower() == "basic":
        credentials = _credentials(given)
        given = rest if credentials is None else credentials.partition(":")[2]
    check_token(given or delivery.parameter("token"), tokens)


def check_basic(given: str | None, credentials: Sequence[str]) -> None:
    """Compare basic authentication with any of the credentials, `user:password` each. Raises `BadSignature`."""
    found = _credentials(given or "")
    if found is None:
        message = "the header authorization is not Basic with base64 of `user:password`"
        raise MissingProof(message)
    check_token(found, [one for one in credentials if ":" in one])


def _credentials(header: str) -> str | None:
    scheme, _, encoded = header.partition(" ")
    try:
        found = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return found if scheme.casefold() == "basic" else None


def _refuse_unless(matches: Sequence[bool], secrets: Sequence[str], given: str | None, what: str) -> None:
    if not any(secrets):
        message = f"no {what} secret is configured"
        raise BadSignature(message)
    if not any(matches):
        if given:
            message = f"the {what} does not match"
            raise BadSignature(message)
        message = f"the {what} is missing"
        raise MissingProof(message)


def _entries(header: str) -> list[str]:
    """What is divided by commas in a header, as far as so many."""
    return [entry.strip() for entry in header.split(",", MOST_SIGNATURES)[:MOST_SIGNATURES]]


def _webhook_signatures(header: str) -> dict[str, list[bytes]]:
    """The signatures of known versions; an entry without a comma, and one of another version, is passed over."""
    found: dict[str, list[bytes]] = {"v1": [], "v1a": []}
    for entry in header.split(" ", MOST_SIGNATURES)[:MOST_SIGNATURES]:
        version, _, signature = entry.partition(",")
        if signature and version in found:
            found[version].append(_bytes(signature))
    return found


def _is_signed(key: Ed25519PublicKey, content: bytes, signature: bytes) -> bool:
    try:
        key.verify(b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _webhook_content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((_bytes(message_id), _bytes(timestamp), body))


def _decoded(text: str) -> bytes | None:
    bare = text.rstrip("=")
    try:
        return b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
