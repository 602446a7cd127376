"""The web server itself: several processes on one address, every request answered, an end in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.conftest import wait_for
from tests.processes.test_up import free_port

PROGRAM = """
import os
from pathlib import Path
from connector.processes.web_server import serve_web
from connector.runtime.settings import read_config
serve_web(read_config(os.environ, Path.cwd()), "tests.processes.test_web_server:make")
"""


def make() -> Callable[..., Iterable[bytes]]:
    """A WSGI application that names its process."""

    def application(_environ: object, start: Callable[..., object]) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]

    return application


def ask(port: int) -> int | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return int(answer.read())
    except OSError:
        return None


def test_several_processes_answer_one_may_be_killed_and_all_end(tmp_path: Path) -> None:
    port = free_port()
    environ = {"CONNECTOR_PORT": str(port), "CONNECTOR_DATA_DIR": str(tmp_path)}
    server = subprocess.Popen([sys.executable, "-c", PROGRAM], env={**os.environ, **environ})
    try:
        seen: set[int | None] = set()
        wait_for(lambda: len((seen.add(ask(port)), seen - {None})[1]) == 2, "two processes")  # type: ignore[func-returns-value]
        victim = next(pid for pid in seen if pid)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: ask(port) not in {None, *seen}, "a new process")
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
        assert ask(port) is None
    finally:
        server.kill()
        server.wait()
