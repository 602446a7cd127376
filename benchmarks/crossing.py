"""Counts the modules that one HubSpot delivery crosses from the socket to the push: `python -m benchmarks.crossing`.

Nothing is timed here.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from adapters.hubspot import HubSpot
from benchmarks import places
from connector.emulators.engine.loopback import Loopback
from connector.emulators.hubspot.crm import HubSpotCrm
from connector.operations import connections
from connector.operations.connection_settings import CheckedSettings
from connector.operations.flow import build_processor, build_pusher
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.web.app import create_app

ROOT: Final = Path(__file__).parents[1]
OURS: Final = (f"{ROOT}/connector/", f"{ROOT}/adapters/")
EMULATORS: Final = f"{ROOT}/connector/emulators/"
IMPORTING: Final = "<frozen importlib._bootstrap>"
NAME: Final = "hubspot"


@dataclass(slots=True)
class Crossing:
    """The modules that had a function called, in the order of their first calls, of all threads.

    A function counts where it is written, so that what Python generates for a dataclass is nobody's. The emulators do
    not count, nor what they call, nor what an import calls.
    """

    modules: dict[str, None] = field(default_factory=dict)
    is_watching: bool = False
    _passed: set[str] = field(default_factory=set)

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take note of a call; Python's profiler calls this at each."""
        path = frame.f_code.co_filename
        if not self.is_watching or event != "call" or path in self._passed:
            return
        if not path.startswith(OURS) or path.startswith(EMULATORS):
            self._passed.add(path)
        elif not _is_aside(frame):
            self._passed.add(path)
            self.modules[Path(path).relative_to(ROOT).as_posix()] = None

    @contextmanager
    def profiling(self) -> Iterator[None]:
        """Be called for this thread and for those that start meanwhile."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def _is_aside(frame: FrameType | None) -> bool:
    """Whether an emulator or an import is among the callers."""
    while frame is not None:
        if frame.f_code.co_filename.startswith((EMULATORS, IMPORTING)):
            return True
        frame = frame.f_back
    return False


def cross() -> list[str]:
    """The modules, in order: a person makes a contact in an emulated HubSpot, and its status is written back there.

    Everything runs in this process. The connection has been read before; the access token has still to be fetched.
    """
    crossing = Crossing()
    with ExitStack() as stack:
        stack.enter_context(crossing.profiling())
        runtime = stack.enter_context(_runtime())
        hubspot = stack.enter_context(HubSpotCrm())
        settings, secrets = hubspot.connection()
        given = CheckedSettings(settings=settings, secrets={name: tuple(values) for name, values in secrets.items()})
        connections.add(runtime, NAME, HubSpot, given, actor="benchmark", region="JP")
        web = stack.enter_context(Loopback(create_app(runtime.config, runtime)))
        hubspot.subscribe(f"{web.url}/webhooks/{NAME}")
        runtime.connections.all()
        processor, pusher = build_processor(runtime), build_pusher(runtime)
        crossing.is_watching = True
        contact = hubspot.add("aiko@customer.example")
        assert hubspot.drain()
        assert processor.drain(0, lambda: True).finished == 1
        assert pusher.drain(lambda: True) == 1
        crossing.is_watching = False
        assert hubspot.status_of(contact) is not None
    return list(crossing.modules)


@contextmanager
def _runtime() -> Iterator[Runtime]:
    with places.redis_url() as redis, places.database_url("sqlite") as url, tempfile.TemporaryDirectory() as folder:
        environ = {"DATABASE_URL": url, "REDIS_URL": redis, "CONNECTOR_DATA_DIR": folder, "CONNECTOR_LANES": "1"}
        runtime = Runtime(read_config(environ, Path(folder)))
        try:
            yield runtime
        finally:
            runtime.close()


def main() -> None:
    """Print how many modules there are, and which."""
    modules = cross()
    print(f"{len(modules)} modules")
    for module in modules:
        print(f"  {module}")


if __name__ == "__main__":
    main()
