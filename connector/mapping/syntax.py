"""What is wrong where a text is no YAML: the line that did it, and what a keyboard, Excel or a missing quote did there.

The parser only says where it could not go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

_LONGEST: Final = 200
_LONGEST_LINE: Final = 80
_MOST_SEARCHED: Final = 2_000
"""Characters of a line; no line that people write is longer."""
_LINES_BEFORE: Final = 5
"""A text without quotes may go over several lines before the parser stumbles."""
_WIDE: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r"^[^:]*(：)(?!.*:(?:\s|$))", "a full-width colon; write `: `"),
        (r"[{,]\s*[^:,{}]*(：)", "a full-width colon; write `: `"),
        (r"(?:^ *|:)(\u3000)", "a full-width space; write ordinary ones"),
        (r"(?:^ *|:)(\u00a0)", "a space that does not break, as from a web page; write an ordinary one"),
        (r"[{\[].*(，)", "a full-width comma; write `, `"),
        (r"(?:^\s*|: )([｛［])", "a full-width brace or bracket; write an ordinary one"),
        (r"[:,{\[] *([“”＂])", "another quotation mark than the straight one"),
    )
)
"""What Chinese and Japanese keyboards, word processors and web pages write in place of what YAML knows.

In words, such as the names of stages, all of it may stand: it is a mistake only where YAML would have its own sign.
"""
_QUOTED: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?:^|\s)#.*""")
_NO_SPACE: Final = re.compile(r"\s*[^\s:{}\[\],-][^\s:{}\[\],]*:(?=[^\s:/])[^\s:]*\s*$")
_SPREADSHEET: Final = re.compile(r"""\s*(?:"?\w+"?(?:[,;\t]"?[\w ]*"?)+|"[^"]*:[^"]*")\s*$""")
_OPENED: Final = {"flow mapping": "{", "flow sequence": "["}


def explained(text: str, error: Exception) -> tuple[int, int, str]:
    """Line and column (from 1) of what a parser's error is due to, and a sentence about it that shows the line."""
    lines = [line[:_MOST_SEARCHED] for line in text.splitlines()] or [""]
    stop = _place(getattr(error, "problem_mark", None) or getattr(error, "context_mark", None), lines)
    line, column, message = next(_causes(lines, stop, error), (*stop, _as_said(error)))
    source = lines[line - 1].strip()
    cut = source if len(source) <= _LONGEST_LINE else f"{source[:_LONGEST_LINE]}…"
    return line, column, f"{message}: {cut!r}" if cut else message


def odd_word(word: str, *, has_value: bool) -> str | None:
    """What a key without quotes has in it by mistake; None: nothing."""
    if word.startswith(("\u3000", "\u00a0")):
        return f"the key {word!r} begins with a space that is no ordinary one; indent with ordinary ones"
    if not has_value and ":" in word.strip(":"):
        return f"a space is missing after the colon in {word!r}; write `key: value`"
    return None


def _causes(lines: list[str], stop: tuple[int, int], error: Exception) -> Iterator[tuple[int, int, str]]:
    """What may have made the parser stop at a place, the surest first."""
    context, begun = str(getattr(error, "context", "") or ""), getattr(error, "context_mark", None)
    if "quoted scalar" in context and "end of" in str(getattr(error, "problem", "")) and begun is not None:
        line, column = _place(begun, lines)
        yield line, column, "the quotation mark that begins here is never closed"
    if _SPREADSHEET.match(lines[0]):
        message = "this looks like a table that a spreadsheet saved; this file is made of `key: value` lines"
        yield 1, 1, message
    for number in range(stop[0], max(stop[0] - _LINES_BEFORE, 0), -1):
        bare = _QUOTED.sub(lambda found: " " * len(found.group()), lines[number - 1])
        yield from ((number, odd.start(1) + 1, f"here is {said}") for form, said in _WIDE if (odd := form.search(bare)))
        if (found := _NO_SPACE.match(bare)) is not None:
            yield number, found.group().index(":") + 2, "a space is missing after the colon; write `key: value`"
    yield from _opened(context, begun, lines)
    yield from _indented(lines, stop[0])
    rest = _QUOTED.sub("", lines[stop[0] - 1])
    if rest.count(": ") > 1 and "{" not in rest:
        yield *stop, "a value that has a colon and a space in it must stand in quotes"


def _opened(context: str, begun: Any, lines: list[str]) -> Iterator[tuple[int, int, str]]:
    sign = next((sign for words, sign in _OPENED.items() if words in context), None)
    if sign is not None and begun is not None:
        line, column = _place(begun, lines)
        yield line, column, f"the {sign} that begins here is not closed, or a comma is missing after it"


def _indented(lines: list[str], number: int) -> Iterator[tuple[int, int, str]]:
    """A line that begins at no place where a line before it begins, or deeper though that one has its value already."""
    width = _width(lines[number - 1])
    before = [line for line in lines[: number - 1] if line.strip() and not line.lstrip().startswith("#")]
    if not before:
        return
    widths = [_width(line) for line in before]
    is_deeper = width > widths[-1] and not before[-1].rstrip().endswith(":")
    if is_deeper or (width < widths[-1] and width not in widths):
        spaces = ", ".join(map(str, sorted({one for one in widths[-_LINES_BEFORE:] if one != width})))
        yield number, width + 1, f"this line begins with {width} spaces, those before it with {spaces}; they must agree"


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _place(mark: Any, lines: list[str]) -> tuple[int, int]:
    """A parser's mark, which may stand behind the end."""
    return (min(mark.line + 1, len(lines)), mark.column + 1) if mark else (1, 1)


def _as_said(error: Exception) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or "it cannot be read"
    hint = "; indent with spaces" if "\\t" in problem else ""
    return f"this is no YAML: {' '.join(problem.split())[:_LONGEST]}{hint}"
