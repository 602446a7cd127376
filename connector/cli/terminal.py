"""What the commands print: JSON for programs, tables and short lines for people; and who gave the command."""

from __future__ import annotations

import getpass
import json
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TextIO

import click
import orjson

from connector.core.errors import printable

json_option: Final = click.option("--json", "is_json", is_flag=True, help="JSON: one document, or one object a line.")
_LONGEST_CELL: Final = 60


def print_json(value: Any) -> None:
    """One JSON document on a line; what was kept as bytes or is not JSON becomes text."""
    click.echo(_escaped(orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()))


def print_rows(rows: Iterable[Mapping[str, Any]], *, is_json: bool, columns: Mapping[str, str], empty: str) -> None:
    """Rows as they come: one JSON object each, or a table. `columns`: heading → key; `empty`: said of none."""
    if is_json:
        for row in rows:
            print_json(row)
        return
    cells = [[_cell(row.get(key)) for key in columns.values()] for row in rows]
    if not cells:
        say(empty)
        return
    table = [list(columns), *cells]
    widths = [max(_width(line[place]) for line in table) for place in range(len(columns))]
    for line in table:
        say("  ".join(_padded(text, width) for text, width in zip(line, widths, strict=True)).rstrip())


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names with their values, one a line, the values below each other; empty ones are left out."""
    shown = [(name, shown_as(value)) for name, value in pairs if value not in (None, "", [], {}, ())]
    width = max((len(name) for name, _ in shown), default=0)
    for name, text in shown:
        say(f"{name:<{width}}  {text}")


def shown_as(value: Any) -> str:
    """A value as people read it: times to the second in UTC, lists with commas, tables as name=value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={shown_as(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(shown_as(inner) for inner in value)
    return printable("" if value is None else str(value))


def say(text: object = "", *, err: bool = False) -> None:
    """A line for people; whatever foreign text is in it stays in that line."""
    click.echo(printable(str(text)), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """Text of several lines that we wrote, or of which it is clear who did, such as the body of a webhook."""
    for line in text.split("\n"):
        say(line, err=err)


def write_file(text: str) -> None:
    """A file that was published, as it is: what is no text for people was refused then."""
    click.echo(text, nl=not text.endswith("\n"))


def redraw(text: str, stream: TextIO, *, is_last: bool = False) -> None:
    """Show how far something is, in place of what was shown before."""
    click.echo(f"\r\x1b[K{printable(text)}", stream, nl=is_last)


def actor() -> str:
    """Who gives the command: the user of the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _escaped(document: str) -> str:
    """The same JSON; what a terminal could take for a command is written as an escape."""
    return document if document.isprintable() else "".join(map(_escaped_sign, document))


def _escaped_sign(sign: str) -> str:
    return sign if sign.isprintable() else json.dumps(sign)[1:-1]


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cell(value: Any) -> str:
    text = shown_as(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide letters take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
