"""What the lines of `connector simulate` may say: the keys of each type of line, and what each key takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connector.core.event import Action
from connector.core.rules import Template
from connector.core.state import LEAD, UNKNOWN
from connector.i18n.statuses import StatusFinder
from connector.runtime.rule_settings import is_email

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2999
_DATE_AND_TIME: Final = re.compile(r"[\dW-]+[Tt ].+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a line: `read` gives its value or raises `ValueError`; `allowed` says in words what it takes.

    A key that is not required may also be null. `words` are what it takes where that is a closed list.
    """

    read: Callable[[Any], Any]
    allowed: str
    is_required: bool = True
    words: tuple[str, ...] = ()


def keys_by_type(template: Template) -> dict[str, Mapping[str, Key]]:
    """The keys of each type of line; under `""` those that every type has."""
    words = tuple(info.code for info in template.statuses)
    to = Key(read=_status_reader(template), allowed=f"one of {', '.join(words)}", words=words)
    text = Key(read=_text, allowed="text", is_required=False)
    tag = Key(read=_word, allowed="text that is not empty", is_required=False)
    reopen = Key(read=_switch, allowed="true or false", is_required=False)
    special: dict[str, dict[str, Key]] = {
        "action": {"action": _choice(*Action), "page": text, "session": text},
        "jump": {"to": to, "by": _choice("person", "crm")},
        "trigger": {"to": to, "trigger": Key(read=_word, allowed=tag.allowed), "reopen": reopen},
        "identify": {},
        "tag": {"add": tag, "remove": tag},
        "owner": {"owner": Key(read=_owner, allowed="an e-mail address, or null")},
    }
    common = {
        "at": Key(read=_instant, allowed=f"date and time with offset in ISO 8601, from {FIRST_YEAR} to {LAST_YEAR}"),
        "subject": Key(read=_text, allowed="text"),
        "type": _choice(*special),
        "id": text,
        "kind": _choice(LEAD, UNKNOWN, is_required=False),
    }
    return {"": common, **{kind: common | keys for kind, keys in special.items()}}


def _choice(*words: str, is_required: bool = True) -> Key:
    def read(value: Any) -> Any:
        return _expected(value, isinstance(value, str) and value in words)

    return Key(read=read, allowed=f"one of {', '.join(words)}", is_required=is_required, words=words)


def _status_reader(template: Template) -> Callable[[Any], Any]:
    """Reads a status by code, label or alias."""
    finder = StatusFinder(template.statuses)

    def read(value: Any) -> Any:
        code = finder.code_of(_text(value))
        return _expected(code, code is not None)

    return read


def _instant(value: Any) -> Any:
    given = datetime.fromisoformat(_expected(value, isinstance(value, str) and _DATE_AND_TIME.fullmatch(value)))
    try:
        at = given.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(value) from error
    return _expected(at, given.tzinfo is not None and FIRST_YEAR <= at.year <= LAST_YEAR)


def _text(value: Any) -> Any:
    return _expected(value, isinstance(value, str))


def _word(value: Any) -> Any:
    return _expected(value, isinstance(value, str) and value != "")


def _switch(value: Any) -> Any:
    return _expected(value, isinstance(value, bool))


def _owner(value: Any) -> Any:
    return _expected(value, value is None or is_email(value))


def _expected(value: Any, is_right: object) -> Any:
    if not is_right:
        raise ValueError(value)
    return value
