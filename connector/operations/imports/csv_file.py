"""A CSV file as its writer left it: encoding, separator, header; its rows, and what is wrong with some of them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from connector.core.errors import WrongSetting

ENCODINGS: Final = ("utf-8", "cp932", "gb18030")
"""cp932 is Shift_JIS as Windows writes it; gb18030 includes GBK and GB2312."""
REASON: Final = "import_error"
"""The column that refused rows come back with; it is not read when they are imported again."""
MOST_COLUMNS: Final = 500
_SEPARATORS: Final = (",", "\t", ";")
_ESCAPED: Final = re.compile("[\udc80-\udcff]")
"""What stands for a byte that the encoding does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row: its number (the header is row 1), its cells, and what is wrong with it (None: nothing so far)."""

    number: int
    cells: Sequence[str]
    mistake: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """An open file. `header`: the names of all columns, `size` in bytes."""

    header: tuple[str, ...]
    encoding: str
    separator: str
    size: int
    _raw: BinaryIO
    _text: TextIO

    @property
    def share(self) -> float:
        """How much of it is read, from 0 to 1."""
        return min(1.0, self._raw.tell() / self.size) if self.size else 1.0

    def lines(self) -> Iterator[Line]:
        """The rows below the header, without empty ones."""
        reader = csv.reader(self._text, delimiter=self.separator)
        number = 1
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(number=number, cells=(), mistake=f"cannot be read: {error}; is a quotation mark missing?")
                continue
            if any(cells):
                yield Line(number=number, cells=cells, mistake=self._mistake(cells))

    def _mistake(self, cells: Sequence[str]) -> str | None:
        if len(cells) != len(self.header):
            return f"has {len(cells)} columns; the header has {len(self.header)}"
        text = "".join(cells)
        if text.isascii():
            return "holds NUL" if "\0" in text else None
        if _ESCAPED.search(text):
            return f"holds bytes that are no {self.encoding}; the file may have another encoding"
        return "holds NUL" if "\0" in text else None


@contextmanager
def reading(path: Path, encoding: str) -> Iterator[CsvFile]:
    """The file, its header read. Raises `WrongSetting`: it cannot be opened, or its header cannot be used."""
    try:
        raw = path.open("rb")
    except OSError as error:
        message = f"the file {path} cannot be read: {error.strerror}"
        raise WrongSetting(message) from error
    with raw:
        start = raw.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            message = f"{path.name} is UTF-16 (Excel's Unicode text); save it as CSV UTF-8"
            raise WrongSetting(message)
        raw.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) and encoding == "utf-8" else 0)
        text = io.TextIOWrapper(raw, encoding, errors="surrogateescape", newline="")
        first = _first(text)
        separator = max(_SEPARATORS, key=first.count)
        header = tuple(name.strip() for name in next(csv.reader(io.StringIO(first), delimiter=separator), ()))
        _check(header, path, encoding)
        yield CsvFile(
            header=header, encoding=encoding, separator=separator, size=path.stat().st_size, _raw=raw, _text=text
        )


def _first(text: TextIO) -> str:
    """The header, also where a column's name goes over several lines."""
    first = text.readline()
    while first.count('"') % 2 and (more := text.readline()):
        first += more
    return first


def _check(header: Sequence[str], path: Path, encoding: str) -> None:
    named = [name for name in header if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    message = None
    if _ESCAPED.search("".join(named)):
        others = " or ".join(f"--encoding {one}" for one in ENCODINGS if one != encoding)
        message = f"{path.name} is no {encoding}; try {others}"
    elif not named:
        message = f"{path.name} has no header: its first row must hold the names of the columns"
    elif len(header) > MOST_COLUMNS:
        message = f"{path.name} has {len(header)} columns; allowed: up to {MOST_COLUMNS}"
    elif twice:
        message = f"{path.name} has several columns named {', '.join(twice)}; each name may stand once"
    if message:
        raise WrongSetting(message)


class Refusals:
    """The file of refused rows, as the rows were, with the reason of each; made when the first one comes."""

    def __init__(self, path: Path | None, file: CsvFile) -> None:
        self._path, self._file = path, file
        self._kept = [place for place, name in enumerate(file.header) if name != REASON]
        self._stream: TextIO | None = None
        self.count = 0
        self.first: list[tuple[int, str]] = []

    def add(self, line: Line, reason: str) -> None:
        """Refuse a row. Raises `WrongSetting`: the file cannot be written."""
        self.count += 1
        if len(self.first) < 10:  # noqa: PLR2004 - as many as a person reads
            self.first.append((line.number, reason))
        if self._path is None:
            return
        width = len(self._file.header)
        cells = [*line.cells, *[""] * width]
        more = cells[width : len(line.cells)]
        self._write([*(cells[place] for place in self._kept), f"row {line.number}: {reason}", *more])

    def close(self) -> None:
        """End the file."""
        if self._stream is not None:
            self._stream.close()

    def _write(self, cells: Sequence[str]) -> None:
        if self._stream is None:
            self._stream = self._opened()
            csv.writer(self._stream, delimiter=self._file.separator).writerow(
                [*(self._file.header[place] for place in self._kept), REASON]
            )
        csv.writer(self._stream, delimiter=self._file.separator).writerow(cells)

    def _opened(self) -> TextIO:
        assert self._path is not None  # noqa: S101 - `add` writes only where there is one
        encoding = "utf-8-sig" if self._file.encoding == "utf-8" else self._file.encoding
        try:
            return self._path.open("w", encoding=encoding, errors="surrogateescape", newline="")
        except OSError as error:
            message = f"the file {self._path} cannot be written: {error.strerror}"
            raise WrongSetting(message) from error
