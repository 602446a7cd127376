"""Keeps the parts of the connector running, in one thread: passes on their lines, restarts them, ends them in order."""

from __future__ import annotations

import selectors
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import structlog

from connector.processes.child import Child, Part
from connector.processes.output import Output

_TICK: Final = 0.1
_GRACE: Final = 6.0
"""Seconds that the parts have to end by themselves; together with `_LAST_GRACE` under ten."""
_LAST_GRACE: Final = 2.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log: Final = structlog.get_logger(__name__)


class Supervisor:
    """Runs parts until it is asked to end. `monotonic`: seconds, as `time.monotonic`."""

    def __init__(self, output: Output, monotonic: Callable[[], float]) -> None:
        self._output = output
        self._monotonic = monotonic
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

    def turn(self) -> None:
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
            self.turn()
        return False

    def end(self) -> None:
        """End all parts: by SIGTERM, the last ones after the others, and by SIGKILL what does not go in time."""
        for is_last, grace in ((False, _GRACE), (True, _LAST_GRACE)):
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
