"""Signed webhooks over HTTP until they are committed and acknowledged; the reference verifies and stores nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import text

from benchmarks import places
from benchmarks.result import Result, of_rounds, say
from connector.processes.web_server import TARGET

PLAIN: Final = "benchmarks.plain:make"
PATH: Final = f"/webhooks/{places.NAME}"
ROOT: Final = Path(__file__).parent.parent
START_SECONDS: Final = 30.0
SERVE: Final = """
import os, sys
from pathlib import Path
from connector.processes.web_server import serve_web
from connector.runtime.settings import read_config
serve_web(read_config(os.environ, Path(sys.argv[2])), sys.argv[1])
"""


def run(*, requests: int = 6000, connections: int = 32, rounds: int = 5, kinds: Sequence[str] = ()) -> Iterator[Result]:
    """Requests a second, on each kind of database (none named: on those there are)."""
    with places.redis_url() as redis:
        for kind in kinds or places.kinds():
            with ExitStack() as stack:
                place = stack.enter_context(places.place(kind, redis))
                plain = stack.enter_context(_server(PLAIN, place.environ))
                whole = stack.enter_context(_server(TARGET, place.environ))
                _wait_for(plain)
                _wait_for(whole)
                measured = [_round(kind, whole, plain, requests, connections) for _ in range(rounds)]
                _check(place, requests * rounds)
            yield of_rounds(f"intake.{kind}", "requests/s", measured)


def _round(kind: str, whole: int, plain: int, requests: int, connections: int) -> tuple[float, float]:
    figure, reference = (_load(port, requests, connections) for port in (whole, plain))
    say(f"{kind}: waits of {figure['p50_ms']:.1f} ms (half) and {figure['p99_ms']:.1f} ms (99 %)")
    return figure["per_second"], reference["per_second"]


def _load(port: int, requests: int, connections: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load", str(port), PATH, str(requests), str(connections)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


def _check(place: places.Place, least: int) -> None:
    """Every acknowledged request is stored."""
    with place.runtime.database.read() as connection:
        stored = connection.execute(text("SELECT count(*) FROM deliveries")).scalar_one()
    assert stored >= least, f"{stored} of {least} are stored"


@contextmanager
def _server(target: str, environ: Mapping[str, str]) -> Iterator[int]:
    """The web server as `connector web` runs it, with its processes and threads; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = environ["CONNECTOR_DATA_DIR"]
    own = {
        **os.environ,
        **environ,
        "CONNECTOR_PORT": str(port),
        "PYTHONPATH": os.pathsep.join(path or str(ROOT) for path in sys.path),
    }
    process = subprocess.Popen([sys.executable, "-c", SERVE, target, folder], cwd=ROOT, env=own)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except (OSError, HTTPException):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
