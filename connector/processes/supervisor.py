"""Keeps the parts of the connector running, in one thread: passes on their lines, restarts them, ends them in order."""

from __future__ import annotations

import ctypes
import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import IO, Final

import structlog

from connector.processes.output import Lines, Output
from connector.runtime.retry import RESTART

_TICK: Final = 0.1
GRACE: Final = 6.0
"""Seconds that the parts have to end by themselves; together with `_LAST_GRACE` under ten."""
_LAST_GRACE: Final = 2.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
log: Final = structlog.get_logger(__name__)
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
    `hidden`: lines of it that are not passed on.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    stdin: str = field(default="", repr=False)
    prepare: Callable[[int], None] = _nothing
    orphaned: signal.Signals = signal.SIGKILL
    is_last: bool = False
    ends_all: bool = False
    hidden: re.Pattern[str] | None = None


class Child:
    """A part and the process that it has now, if it has one. Times are of a monotonic clock, in seconds."""

    def __init__(self, part: Part, output: Output) -> None:
        self.part: Final = part
        self.process: subprocess.Popen[bytes] | None = None
        self.due: float | None = None
        self._lines: Final = Lines(output, part.name, part.hidden)
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
            umask=0o077,  # what the parts write is their owner's alone
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


class Supervisor:
    """Runs parts until it is asked to end, then gives them `grace` seconds. `monotonic`: as `time.monotonic`."""

    def __init__(self, output: Output, monotonic: Callable[[], float], grace: float = GRACE) -> None:
        self._output = output
        self._monotonic = monotonic
        self._grace = grace
        self._selector = selectors.DefaultSelector()
        self._children: list[Child] = []
        self._asked = 0
        self.code = 0

    @property
    def is_ending(self) -> bool:
        """Whether a signal, a part that ends all, or a closed output asks for the end."""
        return self._asked > 0 or not self._output.is_open

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Within it the first Ctrl-C, SIGTERM or SIGHUP asks for the end, and a second one for a hard end."""
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1

    def start(self, part: Part) -> None:
        """Start a part and keep it running from now on."""
        child = Child(part, self._output)
        self._children.append(child)
        self._start(child)

    def step(self) -> None:
        """Pass on what was written, look after those that ended, start those that are due; a tenth of a second."""
        self._read()
        for child in self._children:
            if child.process is None:
                if child.due is not None and self._monotonic() >= child.due:
                    self._start(child)
            elif not child.is_alive():
                self._ended(child)

    def wait(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Keep the parts running until something is done; False when time is up or the end is asked for."""
        deadline = self._monotonic() + seconds
        while not self.is_ending and self._monotonic() < deadline:
            if is_done():
                return True
            self.step()
        return False

    def end(self) -> None:
        """End all parts: by SIGTERM, the last ones after the others, and by SIGKILL what does not go in time."""
        for is_last, grace in ((False, self._grace), (True, _LAST_GRACE)):
            leaving = [child for child in self._children if child.part.is_last is is_last and child.process]
            for child in leaving:
                child.send(signal.SIGTERM)
            deadline = self._monotonic() + grace
            while any(child.is_alive() for child in leaving) and self._monotonic() < deadline and self._asked <= 1:
                self._read()
            for child in leaving:
                if child.is_alive():
                    log.warning("part killed", part=child.part.name, after_seconds=grace)
                self._bury(child)

    def _start(self, child: Child) -> None:
        try:
            child.start(self._monotonic())
        except OSError as error:
            self._bury(child)
            log.warning(
                "part cannot start", part=child.part.name, error=str(error), restart_seconds=self._postpone(child)
            )
        else:
            self._selector.register(child.fileno(), selectors.EVENT_READ, child)

    def _read(self) -> None:
        for key, _ in self._selector.select(_TICK):
            child: Child = key.data
            if not child.read():
                self._selector.unregister(key.fd)

    def _ended(self, child: Child) -> None:
        code = self._bury(child)
        if child.part.ends_all:
            self.code, self._asked = code if code >= 0 else 128 - code, max(self._asked, 1)
        elif not self.is_ending:
            log.warning("part ended", part=child.part.name, code=code, restart_seconds=self._postpone(child))

    def _postpone(self, child: Child) -> float:
        return child.postpone(self._monotonic())

    def _bury(self, child: Child) -> int:
        if child.process and child.fileno() in self._selector.get_map():
            self._selector.unregister(child.fileno())
        return child.bury() or 0
