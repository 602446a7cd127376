"""The token by which a site's server says who a visitor is: docs/adapters/tracker.md shows how one is made."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from connector.adapter_kit.payload import Part, read_json
from connector.adapter_kit.signatures import check_hmac
from connector.core.errors import BadPayload, BadSignature

SHORTEST_SECRET: Final = 24
LONGEST: Final = timedelta(days=1)
"""How far ahead a token may expire: one that leaks must not be good for ever."""
_MOST: Final = 2_000


def email_of(token: Part, visitor: str, secrets: Sequence[str], now: datetime) -> str:
    """The e-mail that a token gives the visitor; `now` is aware UTC. Raises `BadPayload` at the token's path.

    A token is the base64url of `{"email", "visitor", "expires"}` (unix seconds), a full stop, and the HMAC-SHA256 of
    the part before it in hex.
    """
    content, _, signature = token.text(_MOST).partition(".")
    try:
        usable = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        check_hmac(signature, content.encode(), usable)
    except BadSignature as error:
        raise BadPayload(str(error), token.path) from error
    claims = Part(_decoded(content, token.path), token.path)
    if claims["visitor"].text() != visitor:
        message = "was made for another visitor"
        raise BadPayload(message, token.path)
    rest = claims["expires"].integer() - int(now.timestamp())
    if not 0 < rest <= LONGEST.total_seconds():
        message = f"has expired, or is good for more than a day ({rest} seconds)"
        raise BadPayload(message, token.path)
    return claims["email"].email()


def _decoded(content: str, path: str) -> object:
    try:
        return read_json(urlsafe_b64decode(content + "=" * (-len(content) % 4))).value
    except (BadPayload, binascii.Error, ValueError) as error:
        message = f"is signed, but not the base64url of JSON: {error}"
        raise BadPayload(message, path) from error
