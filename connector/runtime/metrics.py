"""Prometheus metrics, by name; with a folder the counts of all processes of a machine are shown together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How much waits now. `name`: such as `deliveries` or `outbox`; `oldest_seconds`: how long the first has waited."""

    name: str
    connection: str
    length: int
    oldest_seconds: float


class _Instruments:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = self._counter("deliveries_accepted", "Deliveries stored and acknowledged.", "connection")
        self.refused = self._counter("deliveries_refused", "Deliveries refused.", "connection", "reason")
        self.outcomes = self._counter("deliveries_outcomes", "Deliveries finished.", "connection", "outcome")
        self.missed = self._counter("missed_events", "Events that no webhook brought: found by asking.", "connection")
        self.processing = self._histogram("processing_seconds", "Seconds that a batch took.", _SECONDS)
        self.batch = self._histogram("batch_size", "Deliveries in a batch.", _SIZES)
        self.pushes = self._counter("pushes", "Updates tried.", "connection", "outcome")
        self.pushing = self._histogram("push_seconds", "Seconds that a push took.", _SECONDS, "connection")
        self.mails = self._counter("mails", "Mails tried.", "outcome")
        self.sweeps = self._counter("sweeps", "Runs of the daily sweep.")
        self.compacted = self._counter("compacted_events", "Old events that lost what no fold asks for.")
        self.swept = self._counter("swept_subjects", "Subjects that a sweep ran.")

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"connector_{name}", documentation, labels, registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"connector_{name}", documentation, labels, buckets=buckets, registry=self.registry)


@dataclass(slots=True)
class _Counting:
    instruments: _Instruments
    folder: Path | None = None


_counting: Final = _Counting(_Instruments())


def count_in(folder: Path | None) -> None:
    """Count from zero in a folder that all processes of a machine share, or (None) in this process alone."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        # The library knows the folder by this variable alone, and chooses between the two ways when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MutexValue if folder is None else values.MultiProcessValue()
    _counting.instruments, _counting.folder = _Instruments(), folder


def empty(folder: Path) -> None:
    """Forget what earlier processes counted; only while none of them runs."""
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def count_accepted(connection: str, number: int = 1) -> None:
    """Deliveries that were stored and acknowledged."""
    _counting.instruments.accepted.labels(connection).inc(number)


def count_refused(connection: str | None, reason: str) -> None:
    """A delivery that was refused; `connection` is None where the request names none that is configured."""
    _counting.instruments.refused.labels(connection or "", reason).inc()


def count_outcome(connection: str, outcome: str, number: int = 1) -> None:
    """Deliveries that are finished, by what became of them."""
    _counting.instruments.outcomes.labels(connection, outcome).inc(number)


def count_missed(connection: str, number: int) -> None:
    """Events that reconciliation found and no webhook had brought."""
    _counting.instruments.missed.labels(connection).inc(number)


def observe_batch(size: int, seconds: float) -> None:
    """A batch of deliveries that was processed."""
    _counting.instruments.batch.observe(size)
    _counting.instruments.processing.observe(seconds)


def count_push(connection: str, outcome: str, number: int = 1) -> None:
    """Updates that were tried, by what the system made of them."""
    _counting.instruments.pushes.labels(connection, outcome).inc(number)


def observe_push(connection: str, seconds: float) -> None:
    """The time that one push of a batch took."""
    _counting.instruments.pushing.labels(connection).observe(seconds)


def count_mail(outcome: str) -> None:
    """A mail that was tried, by what the mail server made of it."""
    _counting.instruments.mails.labels(outcome).inc()


def count_sweep(subjects: int) -> None:
    """A run of the daily sweep, and the subjects that it ran."""
    _counting.instruments.sweeps.inc()
    _counting.instruments.swept.inc(subjects)


def count_compacted(events: int) -> None:
    """Old events of which only what a fold asks for was kept."""
    _counting.instruments.compacted.inc(events)


def render(queues: Iterable[Queue] = ()) -> bytes:
    """All metrics in Prometheus' text format; `queues` as they are at this moment."""
    registry = CollectorRegistry()
    registry.register(_Now(tuple(queues)))
    counted = _counting.instruments.registry if _counting.folder is None else _Shared(_counting.folder)
    return generate_latest(registry) + generate_latest(counted)


class _Now(Collector):
    def __init__(self, queues: tuple[Queue, ...]) -> None:
        self._queues = queues

    def collect(self) -> Iterator[Metric]:
        labels = ["queue", "connection"]
        length = GaugeMetricFamily("connector_queue_length", "What waits now.", labels=labels)
        oldest = GaugeMetricFamily("connector_queue_oldest_seconds", "How long the first has waited.", labels=labels)
        for queue in self._queues:
            length.add_metric([queue.name, queue.connection], queue.length)
            oldest.add_metric([queue.name, queue.connection], queue.oldest_seconds)
        yield from (length, oldest)


class _Shared(CollectorRegistry):
    """What all processes have written; a file that is still empty (a process killed at its start) is passed over."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        written = [str(file) for file in sorted(self._folder.glob("*.db")) if file.stat().st_size]
        yield from MultiProcessCollector.merge(written)
