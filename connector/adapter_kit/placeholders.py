"""What stands where somebody's identity should be and is nobody's: words of faulty sites, filled-in numbers, no-reply.

Taken at its word it would make one person of all who have it. One list for every system.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from connector.core.event import IdentityKind

NOTHING: Final = frozenset(
    {"", "undefined", "null", "none", "nil", "nan", "n/a", "false", "true", "[object object]", "(not set)"}
)
"""What programs print where they have nothing."""
NOBODY: Final = NOTHING | frozenset(
    {"anonymous", "anonymous_id", "anonymousid", "distinct_id", "distinctid", "email", "guest", "id", "unknown"}
    | {"not_authenticated", "user_id", "userid", "visitor_id", "-"}
)
"""What sites give to everybody."""
_MAILBOXES: Final = NOBODY - {"id", "-"} | frozenset(
    {"noemail", "no-email", "no_email", "no.email", "nomail", "no-mail", "no_mail", "na", "notprovided", "not-provided"}
    | {"noreply", "no-reply", "no_reply", "no.reply", "donotreply", "do-not-reply", "do_not_reply", "mailer-daemon"}
)
"""Local parts that are nobody's at any domain."""
_TWICE: Final = frozenset({"test", "mail", "example", "no", "a", "aa", "aaa", "abc", "x", "xx", "xxx", "asdf", "temp"})
"""Words that are nobody's where the domain has the same: `test@test.com`."""
SHORTEST_PHONE: Final = 7
"""Digits; fewer are an extension."""
_ASCENDING: Final = "01234567890123456789"
_NO_ID: Final = NOTHING | frozenset(
    {"-", "--", "0", "unknown", "#n/a", "#ref!", "#value!", "#name?", "#null!", "#num!", "#div/0!"}
)
_TEMPLATE: Final = re.compile(r"\{\{.*\}\}|\$\{.*\}|\{%.*%\}|%[a-z_.]+%|<%.*%>|\[[a-z_.]+\]")
_ZEROS: Final = re.compile(r"[0-]+")
_FILLED: Final = re.compile(r"(?:.*0{7}|(.)\1*)")


def is_placeholder(kind: IdentityKind, value: str, extra: Collection[str] = ()) -> bool:
    """Whether a value of this kind, written as identities are, is nobody's.

    `extra`: what a workspace adds, written in the same way: addresses, numbers, ids, and domains of addresses. Of a
    record (`object:id`) only what stands for no record at all is none.
    """
    if kind is IdentityKind.RECORD:
        return _is_no_id(value.partition(":")[2].strip().casefold())
    if value in extra:
        return True
    if kind is IdentityKind.EMAIL:
        return _is_nobodys_mailbox(value, extra)
    if kind in {IdentityKind.PHONE, IdentityKind.MOBILE}:
        return _is_filled_in(value)
    return value.strip().casefold() in NOBODY or _ZEROS.fullmatch(value) is not None


def _is_no_id(text: str) -> bool:
    """What stands where a record's id should be: nothing, a spreadsheet's error, a template that was not filled in."""
    return text in _NO_ID or _TEMPLATE.fullmatch(text) is not None


def _is_nobodys_mailbox(email: str, extra: Collection[str]) -> bool:
    mailbox, _, domain = email.casefold().rpartition("@")
    name = mailbox.partition("+")[0]
    return name in _MAILBOXES or domain in extra or (name in _TWICE and domain.partition(".")[0] == name)


def _is_filled_in(phone: str) -> bool:
    """Too short, one digit all along, 1234567, or nothing but zeros at the end; also behind a country's code."""
    digits = phone.lstrip("+")
    if len(digits) < SHORTEST_PHONE:
        return True
    return _is_pattern(digits) or (phone.startswith("+") and _is_pattern(_without_country(digits)))


def _is_pattern(digits: str) -> bool:
    """`9012345678`, which ascends too, is a mobile phone in Japan: only what begins low was filled in."""
    return _FILLED.fullmatch(digits) is not None or _ASCENDING.startswith((digits, f"0{digits}"))


def _without_country(digits: str) -> str:
    code = next((size for size in (1, 2, 3) if int(digits[:size]) in COUNTRY_CODE_TO_REGION_CODE), 0)
    return digits[code:]
