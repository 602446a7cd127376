"""The supervisor: parts are restarted when they end, ended in order, and leave nothing behind."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connector.processes.output import Output
from connector.processes.supervisor import GRACE, Part, Supervisor
from tests.conftest import wait_for

SLEEP = "import time; print('here', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEP
MOTHER = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True); {SLEEP}"


def part(name: str, code: str, *arguments: object, **rest: object) -> Part:
    command = (sys.executable, "-c", code, *(str(argument) for argument in arguments))
    return Part(name=name, command=command, environ=dict(os.environ), **rest)  # type: ignore[arg-type]


class House:
    """A supervisor and what it has written."""

    def __init__(self, grace: float = GRACE) -> None:
        self.stream = io.StringIO()
        self.supervisor = Supervisor(Output(self.stream, "text"), time.monotonic, grace)

    def lines(self, name: str) -> list[str]:
        pairs = (line.partition(" | ") for line in self.stream.getvalue().splitlines())
        return [text for part_name, _, text in pairs if part_name.strip() == name]

    def wait_for_lines(self, name: str, number: int = 1) -> list[str]:
        assert self.supervisor.wait(lambda: len(self.lines(name)) >= number, 20), self.stream.getvalue()
        return self.lines(name)


@contextmanager
def opened(house: House) -> Iterator[House]:
    with house.supervisor.signals():
        yield house
        house.supervisor.end()


@pytest.fixture
def house() -> Iterator[House]:
    with opened(House()) as found:
        yield found


@pytest.fixture
def impatient() -> Iterator[House]:
    """One that gives its parts a moment only."""
    with opened(House(grace=0.3)) as found:
        yield found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[1])


def test_what_a_part_writes_is_passed_on_also_its_last_words(house: House) -> None:
    house.supervisor.start(part("once", "import sys; print('out', flush=True); sys.stderr.write('no end of line')"))
    assert house.wait_for_lines("once", 2)[:2] == ["out", "no end of line"]


def test_a_part_that_ends_is_started_again_with_growing_pauses(house: House) -> None:
    failures: list[int] = []
    house.supervisor.start(part("short", "print('here')", prepare=failures.append))
    house.wait_for_lines("short", 3)
    assert failures[:3] == [0, 1, 2]


def test_a_killed_part_comes_back_and_what_it_had_started_is_gone(house: House) -> None:
    house.supervisor.start(part("mother", MOTHER))
    house.wait_for_lines("mother", 3)
    pids = [int(line) for line in house.lines("mother") if line.isdigit()]
    os.kill(_parent(pids[0]), signal.SIGKILL)
    house.wait_for_lines("mother", 6)
    assert not is_alive(pids[0])


def test_a_part_that_cannot_be_started_is_tried_again(house: House, tmp_path: Path) -> None:
    program = tmp_path / "later"
    house.supervisor.start(Part(name="later", command=(str(program),), environ=dict(os.environ)))
    program.write_text("#!/bin/sh\necho here\n", "ascii")
    program.chmod(0o755)
    assert house.wait_for_lines("later")[0] == "here"


def test_a_part_reads_its_configuration_and_one_that_does_not_is_no_trouble(house: House) -> None:
    house.supervisor.start(part("reader", f"print(input()); {SLEEP}", stdin="a secret\n"))
    house.supervisor.start(part("deaf", SLEEP, stdin="x"))
    assert house.wait_for_lines("reader")[0] == "a secret"
    assert house.wait_for_lines("deaf") == ["here"]


def test_the_last_part_ends_after_the_others(house: House, tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, sys, time; "
        "signal.signal(15, lambda *_: (pathlib.Path(sys.argv[1]).write_text(str(time.monotonic_ns())), sys.exit())); "
    )
    house.supervisor.start(part("redis", code + SLEEP, tmp_path / "redis", is_last=True))
    house.supervisor.start(part("worker", code + SLEEP, tmp_path / "worker"))
    house.wait_for_lines("redis")
    house.wait_for_lines("worker")
    house.supervisor.end()
    assert int((tmp_path / "worker").read_text("ascii")) < int((tmp_path / "redis").read_text("ascii"))


def test_one_that_ignores_the_end_is_killed_with_all_that_it_started(impatient: House) -> None:
    house = impatient
    house.supervisor.start(part("stubborn", STUBBORN))
    house.supervisor.start(part("mother", MOTHER))
    house.wait_for_lines("stubborn")
    house.wait_for_lines("mother", 3)
    (child,) = (int(line) for line in house.lines("mother") if line.isdigit())
    house.supervisor.end()
    wait_for(lambda: not is_alive(child), "the end of what it had started")


def test_a_second_signal_does_not_wait(house: House) -> None:
    house.supervisor.start(part("stubborn", STUBBORN))
    house.wait_for_lines("stubborn")
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
    started = time.monotonic()
    house.supervisor.end()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_the_end(house: House, number: signal.Signals) -> None:
    assert not house.supervisor.is_ending
    os.kill(os.getpid(), number)
    assert house.supervisor.is_ending
    assert not house.supervisor.wait(lambda: True, 5)


@pytest.mark.parametrize(
    ("code", "expected"), [("", 0), ("import sys; sys.exit(3)", 3), ("import os; os.abort()", 134)]
)
def test_a_part_may_end_all_with_its_exit_code(house: House, code: str, expected: int) -> None:
    house.supervisor.start(part("demo", code, ends_all=True))
    assert not house.supervisor.wait(lambda: False, 20)
    assert house.supervisor.is_ending
    assert house.supervisor.code == expected


def test_when_nobody_reads_the_log_any_more_it_ends(house: House) -> None:
    house.stream.close()
    house.supervisor.start(part("chatty", SLEEP))
    assert not house.supervisor.wait(lambda: False, 20)
    assert house.supervisor.is_ending


def test_parts_end_when_the_supervisor_is_killed() -> None:
    inner = (
        "import os, sys, time\n"
        "from connector.processes.supervisor import Part\n"
        "from connector.processes.output import Output\n"
        "from connector.processes.supervisor import Supervisor\n"
        "supervisor = Supervisor(Output(sys.stdout, 'text'), time.monotonic)\n"
        f"code = 'import os; print(os.getpid(), flush=True); ' + {SLEEP!r}\n"
        "supervisor.start(Part(name='x', command=(sys.executable, '-c', code), environ=dict(os.environ)))\n"
        "supervisor.wait(lambda: False, 600)\n"
    )
    house = House()
    with house.supervisor.signals():
        house.supervisor.start(part("supervisor", inner, ends_all=True))
        child = int(house.wait_for_lines("supervisor", 2)[0].split()[-1])
        os.kill(_parent(child), signal.SIGKILL)
        wait_for(lambda: not is_alive(child), "the end of the part")
        house.supervisor.end()
