"""Checks what a connection is set to, and reads settings that hold several things in one text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from connector.adapter_kit.contract import Adapter
from connector.core.errors import CrmRefused

SHORTEST_SECRET: Final = 16
"""Characters of a secret that somebody chooses: a shorter one is guessed, and may stand in data by chance."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def check_settings(checks: Mapping[str, bool]) -> None:
    """Raises `CrmRefused` that names all settings that cannot be used; `checks`: name and what is allowed → is good."""
    if wrong := [name for name, is_good in checks.items() if not is_good]:
        message = f"the connection's settings cannot be used: {'; '.join(wrong)}"
        raise CrmRefused(message)


def mistakes_of(adapter: Adapter) -> Sequence[str]:
    """What is wrong with a connection's settings, a sentence each, as an adapter may say by a method `mistakes`.

    Only what shows without asking the system.
    """
    found: Callable[[], Sequence[str]] = getattr(adapter, "mistakes", tuple)
    return found()


def is_safe_address(url: str) -> bool:
    """Whether credentials may be sent there: by HTTPS, or on this machine by HTTP."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and "@" not in parts.netloc and (parts.scheme == "https" or is_loopback(url))


def may_follow(url: str, entered: str, domains: re.Pattern[str]) -> bool:
    """Whether a secret that was entered for one address may be sent to another, which an answer names.

    That is: to the same scheme, host and port; or by HTTPS to one of the vendor's own `domains`, at its usual port.
    What was entered for this machine stays on it. So an answer leads neither elsewhere nor into a private network.
    """
    if not is_safe_address(url):
        return False
    parts, known = urlsplit(url), urlsplit(entered)
    if parts[:2] == known[:2]:
        return True
    if is_loopback(entered):
        return is_loopback(url)
    has_usual_port = parts.netloc.casefold() in {parts.hostname, f"{parts.hostname}:443"}
    return parts.scheme == "https" and has_usual_port and domains.fullmatch(parts.hostname or "") is not None


def is_safe_origin(url: str) -> bool:
    """Whether it is a safe address without a path."""
    return is_safe_address(url) and urlsplit(url).path in {"", "/"}


def is_loopback(url: str) -> bool:
    """Whether it is an address of this machine by HTTP."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def pairs(entries: Iterable[str], sign: str = "=") -> list[tuple[str, str]]:
    """What stands before and behind the first sign of each entry, without spaces: `hana@example.com = 17`."""
    return [(name.strip(), value.strip()) for name, _, value in (entry.partition(sign) for entry in entries)]


def fields_by_object(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Fields named as `Lead.Budget__c`: object → fields."""
    fields: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for name in names:
        record_object, _, field = name.partition(".")
        fields[record_object] += (field,)
    return fields


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name, of the setting `zone`. Raises `CrmRefused` when there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        message = f"the connection's settings cannot be used: zone ({name!r} is no time zone such as Asia/Tokyo)"
        raise CrmRefused(message) from error
