"""Rows of a CSV file a second, on each kind of database; the reference is reading and splitting the file alone."""

from __future__ import annotations

import csv
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import places
from benchmarks.result import Result, of_rounds, per_second
from connector.operations.imports.backfill import Progress
from connector.operations.imports.csv_import import import_csv
from connector.operations.imports.csv_rows import CsvOptions
from connector.runtime.parts import Runtime

HEADER: Final = ("id", "email", "phone", "name", "company", "stage", "owner")
COLUMNS: Final = {what: (what,) for what in ("email", "phone", "stage", "owner")}
STAGES: Final = ("new", "new", "talking", "meeting", "won", "bad")


def run(*, rows: int = 100_000, rounds: int = 1) -> Iterator[Result]:
    """Rows a second; `rows`: how many the file has. 1,667 a second are 100,000 in a minute."""
    with tempfile.TemporaryDirectory(prefix="bench-csv-") as folder, places.redis_url() as redis:
        path = Path(folder) / "leads.csv"
        _write(path, rows)
        for kind in places.kinds():
            yield of_rounds(f"csv_import.{kind}", "rows/s", [_round(kind, redis, path, rows) for _ in range(rounds)])


def _round(kind: str, redis: str, path: Path, rows: int) -> tuple[float, float]:
    with places.place(kind, redis) as place:
        figure = per_second(lambda: _import(place.runtime, path).count)
        again = _import(place.runtime, path)
        assert again.tally == {"unchanged": rows}, again
    return figure, per_second(lambda: _split(path))


def _import(runtime: Runtime, path: Path) -> Progress:
    options = CsvOptions(columns=COLUMNS)
    with path.open("rb") as stream:
        return import_csv(runtime, places.NAME, stream, path.name, options, actor="benchmark").progress


def _split(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def _write(path: Path, rows: int) -> None:
    chance = random.Random(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for who in range(rows):
            owner = chance.choice(("kim@example.jp", "lee@example.jp"))
            phone = f"+81 90-{who // 10_000:04}-{who % 10_000:04}"
            writer.writerow(
                [f"L-{who}", f"person{who}@example.jp", phone, f"氏名{who}", "株式会社例", chance.choice(STAGES), owner]
            )
