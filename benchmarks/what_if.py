"""What-if over a whole population; the reference is the pure fold of the same events from memory, and a tenth of them.

Seconds are those of the one process that computes, so that other work on the machine counts little; each measurement
has a process of its own, whose peak of memory is that of the what-if alone.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks import places, population
from benchmarks.lines import MAPPING
from benchmarks.result import Result, of_rounds, say
from connector.core.engine import fold
from connector.core.ruleset import KeyPage, Ruleset
from connector.mapping import parse_mapping
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import connections, remaps
from connector.what_if.compare import what_if
from connector.what_if.proposal import Proposal

DRAFT: Final = MAPPING.replace("meeting: appointment_acquisition", "meeting: visited")
"""Two subjects of five have been at that stage."""
RULES: Final = 'key_pages: [{match: prefix, url: "https://e.example/pricing"}]'
NO_REDIS: Final = "redis://127.0.0.1:1/0"
PORTION: Final = 500
STATUS: Final = Path("/proc/self/status")
_MEGABYTE: Final = 1024


def run(*, subjects: int = 100_000, each: int = 20, rounds: int = 3) -> Iterator[Result]:
    """Events a second and core, on SQLite, for a draft of a mapping and for other key pages; then megabytes at most.

    `each`: events of a subject. The memory's reference is the same with a tenth of the subjects.
    """
    with ExitStack() as stack:
        many, few = (_stored(stack, count, each) for count in (subjects, max(1, subjects // 10)))
        count = subjects * each
        folded = [_alone(partial(_fold, many, subjects, each))[0] for _ in range(rounds)]
        for name, propose in PROPOSALS.items():
            found = [_alone(partial(_what_if, many, propose)) for _ in range(rounds)]
            speeds = [
                (count / seconds, count / reference) for (seconds, _), reference in zip(found, folded, strict=True)
            ]
            yield of_rounds(f"what_if.{name}", "events/s and core", speeds)
            less = [_alone(partial(_what_if, few, propose))[1] for _ in range(rounds)]
            peaks = [(most, little) for (_, most), little in zip(found, less, strict=True)]
            yield of_rounds(f"what_if.{name}.memory", "MB at most", peaks)


def _mapping(_runtime: Runtime) -> Proposal:
    return Proposal(mappings={places.NAME: parse_mapping(DRAFT, "draft")})


def _settings(runtime: Runtime) -> Proposal:
    pages = (KeyPage(match="prefix", url="https://e.example/jobs"),)
    present = runtime.ruleset
    return Proposal(rules=Ruleset(present.template, replace(present.settings, key_pages=pages)))


PROPOSALS: Final[Mapping[str, Callable[[Runtime], Proposal]]] = {"mapping": _mapping, "settings": _settings}


def _stored(stack: ExitStack, count: int, each: int) -> Mapping[str, str]:
    """A database with so many subjects: the environment in which it is found."""
    started = time.perf_counter()
    place = stack.enter_context(places.place("sqlite", NO_REDIS))
    environ = place.environ
    runtime = _runtime(environ)
    with runtime.database.write() as connection:
        connections.publish(connection, remaps.RULES, RULES, author="", comment="", now=runtime.clock())
    population.store(runtime, runtime.connections.all()[places.NAME].rules, count, each)
    runtime.close()
    say(f"{count} subjects with {each} events each made in {time.perf_counter() - started:.0f} s")
    return environ


def _runtime(environ: Mapping[str, str]) -> Runtime:
    return Runtime(read_config(environ, Path(environ["CONNECTOR_DATA_DIR"])))


def _alone(work: Callable[[], float]) -> tuple[float, float]:
    """What `work` gives in a process of its own, and the most memory that it had, in MB."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, work).result()


def _measured(work: Callable[[], float]) -> tuple[float, float]:
    return work(), _peak()


def _peak() -> float:
    """MB that this program had at most; what `getrusage` says also counts the parent, of which it was forked."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEGABYTE
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / _MEGABYTE


def _what_if(environ: Mapping[str, str], propose: Callable[[Runtime], Proposal]) -> float:
    runtime = _runtime(environ)
    proposal = propose(runtime)
    started = time.process_time()
    found = what_if(runtime, proposal)
    seconds = time.process_time() - started
    assert found.subjects > 0
    runtime.close()
    return seconds


def _fold(environ: Mapping[str, str], subjects: int, each: int) -> float:
    """Seconds for the pure fold alone, the events made portion by portion beside it; no garbage is searched for."""
    runtime = _runtime(environ)
    rules, now = runtime.connections.all()[places.NAME].rules, runtime.clock()
    today = now.astimezone(runtime.ruleset.zone).toordinal()
    histories = population.all_steps(rules, subjects, each, now)
    seconds = 0.0
    gc.disable()
    while portion := list(islice(histories, PORTION)):
        started = time.process_time()
        for steps in portion:
            fold(None, steps, runtime.ruleset, today)
        seconds += time.process_time() - started
    gc.enable()
    runtime.close()
    return seconds
