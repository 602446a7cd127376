"""What a benchmark found, as one line of JSON."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`figure` and `reference` are in the same `unit`. `runs`: every round's (figure, reference), to show the noise."""

    benchmark: str
    figure: float
    unit: str
    reference: float
    runs: Sequence[tuple[float, float]] = field(default=())

    def line(self) -> str:
        """The line of JSON."""
        return orjson.dumps(
            {
                "benchmark": self.benchmark,
                "figure": round(self.figure, 1),
                "unit": self.unit,
                "reference": round(self.reference, 1),
                "ratio": round(self.figure / self.reference, 3),
                "runs": [[round(value, 1) for value in run] for run in self.runs],
            }
        ).decode()


def of_rounds(benchmark: str, unit: str, runs: Sequence[tuple[float, float]]) -> Result:
    """The medians of several rounds."""
    figures, references = zip(*runs, strict=True)
    return Result(
        benchmark=benchmark,
        figure=statistics.median(figures),
        unit=unit,
        reference=statistics.median(references),
        runs=runs,
    )


def per_second(work: Callable[[], int]) -> float:
    """How many of what `work` counts it does in a second."""
    started = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - started)


def say(text: str) -> None:
    """Tell the person who watches; standard output holds the results alone."""
    print(text, file=sys.stderr, flush=True)
