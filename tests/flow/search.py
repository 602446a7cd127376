"""Searches everything that the product has written: every column of every table, and every file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from connector.intake.quarantine import unseal
from connector.runtime.parts import Runtime
from connector.store.tables import metadata


def found_in(runtime: Runtime, folder: Path, words: Iterable[str]) -> set[str]:
    """Where any of the words stands: `table.column`, what a sealed one holds too, or the path of a file."""
    wanted = [word.casefold().encode() for word in words]
    return {
        place for place, content in (*_cells(runtime), *_files(folder)) if any(one in content.lower() for one in wanted)
    }


def _cells(runtime: Runtime) -> Iterator[tuple[str, bytes]]:
    with runtime.database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                for name, value in row.items():
                    yield f"{table.name}.{name}", _bytes(runtime, f"{table.name}.{name}", value)


def _bytes(runtime: Runtime, place: str, value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    if place == "quarantine.sealed":
        return unseal(runtime.vault, value).body
    if place.endswith(".sealed"):
        return runtime.vault.decrypt(value).encode()
    return value.encode() if isinstance(value, str) else orjson.dumps(value, default=str)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()
