"""`python -m benchmarks [NAME…]`: one line of JSON for each figure; without a name all of `BENCHMARKS`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from benchmarks import csv_import, fold, intake, process, sweep, what_if
from benchmarks.result import Result, say

BENCHMARKS: Final[Mapping[str, Callable[[], Iterator[Result]]]] = {
    "intake": intake.run,
    "process": process.run,
    "fold": fold.run,
    "sweep": sweep.run,
    "csv_import": csv_import.run,
    "what_if": what_if.run,
}


def main(names: list[str]) -> None:
    """Run those whose name is given, or all."""
    for name, run in BENCHMARKS.items():
        if not names or name in names:
            say(f"{name} …")
            for result in run():
                print(result.line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
