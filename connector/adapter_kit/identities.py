"""E-mail addresses and phone numbers, written in the one way in which they identify a subject in every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

import idna
import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from connector.adapter_kit.placeholders import is_placeholder
from connector.core.event import Identity, IdentityKind

LONGEST_EMAIL: Final = 320
LONGEST_PHONE: Final = 64
_EMAIL: Final = re.compile(r"""([^\s@<>()\[\],;:"]+)@([^\s@<>()\[\],;:"]+)""")
_AROUND: Final = " \t\r\n<>\"'.,;"
_MAILTO: Final = re.compile(r"mailto:", re.IGNORECASE)
_UNSEEN: Final = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_CAPITALS: Final = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_PHONE: Final = re.compile(r"[0-9+ ().\-/‐-―−ー]*")
_INTERNATIONAL: Final = "00"
_PHONES: Final = frozenset({IdentityKind.PHONE, IdentityKind.MOBILE})


def normalize_email(value: object) -> str | None:
    """An e-mail address without what surrounds it (spaces, `<a@x>`, `mailto:`, what cannot be seen); None: it is none.

    Full-width letters are ordinary ones, ASCII letters and the domain small (RFC 5891), and all others stay as they
    are: `straße@x` and `strasse@x` are two mailboxes.
    """
    if not isinstance(value, str) or len(value) > LONGEST_EMAIL or "\0" in value:
        return None
    text = unicodedata.normalize("NFKC", value.translate(_UNSEEN)).strip(_AROUND)
    if marked := _MAILTO.match(text):
        text = text[marked.end() :].partition("?")[0].strip(_AROUND)
    if "<" in text:
        text = text.rpartition("<")[2]
    found = _EMAIL.fullmatch(text)
    return f"{found[1].translate(_CAPITALS)}@{_domain(found[2])}" if found else None


def _domain(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode()
    except UnicodeError:
        return text.lower()


def normalize_phone(value: object) -> str | None:
    """A phone number as digits with the leading + it may have; None: the value is none. See `international`."""
    if not isinstance(value, str) or len(value) > LONGEST_PHONE:
        return None
    written = unicodedata.normalize("NFKC", value.translate(_UNSEEN)).strip()
    digits = re.sub(r"[^0-9]", "", written)
    if not digits or not _PHONE.fullmatch(written):
        return None
    return f"+{digits}" if written.lstrip(" (").startswith("+") else digits


@lru_cache(maxsize=1 << 14)
def international(text: str, region: str | None) -> tuple[IdentityKind, str] | None:
    """A phone number in E.164, and whether it is a mobile phone; None: there is no such number.

    `region`: the country (ISO 3166-1) of a number that is written without its own. Its length must be possible; the
    ranges in use change faster than the library's tables.
    """
    abroad = f"+{text.removeprefix(_INTERNATIONAL)}" if text.startswith(_INTERNATIONAL) else text
    number = _parsed(abroad, region) or _parsed(text, region)
    if number is None:
        return None
    is_mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
    written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return IdentityKind.MOBILE if is_mobile else IdentityKind.PHONE, written


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    is_possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    return number if is_possible else None


@lru_cache(maxsize=1 << 14)
def identifying(identity: Identity, region: str | None, extra: frozenset[str] = frozenset()) -> Identity | None:
    """The identity as it finds subjects; None: it is nobody's, or none at all.

    `region`: as of `international`; without one a phone number that is written without a country counts within its
    connection alone. `extra`: what a workspace takes for nobody's, as `is_placeholder`.
    """
    kind, value = identity.kind, identity.value
    if kind is IdentityKind.EMAIL:
        value = normalize_email(value) or ""
    elif kind in _PHONES:
        return _phone(value, region, extra)
    if is_placeholder(kind, value, extra):
        return None
    return identity if value == identity.value else replace(identity, value=value)


def _phone(value: str, region: str | None, extra: frozenset[str]) -> Identity | None:
    digits = normalize_phone(value) or ""
    if is_placeholder(IdentityKind.PHONE, digits, extra):
        return None
    found = international(digits, region)
    if found is None:
        is_unknown = region is None and not digits.startswith("+")
        return Identity(kind=IdentityKind.PHONE, value=digits, is_local=True) if is_unknown else None
    kind, written = found
    return None if is_placeholder(kind, written, extra) else Identity(kind=kind, value=written)


NORMALIZERS: Final[Mapping[IdentityKind, Callable[[object], str | None]]] = {
    IdentityKind.EMAIL: normalize_email,
    IdentityKind.PHONE: normalize_phone,
}
"""Kind of identity → how its values are written."""
