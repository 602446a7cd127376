"""The benchmarks run and say what they should; how fast anything is, no test asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from benchmarks import crossing, csv_import, fold, intake, places, process, sweep, what_if
from benchmarks.result import Result

TINY: dict[str, Callable[[], Iterator[Result]]] = {
    "process": lambda: process.run(events=30, subjects=6, jobs=5, rounds=1),
    "csv_import": lambda: csv_import.run(rows=30),
    "sweep": lambda: sweep.run(stored=200, few=50, due=10, rounds=1),
}

MOST_MODULES = 80
"""So many modules may a delivery cross at most; docs/performance.md says why they are more than was aimed at."""


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_prints_a_line_for_each_database_there_is(name: str) -> None:
    results = [json.loads(result.line()) for result in TINY[name]()]
    assert [result["benchmark"] for result in results] == [f"{name}.{kind}" for kind in places.kinds()]
    for result in results:
        _check(result)


def test_intake_is_measured_through_a_server() -> None:
    """On one kind only: each takes two servers of two processes."""
    (result,) = [
        json.loads(result.line()) for result in intake.run(requests=64, connections=4, rounds=1, kinds=["sqlite"])
    ]
    assert result["benchmark"] == "intake.sqlite"
    _check(result)


def test_the_fold_has_a_line_of_its_own() -> None:
    (result,) = [json.loads(result.line()) for result in fold.run(subjects=2, events=5, rounds=1)]
    assert result["benchmark"] == "fold"
    _check(result)


def test_what_if_has_a_line_for_speed_and_one_for_memory() -> None:
    results = [json.loads(result.line()) for result in what_if.run(subjects=100, each=20, rounds=1)]
    names = [f"what_if.{name}{part}" for name in ("mapping", "settings") for part in ("", ".memory")]
    assert [result["benchmark"] for result in results] == names
    for result in results:
        _check(result)


def test_a_delivery_crosses_few_modules_from_the_socket_to_the_push() -> None:
    modules = crossing.cross()
    assert modules[0] == "connector/web/webhook.py"
    assert {"connector/pipeline/process.py", "connector/outbound/push.py", "adapters/hubspot/push.py"} <= set(modules)
    assert not any(module.startswith("connector/emulators") for module in modules)
    assert len(modules) <= MOST_MODULES


def test_without_postgresql_only_sqlite_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1")
    assert places.kinds() == ("sqlite",)
    assert "no PostgreSQL at postgresql://nobody@127.0.0.1:1" in capsys.readouterr().err


def _check(result: dict[str, object]) -> None:
    assert list(result) == ["benchmark", "figure", "unit", "reference", "ratio", "runs"]
    figure, reference, ratio = (result[name] for name in ("figure", "reference", "ratio"))
    assert isinstance(figure, float)
    assert isinstance(reference, float)
    assert isinstance(ratio, float)
    assert min(figure, reference) > 0
