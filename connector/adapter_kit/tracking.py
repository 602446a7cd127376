"""What trackers have in common: whom an id names, and how a page view was reached."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.payload import Part, is_storable
from connector.adapter_kit.placeholders import is_placeholder
from connector.core.event import Action, Identity, IdentityKind

EMAIL_MARKS: Final = ("utm_medium=email", "utm_medium=e-mail", "mtm_medium=email", "pk_medium=email", "bownowmail")
"""The default of a tracker's setting `email_marks`. BowNow puts `bownowmail=sid…` into the links of its mails."""
COCOAR_MARKS: Final = ("utm_source=cocoar", "utm_medium=cocoar", "mtm_source=cocoar", "cocoar")
"""The default of a tracker's setting `cocoar_marks`; what the AR application appends is the customer's choice."""
_RANDOM: Final = re.compile(r"(?=.*[a-f])(?=.*[0-9])[0-9a-f-]{16,}", re.IGNORECASE)
_MOST: Final = 200
_SUFFIXES: Final = {Action.EMAIL_INFLOW.value: ":email", Action.COCOAR_INFLOW.value: ":cocoar"}


def visitor(given: Part) -> Identity | None:
    """Whom a tracker's own id of a browser names; None: nobody. Raises `BadPayload`: neither text nor number.

    A random id, such as a UUID, is the same visitor in every system; any other counts in its connection alone.
    """
    value = _id(given, IdentityKind.VISITOR)
    if value is None:
        return None
    return Identity(kind=IdentityKind.VISITOR, value=value, is_local=not is_random(value))


def person(given: Part) -> Identity | None:
    """Whom a site's id of a signed-in user names: an e-mail address is one, any other is an account of that site.

    None: nobody. Raises `BadPayload`: neither text nor number.
    """
    if normalize_email(given.value):
        return address(given)
    value = _id(given, IdentityKind.ACCOUNT)
    return None if value is None else Identity(kind=IdentityKind.ACCOUNT, value=value)


def is_random(value: str) -> bool:
    """Whether an id was drawn at random, as a UUID or Matomo's: no other system makes the same one."""
    return _RANDOM.fullmatch(value) is not None


def address(given: Part) -> Identity | None:
    """An e-mail address where there is a good one that is somebody's; raises nothing."""
    email = normalize_email(given.value)
    is_somebody_s = email is not None and is_storable(email) and not is_placeholder(IdentityKind.EMAIL, email)
    return Identity(kind=IdentityKind.EMAIL, value=email or "") if is_somebody_s else None


def distinct(*found: Identity | None) -> tuple[Identity, ...]:
    """The identities that there are, each once, in order."""
    return tuple(dict.fromkeys(identity for identity in found if identity is not None))


def under(part: Part, *names: str) -> Part:
    """The part below, or one without a value where anything on the way is missing; raises nothing."""
    for name in names:
        part = part[name] if isinstance(part.value, dict) else Part(None, part.path)
    return part


def words(part: Part, most: int = 4000) -> str | None:
    """A text that is not empty, cut to `most` characters; None for anything else."""
    return part.value.strip()[:most] or None if isinstance(part.value, str) else None


def reached(
    word: str, url: str | None, campaign: Mapping[str, Any], email: Iterable[str], cocoar: Iterable[str]
) -> str:
    """A page view's word, followed by `:email` or `:cocoar` where its address or its campaign shows that.

    `campaign`: `medium`, `source` and so on, which are `utm_medium`, `utm_source` in an address.
    """
    marks = (tuple(email), tuple(cocoar))
    named = urlencode({f"utm_{name}": value for name, value in campaign.items() if isinstance(value, str)})
    by = inflow(url or "", *marks) or inflow(f"?{named}", *marks)
    return word + _SUFFIXES.get(by or "", "")


def inflow(url: str, email: Iterable[str] = EMAIL_MARKS, cocoar: Iterable[str] = COCOAR_MARKS) -> str | None:
    """`email_inflow` or `cocoar_inflow`, by the parameters of a page's address; None: neither. Raises nothing.

    A mark is `name=value`, or `name` whatever its value; capital and small letters are the same. Parameters after `#`
    count too, as trackers read campaigns there.
    """
    given = _parameters(url)
    if _is_marked(given, email):
        return Action.EMAIL_INFLOW.value
    return Action.COCOAR_INFLOW.value if _is_marked(given, cocoar) else None


def _id(given: Part, kind: IdentityKind) -> str | None:
    if given.value is None or given.value == "":
        return None
    value = given.identifier().strip()
    return None if is_placeholder(kind, value) else value


def _is_marked(given: set[str], marks: Iterable[str]) -> bool:
    return any(mark.strip().casefold() in given for mark in marks)


def _parameters(url: str) -> set[str]:
    """Each parameter as `name` and as `name=value`, casefolded."""
    try:
        parts = urlsplit(url)
        pairs = [
            pair
            for text in (parts.query, parts.fragment.rpartition("?")[2])
            for pair in parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST)
            if pair[0]
        ]
    except ValueError:
        return set()
    folded = [(name.strip().casefold(), value.strip().casefold()) for name, value in pairs]
    return {name for name, _ in folded} | {f"{name}={value}" for name, value in folded}
