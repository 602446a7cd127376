"""Whose value stays when an owner or a field is set more than once: each conflict rule keeps a claim of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from connector.core.event import Conflict

Claims: TypeAlias = Mapping[str, Any]
"""Conflict rule → the value that steps of that rule gave, where any other than `newest` was used."""
OWNER: Final = "@owner"
"""The name under which the owner's claims are kept, beside those of the profile's fields."""
_STRONGEST_FIRST: Final = (Conflict.THEIRS, Conflict.NEWEST, Conflict.OURS, Conflict.IF_EMPTY)


def is_empty(value: Any) -> bool:
    """Whether a value says nothing; 0 and false say something."""
    return value is None or value in ("", [])


def claimed(claims: Claims | None, present: Any, value: Any, conflict: Conflict) -> Claims:
    """The claims after a step gives `value`; `present` is what stood there as long as there were no claims.

    Within a rule the newest step counts, an empty value included; of `if_empty` the first that is not empty.
    """
    known = ({} if is_empty(present) else {Conflict.NEWEST.value: present}) if claims is None else claims
    if conflict is Conflict.IF_EMPTY and not is_empty(known.get(conflict.value)):
        return known
    return {**known, conflict.value: value}


def standing(claims: Claims) -> Any:
    """The value that stays: of the strongest rule that has one; None where none has."""
    return next((value for rule in _STRONGEST_FIRST if not is_empty(value := claims.get(rule.value))), None)
