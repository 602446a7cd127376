"""What trackers have in common: whether the address of a viewed page shows a visit from a mail or from COCOAR."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from connector.core.action import Action

EMAIL_MARKS: Final = ("utm_medium=email", "utm_medium=e-mail", "mtm_medium=email", "pk_medium=email", "bownowmail")
"""The default of a tracker's setting `email_marks`. BowNow puts `bownowmail=sid…` into the links of its mails."""
COCOAR_MARKS: Final = ("utm_source=cocoar", "utm_medium=cocoar", "mtm_source=cocoar", "cocoar")
"""The default of a tracker's setting `cocoar_marks`; what the AR application appends is the customer's choice."""
_MOST: Final = 200


def inflow(url: str, email: Iterable[str] = EMAIL_MARKS, cocoar: Iterable[str] = COCOAR_MARKS) -> str | None:
    """`email_inflow` or `cocoar_inflow`, by the parameters of a page's address; None: neither. Raises nothing.

    A mark is `name=value`, or `name` whatever its value; capital and small letters are the same. Parameters after `#`
    count too, as trackers read campaigns there.
    """
    given = _parameters(url)
    if _is_marked(given, email):
        return Action.EMAIL_INFLOW.value
    return Action.COCOAR_INFLOW.value if _is_marked(given, cocoar) else None


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
