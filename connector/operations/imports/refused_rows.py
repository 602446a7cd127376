"""What an import says of single rows: the file of refused ones, safe to open, and the first of the others."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, TextIO

REASON: Final = "import_error"
"""The column that refused rows come back with; it is not read when they are imported again."""
_MOST: Final = 10
"""As many as a person reads."""
_FORMULA: Final = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
"""How a cell begins that a spreadsheet would run as a formula, also one that was made harmless."""


def harmless(cell: str) -> str:
    """A cell that a spreadsheet shows and does not run: `'=1+1`."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def as_written(cell: str) -> str:
    """A cell of refused rows as it was before `harmless`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


@dataclass(slots=True)
class Remarks:
    """What is said of rows, by their numbers: how many remarks there were, and the first of them."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, text: str) -> None:
        """Say something of a row."""
        self.count += 1
        if len(self.first) < _MOST:
            self.first.append((number, text))


class RefusedRows:
    """The file of refused rows, as the rows were, with the reason of each.

    `open_file` opens it for writing when the first one comes (None: there is no such file).
    """

    def __init__(
        self, open_file: Callable[[], BinaryIO] | None, *, header: Sequence[str], encoding: str, separator: str
    ) -> None:
        self._open_file, self._header, self._encoding = open_file, header, encoding
        self._separator = separator
        self._places = [place for place, name in enumerate(header) if name != REASON]
        self._stream: TextIO | None = None

    def add(self, number: int, cells: Sequence[str], reason: str) -> None:
        """Refuse a row. Raises what `open_file` raises."""
        if self._open_file is None:
            return
        rows = []
        if self._stream is None:
            encoding = "utf-8-sig" if self._encoding == "utf-8" else self._encoding
            self._stream = io.TextIOWrapper(self._open_file(), encoding, errors="surrogateescape", newline="")
            rows.append([*(self._header[place] for place in self._places), REASON])
        width = len(self._header)
        filled = [*cells, *[""] * width]
        more = filled[width : len(cells)]
        rows.append([*(filled[place] for place in self._places), f"row {number}: {reason}", *more])
        writer = csv.writer(self._stream, delimiter=self._separator)
        writer.writerows([harmless(cell) for cell in row] for row in rows)

    def close(self) -> None:
        """End the file."""
        if self._stream is not None:
            self._stream.close()
