"""A CSV file as its writer left it: encoding, separator, header, its rows and what is wrong with some of them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Final, TextIO

from connector.core.errors import WrongSetting
from connector.operations.imports.headings import rank
from connector.operations.imports.refused_rows import REASON, as_written

ENCODINGS: Final = ("utf-8", "cp932", "gb18030")
"""cp932 is Shift_JIS as Windows writes it; gb18030 includes GBK and GB2312."""
MOST_COLUMNS: Final = 500
MOST_LINES: Final = 500
"""Of one row: a cell may have several lines."""
MOST_SIGNS: Final = 131_072
"""Of one row; no cell may be longer by itself."""
_SEPARATORS: Final = (",", "\t", ";")
_TOLD: Final = re.compile(r'"?sep=([,;\t])"?\r?\n?')
"""The line before the header by which Excel is told the separator."""
_QUOTED: Final = re.compile('"[^"]*"')
_KEPT_AS_TEXT: Final = re.compile('\\A="([^"]*)"\\Z')
"""How programs write a number that Excel is to leave alone: `="0901"`."""
_ESCAPED: Final = re.compile("[\udc80-\udcff]")
"""What stands for a byte that the encoding does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row: its number (the header is row 1), its cells, and what is wrong with it (None: nothing so far)."""

    number: int
    cells: Sequence[str]
    mistake: str | None = None


@dataclass(slots=True)
class _Lines:
    """The lines of a text, which can be given back; `number` is that of the line that was read last."""

    text: TextIO
    number: int = 0
    waiting: deque[str] = field(default_factory=deque)

    def read(self) -> str:
        """The next line; empty at the end."""
        line = self.waiting.popleft() if self.waiting else self.text.readline()
        self.number += bool(line)
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        """Read these lines again."""
        self.waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def cells(self, separator: str, width: int | None = None) -> tuple[list[str], str | None] | None:
        """The cells of the next row, and what is wrong with its quotation marks; None at the end.

        A mark that is opened and not closed, or only by that of a later row, swallows no row: the lines after its own
        are read again. `width`: how many cells a row must have if it goes over several lines.
        """
        first = self.read()
        if not first:
            return None
        if '"' not in first:
            return _split(first, separator), None
        opened, rest = self.number, list[str]()
        try:
            cells = next(csv.reader(self._from(first, rest), delimiter=separator, strict=True))
            is_closed = not rest or width in {None, len(cells)}
        except csv.Error as error:
            is_closed = not rest and "unexpected end" not in str(error)
        if is_closed and rest:
            return cells, None
        self.give_back(rest)
        if is_closed:
            return _leniently(first, separator), None
        return _split(first, separator), f"has a quotation mark in line {opened} of the file that is not closed"

    def _from(self, first: str, rest: list[str]) -> Iterator[str]:
        """The lines of one row as far as they are asked for; `rest` gets those after the first."""
        yield first
        while len(rest) < MOST_LINES and (line := self.read()):
            rest.append(line)
            yield line


def _split(line: str, separator: str) -> list[str]:
    """The cells of a line as if quotation marks were letters."""
    return line.rstrip("\r\n").split(separator)


def _leniently(line: str, separator: str) -> list[str]:
    """The cells of a line by itself, whatever its quotation marks."""
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error:
        return _split(line, separator)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """An open file. `header`: the names of all columns, `size` in bytes."""

    header: tuple[str, ...]
    encoding: str
    separator: str
    size: int
    _raw: BinaryIO
    _lines: _Lines

    @property
    def share(self) -> float:
        """How much of it is read, from 0 to 1."""
        return min(1.0, self._raw.tell() / self.size) if self.size else 1.0

    def lines(self) -> Iterator[Line]:
        """The rows below the header, without empty ones; cells that are left out at the end of one are empty.

        Refused rows that come back are as they were.
        """
        is_of_refused = REASON in self.header
        number = 1
        while (row := self._lines.cells(self.separator, len(self.header))) is not None:
            number += 1
            cells, mistake = row
            if any(cells):
                cells = [as_written(cell) for cell in cells] if is_of_refused else cells
                cells = [_KEPT_AS_TEXT.sub(r"\1", cell) if cell.startswith('="') else cell for cell in cells]
                if mistake is None:
                    cells += [""] * (len(self.header) - len(cells))
                yield Line(number=number, cells=cells, mistake=mistake or self._mistake(cells))

    def _mistake(self, cells: Sequence[str]) -> str | None:
        if len(cells) != len(self.header):
            return f"has {len(cells)} columns; the header has {len(self.header)}"
        text = "".join(cells)
        if len(text) > MOST_SIGNS:
            return f"has {len(text):,} characters, more than {MOST_SIGNS:,}; is a quotation mark missing?"
        if not text.isascii() and _ESCAPED.search(text):
            return f"holds bytes that are no {self.encoding}; the file may have another encoding"
        return "holds NUL" if "\0" in text else None


@contextmanager
def reading(stream: BinaryIO, name: str, encoding: str) -> Iterator[CsvFile]:
    """A stream of that name as a file, its header read. Raises `WrongSetting`: its header cannot be used."""
    stream.seek(0)
    start = stream.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        message = f"{name} is UTF-16 (Excel's Unicode text); save it as CSV UTF-8"
        raise WrongSetting(message)
    size = stream.seek(0, io.SEEK_END)
    is_marked = start.startswith(codecs.BOM_UTF8)
    stream.seek(len(codecs.BOM_UTF8) if is_marked else 0)
    encoding = "utf-8" if is_marked else encoding
    text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
    try:
        lines = _Lines(text)
        separator = _separator(lines)
        header = _header(lines, separator)
        _check(header, name, encoding)
        yield CsvFile(header=header, encoding=encoding, separator=separator, size=size, _raw=stream, _lines=lines)
    finally:
        text.detach()


def _separator(lines: _Lines) -> str:
    """The one that a line `sep=;` says, which is no header; else the one that the first line has most of."""
    first = lines.read()
    if told := _TOLD.fullmatch(first):
        return told[1]
    lines.give_back([first] if first else [])
    return max(_SEPARATORS, key=_QUOTED.sub("", first).count)


def _header(lines: _Lines, separator: str) -> tuple[str, ...]:
    cells, mistake = lines.cells(separator) or ([], None)
    if mistake is not None:
        message = f"the header {mistake}"
        raise WrongSetting(message)
    names = [cell.strip(" \t\r\n　\ufeff") for cell in cells]
    names = [as_written(name) for name in names] if REASON in names else names
    return tuple(_numbered(name, names[:place]) for place, name in enumerate(names))


def _numbered(name: str, before: Sequence[str]) -> str:
    """The name of a column; the second of the e-mails or phones that are called the same is `Phone (2)`."""
    is_of_several = name in before and any(rank(what, name) is not None for what in ("email", "phone"))
    return f"{name} ({before.count(name) + 1})" if is_of_several else name


def _check(header: Sequence[str], name: str, encoding: str) -> None:
    named = [column for column in header if column]
    twice = sorted({column for column in named if named.count(column) > 1})
    message = None
    if _ESCAPED.search("".join(named)):
        others = " or ".join(f"--encoding {other}" for other in ENCODINGS if other != encoding)
        message = f"{name} is no {encoding}; try {others}"
    elif not named:
        message = f"{name} has no header: its first row must hold the names of the columns"
    elif len(header) > MOST_COLUMNS:
        message = f"{name} has {len(header)} columns; allowed: up to {MOST_COLUMNS}"
    elif twice:
        message = f"{name} has several columns named {', '.join(twice)}; each name may stand once"
    if message:
        raise WrongSetting(message)
