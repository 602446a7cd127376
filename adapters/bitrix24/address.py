"""The addresses of a Bitrix24 portal: which ones may be called, and where a renamed portal went."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_WEBHOOK_PATH: Final = re.compile(r"/rest/([0-9]+)/[^/]+/?")


def is_webhook(url: str) -> bool:
    """Whether it is the address of an incoming webhook, by HTTPS or on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return _is_safe(parts) and bool(_WEBHOOK_PATH.fullmatch(parts.path))


def user_in(url: str) -> str | None:
    """The id of the employee whose incoming webhook it is; None: it is no webhook's address.

    https://apidocs.bitrix24.com/settings/how-to-call-rest-api/general-principles.html
    """
    match = _WEBHOOK_PATH.fullmatch(urlsplit(url).path)
    return match[1] if match else None


def is_portal(url: str) -> bool:
    """Whether it is the address of a portal or of the OAuth server, without a path, by HTTPS or on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return _is_safe(parts) and parts.path in {"", "/"}


def _is_safe(parts: SplitResult) -> bool:
    is_loopback = parts.scheme == "http" and parts.hostname in LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or is_loopback)


def at_origin(url: str, origin: str | None) -> str:
    """The address with a slash at its end, at another scheme and host where `origin` names them."""
    parts = urlsplit(url if url.endswith("/") else f"{url}/")
    return urlunsplit(urlsplit(origin)[:2] + parts[2:3] + ("", "")) if origin else urlunsplit(parts)


def new_origin(url: str, location: str) -> str | None:
    """Scheme and host of a redirect's target; None where the secret address must not be sent there."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return None
    is_safe = parts.scheme == "https" or parts.scheme == urlsplit(url).scheme
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc and is_safe else None
