"""One part of the connector as a child process: how it is started, read and signalled."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Final

from connector.processes.output import Lines, Output
from connector.runtime.retry import RESTART

_LONG_LIFE: Final = 10.0
"""Seconds; what lived that long before it ended has not failed to start."""
_PR_SET_PDEATHSIG: Final = 1
_CHUNK: Final = 65_536


def _nothing(_failures: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process to keep running, with its whole environment.

    `prepare` is called before each start with the number of failed starts before it. `orphaned`: the signal that it
    gets when the supervisor dies. `is_last`: it ends after the others. `ends_all`: when it ends, so does everything.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    stdin: str = field(default="", repr=False)
    prepare: Callable[[int], None] = _nothing
    orphaned: signal.Signals = signal.SIGKILL
    is_last: bool = False
    ends_all: bool = False


class Child:
    """A part and the process that it has now, if it has one. Times are of a monotonic clock, in seconds."""

    def __init__(self, part: Part, output: Output) -> None:
        self.part: Final = part
        self.process: subprocess.Popen[bytes] | None = None
        self.due: float | None = None
        self._lines: Final = Lines(output, part.name)
        self._failures = 0
        self._started = 0.0

    def start(self, now: float) -> None:
        """Start it; raises `OSError` when that is not possible."""
        self._started, self.due = now, None
        self.part.prepare(self._failures)
        self.process = subprocess.Popen(  # noqa: S603 - the commands are our own
            self.part.command,
            env=dict(self.part.environ),
            stdin=subprocess.PIPE if self.part.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # a Ctrl-C in the terminal reaches the supervisor alone, which keeps the order
            preexec_fn=_die_with_parent(self.part.orphaned),  # noqa: PLW1509 - this process has one thread
        )
        os.set_blocking(self.fileno(), False)
        if self.process.stdin:
            _give(self.process.stdin, self.part.stdin)

    def fileno(self) -> int:
        """The file descriptor of what it writes; only while it has a process."""
        return self.process.stdout.fileno() if self.process and self.process.stdout else -1

    def read(self) -> bool:
        """Pass on what it has written; False when there is nothing now, or nothing any more."""
        try:
            data = os.read(self.fileno(), _CHUNK)
        except BlockingIOError:
            return False
        self._lines.feed(data)
        return bool(data)

    def send(self, sent: signal.Signals) -> None:
        """Send a signal: SIGKILL to all that it has started, any other to itself alone."""
        with suppress(ProcessLookupError):
            if self.process and sent is signal.SIGKILL:
                os.killpg(self.process.pid, sent)
            elif self.process:
                self.process.send_signal(sent)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def bury(self) -> int | None:
        """End what it left running, pass on its last lines, forget the process; its exit code (None: it had none)."""
        if self.process is None:
            return None
        self.send(signal.SIGKILL)
        code = self.process.wait()
        while self.read():
            pass
        self._lines.end()
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None
        return code

    def postpone(self, now: float) -> float:
        """Say when it starts again, by how often it failed in a row; the seconds until then."""
        self._failures = self._failures + 1 if now - self._started < _LONG_LIFE else 0
        delay = RESTART.pause(self._failures).total_seconds()
        self.due = now + delay
        return delay


def _give(pipe: IO[bytes], text: str) -> None:
    with suppress(BrokenPipeError), pipe:
        pipe.write(text.encode())


def _die_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """On Linux the kernel sends the signal when the supervisor dies, however it dies."""
    if sys.platform != "linux":
        return None
    return partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG, int(sent))
