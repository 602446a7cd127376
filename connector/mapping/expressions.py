"""Paths, conditions and text templates, as sales ops write them into a mapping: checked and compiled once.

Paths and conditions are JMESPath; templates name what a record is to show, `{status.label}` and the like.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError, LexerError, ParseError
from jmespath.functions import Functions

from connector.core.errors import ExpressionStopped
from connector.core.mapping import Reader
from connector.core.updates import PERSON_NAMES, PROFILE, VIEW_NAMES
from connector.mapping.bounded import search
from connector.mapping.source import shown

LONGEST: Final = 500
MOST_PARTS: Final = 100
MOST_OPENED: Final = 50
MOST_BUILT: Final = 4
_BUILDING: Final = frozenset({"multi_select_list", "multi_select_dict", "join", "to_string"})
_FUNCTIONS: Final[Mapping[str, Any]] = Functions.FUNCTION_TABLE
_LITERAL: Final = re.compile(r"""'(?:\\.|[^'\\])*'?|"(?:\\.|[^"\\])*"?|`((?:\\.|[^`\\])*)`?""", re.DOTALL)
"""Texts and quoted names are passed over."""
_BESIDE: Final = frozenset(
    {
        "or_expression",
        "and_expression",
        "not_expression",
        "comparator",
        "function_expression",
        "expref",
        "multi_select_list",
        "multi_select_dict",
        "key_val_pair",
    }
)
"""The parts of which every child reads the same object; of all others the first child reads it."""

_NAMES: Final = (*VIEW_NAMES, *PERSON_NAMES)
_PROFILE_FIELD: Final = re.compile(re.escape(PROFILE) + r"(custom\.)?[a-z][a-z0-9_]{0,62}")
_TEMPLATE_PART: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


class BadExpression(ValueError):
    """The expression cannot be compiled; the message says what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What was written, compiled: equal where the text is. `names`: the names of the data that it reads first.

    `steps`: the names and places in lists that it goes down, where it is nothing else.
    """

    text: str
    run: Callable[[Any], Any] = field(compare=False, repr=False)
    names: tuple[str, ...] = field(default=(), compare=False)
    steps: tuple[str | int, ...] | None = field(default=None, compare=False)

    def __call__(self, given: Any) -> Any:
        """What it gives for an event's data, or for the view of a template."""
        return self.run(given)

    def is_emptied(self, data: Mapping[str, Any]) -> bool:
        """Whether the data says that there is no value, where it gave none: data that does not name it says nothing."""
        if self.steps is None:
            return bool(self.names) and all(name in data and _is_blank(data[name]) for name in self.names)
        value: Any = data
        for step in self.steps:
            if isinstance(value, Mapping) and step in value:
                value = value[step]
            elif isinstance(value, list) and isinstance(step, int):
                if not -len(value) <= step < len(value):
                    return True  # the list is there as a whole
                value = value[step]
            else:
                return not isinstance(value, Mapping) and _is_blank(value)
        return _is_blank(value)


def path(text: str) -> Expression:
    """A JMESPath (https://jmespath.org) over an event's data. Raises `BadExpression`.

    What it gives raises `ExpressionStopped` and nothing else.
    """
    node = _parsed(text)
    steps = _steps(node)
    run = _general(text, node) if steps is None else _simple(steps)
    return Expression(text, run, tuple(dict.fromkeys(_names(node))), steps)


def condition(text: str) -> Expression:
    """A JMESPath that gives true or false, where JMESPath's own falsehoods count: null, false and what is empty."""
    read = path(text)

    def holds(data: Mapping[str, Any]) -> bool:
        value = read.run(data)
        return not (value is None or value is False or value in ("", [], {}))

    return Expression(text, holds, read.names)


def template(text: str) -> Expression:
    """Text with `{status.label}` and the like, or a profile field; `{{` and `}}` are braces. Raises `BadExpression`.

    What a subject does not have is empty.
    """
    parts: list[tuple[str, bool]] = []
    for match in _TEMPLATE_PART.finditer(text):
        part, name = match.group(), match.group(1)
        if name is not None:
            parts.append((_template_name(name), True))
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


def _template_name(name: str) -> str:
    if name in _NAMES or _PROFILE_FIELD.fullmatch(name):
        return name
    close = difflib.get_close_matches(name, _NAMES, n=1)
    hint = f"; did you mean {{{close[0]}}}? Allowed" if close else "; allowed"
    names = ", ".join(f"{{{known}}}" for known in (*_NAMES, f"{PROFILE}…"))
    message = f"{{{name[:40]}}} is not known{hint}: {names}"
    raise BadExpression(message)


