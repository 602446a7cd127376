"""A CSV file as its writer left it: encoding, separator, header, its rows and what is wrong with some of them.

`Columns` says which column says what: the record's id, who it is, when, at which stage.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, BinaryIO, Final, TextIO, TypeAlias
from zoneinfo import ZoneInfo

from connector.adapter_kit.contract import EMPTIED_STAGE, columns_of
from connector.adapter_kit.identities import normalize_email, normalize_phone
from connector.core.errors import ConnectorError, WrongSetting
from connector.core.event import Identity, IdentityKind
from connector.mapping.field_types import Typed
from connector.operations.connection_settings import nearest, refuse
from connector.runtime.connections import Connected

ENCODINGS: Final = ("utf-8", "cp932", "gb18030")
"""cp932 is Shift_JIS as Windows writes it; gb18030 includes GBK and GB2312."""
REASON: Final = "import_error"
"""The column that refused rows come back with; it is not read when they are imported again."""
MOST_COLUMNS: Final = 500
_SEPARATORS: Final = (",", "\t", ";")
_ESCAPED: Final = re.compile("[\udc80-\udcff]")
"""What stands for a byte that the encoding does not have."""
WHATS: Final = ("id", "at", "made", "stage", "pipeline", "email", "phone", "owner")
"""What an import asks for, each of which stands in a column."""
_DATE: Final = re.compile(
    r"\s*(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T　]\s*(\d{1,2})[:時](\d{2})(?:[:分](\d{2})秒?)?)?\s*"
)
_PATH: Final = re.compile(r"([A-Za-z_]\w*)((?:\[\d{1,2}\]|\.[A-Za-z_]\w*)+)", re.ASCII)
_STEP: Final = re.compile(r"\[(\d+)\]|\.(\w+)", re.ASCII)
_LONGEST: Final[Mapping[str, int]] = {"id": 200, "stage": 255, "pipeline": 63, "owner": 255}
Raw: TypeAlias = Callable[[Mapping[str, Any]], Any]


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
def reading(stream: BinaryIO, name: str, encoding: str) -> Iterator[CsvFile]:
    """A stream of that name as a file, its header read. Raises `WrongSetting`: its header cannot be used."""
    start = stream.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        message = f"{name} is UTF-16 (Excel's Unicode text); save it as CSV UTF-8"
        raise WrongSetting(message)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) and encoding == "utf-8" else 0)
    text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
    try:
        first = _first(text)
        separator = max(_SEPARATORS, key=first.count)
        header = tuple(column.strip() for column in next(csv.reader(io.StringIO(first), delimiter=separator), ()))
        _check(header, name, encoding)
        yield CsvFile(header=header, encoding=encoding, separator=separator, size=size, _raw=stream, _text=text)
    finally:
        text.detach()


def _first(text: TextIO) -> str:
    """The header, also where a column's name goes over several lines."""
    first = text.readline()
    while first.count('"') % 2 and (more := text.readline()):
        first += more
    return first


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


class Refusals:
    """The file of refused rows, as the rows were, with the reason of each.

    `open_file` opens it for writing when the first one comes (None: there is no such file).
    """

    def __init__(self, open_file: Callable[[], BinaryIO] | None, file: CsvFile) -> None:
        self._open_file, self._file = open_file, file
        self._places = [place for place, name in enumerate(file.header) if name != REASON]
        self._stream: TextIO | None = None
        self.count = 0
        self.first: list[tuple[int, str]] = []

    def add(self, row: Line, reason: str) -> None:
        """Refuse a row. Raises what `open_file` raises."""
        self.count += 1
        if len(self.first) < 10:  # noqa: PLR2004 - as many as a person reads
            self.first.append((row.number, reason))
        if self._open_file is None:
            return
        rows = []
        if self._stream is None:
            encoding = "utf-8-sig" if self._file.encoding == "utf-8" else self._file.encoding
            self._stream = io.TextIOWrapper(self._open_file(), encoding, errors="surrogateescape", newline="")
            rows.append([*(self._file.header[place] for place in self._places), REASON])
        width = len(self._file.header)
        cells = [*row.cells, *[""] * width]
        more = cells[width : len(row.cells)]
        rows.append([*(cells[place] for place in self._places), f"row {row.number}: {reason}", *more])
        csv.writer(self._stream, delimiter=self._file.separator).writerows(rows)

    def close(self) -> None:
        """End the file."""
        if self._stream is not None:
            self._stream.close()


