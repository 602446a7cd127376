"""Text templates of a mapping's push section: `{status.label}`, `{profile.company}` and the like, compiled once."""

from __future__ import annotations

import difflib
import re
from typing import Final

from connector.core.updates import PERSON_NAMES, PROFILE, VIEW_NAMES
from connector.mapping.expressions import BadExpression, Expression

_KNOWN: Final = (*VIEW_NAMES, *PERSON_NAMES)
_FIELD: Final = re.compile(re.escape(PROFILE) + r"(custom\.)?[a-z][a-z0-9_]{0,62}")
_PART: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


def template(text: str) -> Expression:
    """Text with `{status.label}` and the like, or a profile field; `{{` and `}}` are braces. Raises `BadExpression`.

    What a subject does not have is empty.
    """
    parts: list[tuple[str, bool]] = []
    for match in _PART.finditer(text):
        part, name = match.group(), match.group(1)
        if name is not None:
            parts.append((_known(name), True))
        elif part in {"{", "}"}:
            message = (
                f"a single {part!r} stands at character {match.start() + 1}; write {part * 2!r} for the sign itself"
            )
            raise BadExpression(message)
        else:
            parts.append(({"{{": "{", "}}": "}"}.get(part, part), False))
    if all(not is_name for _, is_name in parts):
        plain = "".join(part for part, _ in parts)
        return Expression(text, lambda _view: plain)
    return Expression(text, lambda view: "".join([view.get(part, "") if is_name else part for part, is_name in parts]))


def _known(name: str) -> str:
    if name in _KNOWN or _FIELD.fullmatch(name):
        return name
    close = difflib.get_close_matches(name, _KNOWN, n=1)
    hint = f"; did you mean {{{close[0]}}}? Allowed" if close else "; allowed"
    names = ", ".join(f"{{{known}}}" for known in (*_KNOWN, f"{PROFILE}…"))
    message = f"{{{name[:40]}}} is not known{hint}: {names}"
    raise BadExpression(message)