def _is_blank(value: Any) -> bool:
    return value in (None, [], {}) or (isinstance(value, str) and not value.strip())


def _names(node: Mapping[str, Any]) -> Iterator[str]:
    """The names that an expression looks up in the object that it is given."""
    if node["type"] == "field":
        yield node["value"]
    children = [child for child in node["children"] if isinstance(child, dict)]
    for child in children if node["type"] in _BESIDE else children[:1]:
        yield from _names(child)


def _general(text: str, node: Mapping[str, Any]) -> Reader:
    def read(data: Mapping[str, Any]) -> Any:
        try:
            return search(text, node, data)
        except ExpressionStopped:
            raise
        except Exception:  # noqa: BLE001 - the functions raise whatever Python's raise: ceil(infinity), too deep, wrong type
            return None

    return read


def _simple(steps: tuple[str | int, ...]) -> Reader:
    """The same as `_general` for names and places in lists, ten times as fast."""

    def read(data: Mapping[str, Any]) -> Any:
        value: Any = data
        for step in steps:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, Mapping) else None
            else:
                value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        return value

    return read


def _steps(node: Mapping[str, Any]) -> tuple[str | int, ...] | None:
    if node["type"] in {"field", "index"}:
        return (node["value"],)
    if node["type"] not in {"subexpression", "index_expression"}:
        return None
    parts = [_steps(child) for child in node["children"]]
    return None if None in parts else tuple(step for part in parts if part is not None for step in part)


def _parsed(text: str) -> Mapping[str, Any]:
    if len(text) > LONGEST:
        message = f"the expression is longer than {LONGEST} characters"
        raise BadExpression(message)
    if sum(text.count(sign) for sign in "([{*!") > MOST_OPENED:
        message = f"the expression has more than {MOST_OPENED} brackets, stars or exclamation marks"
        raise BadExpression(message)
    for literal in _LITERAL.finditer(text):
        _check_literal(literal.group(1))
    try:
        node: Mapping[str, Any] = jmespath.compile(text).parsed
    except (JMESPathError, RecursionError) as error:
        message = f"{shown(text)} is no JMESPath{_where(error, text)}"
        raise BadExpression(message) from error
    parts = list(_walk(node))
    called = [part for part in parts if part["type"] == "function_expression"]
    for part in called:
        _check_function(part["value"], len(part["children"]))
    if any(part["type"] == "slice" and part["children"][2:] == [0] for part in parts):
        message = "the step of a slice [start:end:step] must not be 0"
        raise BadExpression(message)
    built = sum(part["type"] in _BUILDING for part in parts) + sum(part["value"] in _BUILDING for part in called)
    if built > MOST_BUILT:
        message = f"the expression makes more than {MOST_BUILT} new lists, objects or texts"
        raise BadExpression(message)
    if len(parts) > MOST_PARTS:
        message = f"the expression has more than {MOST_PARTS} parts"
        raise BadExpression(message)
    return node


def _check_literal(literal: str | None) -> None:
    """The library takes what is no JSON for a text, and will not do so for ever."""
    try:
        json.loads("null" if literal is None else literal.replace("\\`", "`"))
    except ValueError as error:
        message = f"`{literal}` is no number, true, false or null; a text stands in '…'"
        raise BadExpression(message) from error


def _where(error: Exception, text: str) -> str:
    if isinstance(error, LexerError):
        return f": character {error.lexer_position + 1} is not understood; a text stands in '…'"
    if not isinstance(error, ParseError):
        return ""
    if error.lex_position >= len(text):
        return ": something is missing at its end"
    return f": {error.token_value!r} at character {error.lex_position + 1} is not expected there"


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting = [node]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += [child for child in part["children"] if isinstance(child, dict)]


def _check_function(name: str, given: int) -> None:
    if name not in _FUNCTIONS:
        close = difflib.get_close_matches(name, _FUNCTIONS, n=1)
        hint = f"; did you mean {close[0]}()? Allowed" if close else "; allowed"
        message = f"there is no function {name[:40]}(){hint}: {', '.join(sorted(_FUNCTIONS))}"
        raise BadExpression(message)
    signature = _FUNCTIONS[name]["signature"]
    is_open = bool(signature and signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not is_open):
        message = f"the function {name}() takes {len(signature)} values{' or more' if is_open else ''}, not {given}"
        raise BadExpression(message)