class BadRow(ConnectorError):
    """A row that cannot be imported, and why."""

    reason = "bad_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where a file has what an import asks for. `places`: what → the column's number; `zone` of times without one."""

    names: Sequence[str]
    places: Mapping[str, int]
    zone: ZoneInfo
    readers: Mapping[str, Raw]
    named: Sequence[tuple[int, str]]
    paths: Sequence[tuple[int, tuple[int | str, ...]]]

    def by_name(self) -> dict[str, str]:
        """What stands in which column, by name; e-mail and phone also by the mapping."""
        by_place = {what: self.names[place] for what, place in sorted(self.places.items())}
        return by_place | {what: "as the mapping reads it" for what in self.readers if what not in by_place}

    def cell(self, cells: Sequence[str], what: str) -> str:
        """The trimmed cell; empty where there is no such column. Raises `BadRow`: it is too long."""
        place = self.places.get(what)
        text = "" if place is None else cells[place].strip()
        if len(text) > _LONGEST.get(what, 4000):
            message = f"{self.names[place or 0]} has {len(text)} characters; allowed: up to {_LONGEST.get(what, 4000)}"
            raise BadRow(message)
        return text

    def time(self, cells: Sequence[str], what: str) -> datetime | None:
        """The row's time (UTC), `at` or `made`; None where it has none. Raises `BadRow`."""
        text = self.cell(cells, what)
        if not text:
            return None
        found = read_time(text, self.zone)
        if found is None:
            message = f"{self.names[self.places[what]]} is {text[:40]!r}; it must be a time, such as 2026-03-04 14:05"
            raise BadRow(message)
        return found

    def data(self, cells: Sequence[str]) -> dict[str, Any]:
        """The row as the mapping's expressions read it; empty cells say nothing. `a.b` and `a[0].b` also nest."""
        data: dict[str, Any] = {name: text for place, name in self.named if (text := cells[place])}
        for place, steps in self.paths:
            if text := cells[place]:
                _put(data, steps, text)
        return data

    def identities(self, cells: Sequence[str], data: Mapping[str, Any]) -> tuple[Identity, ...]:
        """E-mail and phone. Raises `BadRow`: the e-mail is none. A phone that is none is left out."""
        found = []
        if email := self._text("email", cells, data):
            if (address := normalize_email(email)) is None:
                message = f"the e-mail is {email[:60]!r}; it must be an e-mail address"
                raise BadRow(message)
            found.append(Identity(kind=IdentityKind.EMAIL, value=address))
        if number := normalize_phone(self._text("phone", cells, data)):
            found.append(Identity(kind=IdentityKind.PHONE, value=number))
        return tuple(found)

    def _text(self, what: str, cells: Sequence[str], data: Mapping[str, Any]) -> str:
        if what in self.places:
            return self.cell(cells, what)
        reader = self.readers.get(what)
        value = reader(data) if reader is not None else None
        return value.strip() if isinstance(value, str) else ""


def find_columns(header: Sequence[str], one: Connected, given: Mapping[str, str], zone: ZoneInfo) -> Columns:
    """The columns of a file for a connection; `given`: those that a person named. Raises `WrongSetting`."""
    mistakes = [
        f"{what}: the file has no column {name!r}{nearest(name, header)} It has: {', '.join(filter(None, header))}"
        for what, name in given.items()
        if name not in header
    ]
    refuse(mistakes, "of the import")
    known = {**_usual(one, header), **_of_system(one, header), **given}
    places = {what: header.index(name) for what, name in known.items()}
    readers = {
        rule.name: rule.read.source.run
        for rule in one.rules.fields
        if rule.name in {"email", "phone"} and isinstance(rule.read, Typed)
    }
    named = [(place, name) for place, name in enumerate(header) if name and name != REASON]
    if not {"id", "email", "phone"} & {*places, *readers}:
        message = (
            "no column says who a row is about: name one by --column id=NAME, --column email=NAME or --column "
            "phone=NAME, or let the mapping's fields `email` and `phone` read one"
        )
        raise WrongSetting(message)
    paths = [(place, path) for place, name in named if (path := _path(name))]
    return Columns(names=header, places=places, zone=zone, readers=readers, named=named, paths=paths)


def read_time(text: str, zone: ZoneInfo) -> datetime | None:
    """A time as exports write it (UTC); without a zone it is one of `zone`. None: it is none from 1970 to 2199."""
    if match := _DATE.fullmatch(text):
        year, month, day, *clock = (part or "00" for part in match.groups())
        text = f"{year}-{month:0>2}-{day:0>2}T{':'.join(part.zfill(2) for part in clock)}"
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if not 1970 <= read.year < 2200:  # noqa: PLR2004 - as in payloads
        return None
    return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)


def _usual(one: Connected, header: Sequence[str]) -> dict[str, str]:
    """The columns that need no telling: `id`, the fields that show stage and owner, the mapping's owner."""
    ids = [name for name in header if name.casefold() == "id"]
    found = {"id": ids[0]} if ids else {}
    shown = {name: "stage" if word == EMPTIED_STAGE else word for name, word in one.adapter.ECHOES.items()}
    found |= {what: name for name, what in shown.items() if name in header}
    if one.rules.owner is not None and one.rules.owner.source in header:
        found["owner"] = str(one.rules.owner.source)
    return found


def _of_system(one: Connected, header: Sequence[str]) -> dict[str, str]:
    return {what: name for what, name in columns_of(one.adapter).items() if name in header}


def _path(name: str) -> tuple[int | str, ...] | None:
    """The steps of a column's name that is a path, such as `EMAIL[0].VALUE`."""
    match = _PATH.fullmatch(name)
    if match is None:
        return None
    return (match[1], *(int(number) if number else word for number, word in _STEP.findall(match[2])))


def _put(data: dict[str, Any], steps: Sequence[int | str], text: str) -> None:
    """Lay a value down at its path; nothing where another column's value stands in the way."""
    place: Any = data
    for step, following in pairwise(steps):
        kind = list if isinstance(following, int) else dict
        inner = _inner(place, step)
        if inner is None:
            inner = kind()
            _set(place, step, inner)
        if not isinstance(inner, kind):
            return
        place = inner
    _set(place, steps[-1], text)


def _inner(place: Any, step: int | str) -> Any:
    if isinstance(place, dict):
        return place.get(step)
    return place[step] if int(step) < len(place) else None


def _set(place: Any, step: int | str, value: Any) -> None:
    if isinstance(place, list):
        place += [None] * (int(step) + 1 - len(place))
    place[step] = value
