"""HubSpot's request signatures: v3 (HMAC with a time), v2 (hash of secret, method, address, body), v1 (secret, body).

https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import quote

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.signatures import check_time, compute_hmac
from connector.core.errors import BadSignature

V3: Final = "x-hubspot-signature-v3"
TIMESTAMP: Final = "x-hubspot-request-timestamp"
OLD: Final = "x-hubspot-signature"
OLD_VERSION: Final = "x-hubspot-signature-version"
DECODED: Final[Mapping[str, str]] = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
"""What HubSpot decodes in an address before it signs; everything else stays as it was called."""
_v3: Final = partial(compute_hmac, encoding="base64")
_ENCODED: Final = re.compile("|".join(DECODED), re.IGNORECASE)


def verify_request(delivery: Delivery, url: str, secrets: Sequence[str], now: datetime) -> None:
    """Check a delivery by the newest kind of signature that it carries; `url` is the public address without query.

    `now` is aware UTC. Raises `BadSignature`.
    """
    keys = [_bytes(secret) for secret in secrets if secret]
    if not keys:
        message = "no client secret is configured"
        raise BadSignature(message)
    headers = delivery.headers
    if V3 in headers:
        check_time(TIMESTAMP, headers.get(TIMESTAMP, ""), now, per_second=1000)
        stamp = _bytes(headers[TIMESTAMP])
        signed = [_bytes(delivery.method + decoded(each)) + delivery.body + stamp for each in _addresses(url, delivery)]
        _match(keys, _v3, signed, headers[V3])
    elif headers.get(OLD_VERSION) == "v2":
        signed = [
            _bytes(delivery.method + form) + delivery.body
            for each in _addresses(url, delivery)
            for form in (decoded(each), each)
        ]
        _match(keys, _hash, signed, headers.get(OLD, ""))
    elif OLD in headers and headers.get(OLD_VERSION, "v1") == "v1":
        _match(keys, _hash, [delivery.body], headers[OLD])
    else:
        message = "the request carries no signature of HubSpot"
        raise BadSignature(message)


def sign_request(delivery: Delivery, url: str, secret: str, at: datetime) -> dict[str, str]:
    """The headers that HubSpot sends with a request to the full address `url`; `at` is aware UTC."""
    stamp = str(round(at.timestamp() * 1000))
    content = _bytes(delivery.method + decoded(url)) + delivery.body + _bytes(stamp)
    return {V3: _v3(_bytes(secret), content).decode(), TIMESTAMP: stamp}


def sign_old(delivery: Delivery, url: str, secret: str, version: str) -> dict[str, str]:
    """The headers of the older kinds, `v1` or `v2`."""
    content = delivery.body if version == "v1" else _bytes(delivery.method + url) + delivery.body
    return {OLD: _hash(_bytes(secret), content).decode(), OLD_VERSION: version}


def decoded(url: str) -> str:
    """The address as HubSpot signs it."""
    return _ENCODED.sub(lambda found: DECODED[found[0].upper()], url)


def _addresses(url: str, delivery: Delivery) -> list[str]:
    """The address as it was called.

    Where only the parsed query is known, it is written in the two spellings of a space that there are.
    """
    if not url:
        message = "the setting `webhook_url` is missing: without the public address no such signature can be checked"
        raise BadSignature(message)
    if delivery.query_string:
        return [f"{url}?{delivery.query_string}"]
    if not delivery.query:
        return [url]
    pairs = [(_quoted(name), _quoted(value)) for name, value in delivery.query]
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return list(dict.fromkeys((f"{url}?{query}", f"{url}?{query.replace('%20', '+')}")))


def _quoted(text: str) -> str:
    return quote(text, safe="-._~", errors="replace")


def _match(keys: Sequence[bytes], make: Callable[[bytes, bytes], bytes], signed: Sequence[bytes], given: str) -> None:
    signature = _bytes(given)
    matches = [hmac.compare_digest(make(key, content), signature) for key in keys for content in signed]
    if not any(matches):
        message = "the signature does not match: check client_secret, and that webhook_url is the address in HubSpot"
        raise BadSignature(message)


def _hash(key: bytes, content: bytes) -> bytes:
    return hashlib.sha256(key + content).hexdigest().encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
