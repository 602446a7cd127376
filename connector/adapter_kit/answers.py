"""Reads answers of external systems, which may be anything: an error page, a list in place of an object, no JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.adapter_kit.contract import Answer
from connector.core.errors import CrmUnavailable


def is_good(answer: Answer) -> bool:
    """Whether the call was carried out: any 2xx."""
    return answer.status // 100 == 2  # noqa: PLR2004 - the class of answers that accept


def body_of(answer: Answer) -> Mapping[str, Any]:
    """The body as an object; anything else, such as a page for people, is an empty one. Raises nothing."""
    try:
        return named(answer.json())
    except CrmUnavailable:
        return {}


def named(value: Any) -> Mapping[str, Any]:
    """An object of an answer; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> Sequence[Any]:
    """A list of an answer; anything else is an empty one."""
    return value if isinstance(value, list) else ()


def in_one_line(text: str, most: int) -> str:
    """A text of an answer for people: in one line, printable, at most so many characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:most]
