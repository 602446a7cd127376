"""E-mail addresses and phone numbers, written in the one way in which they identify a subject in every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from connector.core.event import IdentityKind

LONGEST_EMAIL: Final = 320
LONGEST_PHONE: Final = 64
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")
_PHONE: Final = re.compile(r"[0-9+ ().\-/‐-―]*")  # the last range: typographic hyphens and dashes


def normalize_email(value: object) -> str | None:
    """An e-mail address, trimmed and casefolded; None: the value is none."""
    if not isinstance(value, str) or len(value) > LONGEST_EMAIL or "\0" in value:
        return None
    email = value.strip().casefold()
    return email if _EMAIL.fullmatch(email) else None


def normalize_phone(value: object) -> str | None:
    """A phone number as digits with the leading + it may have; None: the value is none."""
    if not isinstance(value, str) or len(value) > LONGEST_PHONE:
        return None
    written = unicodedata.normalize("NFKC", value).strip()
    digits = re.sub(r"[^0-9]", "", written)
    if not digits or not _PHONE.fullmatch(written):
        return None
    return f"+{digits}" if written.lstrip(" (").startswith("+") else digits


NORMALIZERS: Final[Mapping[IdentityKind, Callable[[object], str | None]]] = {
    IdentityKind.EMAIL: normalize_email,
    IdentityKind.PHONE: normalize_phone,
}
"""Kind of identity → how its values are written."""
