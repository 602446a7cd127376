"""Metrics: named counts, by connection, in one process or of all processes together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.runtime import metrics


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    metrics.count_in(None)
    yield
    metrics.count_in(None)
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)


def lines(queues: tuple[metrics.Queue, ...] = ()) -> list[str]:
    return [line for line in metrics.render(queues).decode().splitlines() if not line.startswith("#")]


def count_everything() -> None:
    metrics.count_accepted("b24")
    metrics.count_refused("b24", "bad_signature")
    metrics.count_refused(None, "unknown_connection")
    metrics.count_outcome("b24", "applied", 3)
    metrics.observe_batch(7, 0.02)
    metrics.count_push("b24", "done")
    metrics.observe_push("b24", 0.3)
    metrics.count_sweep(12)


EXPECTED = [
    'connector_deliveries_accepted_total{connection="b24"} 1.0',
    'connector_deliveries_refused_total{connection="b24",reason="bad_signature"} 1.0',
    'connector_deliveries_refused_total{connection="",reason="unknown_connection"} 1.0',
    'connector_deliveries_outcomes_total{connection="b24",outcome="applied"} 3.0',
    "connector_processing_seconds_count 1.0",
    'connector_batch_size_bucket{le="10.0"} 1.0',
    'connector_pushes_total{connection="b24",outcome="done"} 1.0',
    'connector_push_seconds_sum{connection="b24"} 0.3',
    "connector_sweeps_total 1.0",
    "connector_swept_subjects_total 12.0",
]


def test_one_process_shows_what_it_counted() -> None:
    count_everything()
    assert [line for line in EXPECTED if line not in lines()] == []


def test_a_folder_shows_the_same_metrics(tmp_path: Path) -> None:
    metrics.count_in(tmp_path / "metrics")
    count_everything()
    assert [line for line in EXPECTED if line not in lines()] == []


def test_all_processes_of_a_folder_are_shown_together_also_those_that_ended(tmp_path: Path) -> None:
    code = "import sys, pathlib; from connector.runtime import metrics as m; m.count_in(pathlib.Path(sys.argv[1])); "
    for _ in range(2):
        subprocess.run([sys.executable, "-c", f"{code} m.count_accepted('b24', 5)", str(tmp_path)], check=True)
    metrics.count_in(tmp_path)
    metrics.count_accepted("b24")
    (tmp_path / "counter_1.db").touch()
    assert 'connector_deliveries_accepted_total{connection="b24"} 11.0' in lines()


def test_emptying_the_folder_forgets(tmp_path: Path) -> None:
    metrics.count_in(tmp_path)
    metrics.count_accepted("b24")
    metrics.empty(tmp_path)
    assert lines() == []


def test_what_waits_is_shown_as_of_now() -> None:
    queues = (metrics.Queue(name="outbox", connection="b24", length=4, oldest_seconds=2.5),)
    shown = [
        'connector_queue_length{connection="b24",queue="outbox"} 4.0',
        'connector_queue_oldest_seconds{connection="b24",queue="outbox"} 2.5',
    ]
    assert [line for line in lines(queues) if "queue" in line] == shown
    assert [line for line in lines() if "queue" in line] == []
