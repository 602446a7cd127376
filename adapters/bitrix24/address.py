"""The addresses of a Bitrix24 portal: which ones may be called, and where a renamed portal went."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from connector.adapter_kit.settings import is_safe_address, may_follow

_CLOUD: Final = re.compile(
    r"[a-z0-9-]+\.bitrix24\.(?:com|eu|de|fr|es|it|pl|uk|ru|by|kz|ua|in|cn|jp|vn|id|mx|co|tech|com\.br|com\.tr)"
)
"""Where the vendor has the portals of its cloud; a portal is renamed within it."""
_WEBHOOK_PATH: Final = re.compile(r"/rest/([0-9]+)/[^/]+/?")


def is_webhook(url: str) -> bool:
    """Whether it is the address of an incoming webhook, by HTTPS or on this machine."""
    return is_safe_address(url) and bool(_WEBHOOK_PATH.fullmatch(urlsplit(url).path))


def user_in(url: str) -> str | None:
    """The id of the employee whose incoming webhook it is; None: it is no webhook's address.

    https://apidocs.bitrix24.com/settings/how-to-call-rest-api/general-principles.html
    """
    match = _WEBHOOK_PATH.fullmatch(urlsplit(url).path)
    return match[1] if match else None


def at_origin(url: str, origin: str | None) -> str:
    """The address with a slash at its end, at another scheme and host where `origin` names them."""
    parts = urlsplit(url if url.endswith("/") else f"{url}/")
    return urlunsplit(urlsplit(origin)[:2] + parts[2:3] + ("", "")) if origin else urlunsplit(parts)


def new_origin(url: str, location: str) -> str | None:
    """Scheme and host of a redirect's target; None where the secret address must not be sent there."""
    if not may_follow(location, url, _CLOUD):
        return None
    return urlunsplit((*urlsplit(location)[:2], "", "", ""))
