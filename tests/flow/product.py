"""The whole product as its user starts it, in processes of its own, for tests that kill some of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.conftest import wait_for


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """A running `connector up`; `url` is its web server's address."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace")

    def pids(self, part: str) -> list[int]:
        """The processes of a part: `web`, `worker` or `scheduler`; for web those that serve, not the one above them."""
        found = _descendants(self.process.pid)
        own = [pid for pid, words in found.items() if words[-1:] == [part]]
        if part != "web":
            return own
        served = [pid for parent in own for pid in _descendants(parent)]
        return [pid for pid in served if "resource_tracker" not in " ".join(found.get(pid, []))] or own

    def kill(self, part: str) -> int:
        """Kill -9 one process of a part; its id."""
        wait_for(lambda: bool(self.pids(part)), f"a {part} to kill")
        pid = self.pids(part)[0]
        os.kill(pid, signal.SIGKILL)
        return pid


def _descendants(root: int) -> dict[int, list[str]]:
    """The command lines of all processes below one, by id."""
    parents: dict[int, int] = {}
    words: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_text()
                words[int(folder.name)] = (folder / "cmdline").read_text().rstrip("\0").split("\0")
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    found, new = set[int](), {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new and pid not in found}
        found |= new
    return {pid: words[pid] for pid in sorted(found)}


@contextmanager
def running(folder: Path, environ: Mapping[str, str]) -> Iterator[Product]:
    """`connector up` over a data directory, ready to take webhooks; ended by SIGTERM."""
    port = free_port()
    settings = {"CONNECTOR_DATA_DIR": str(folder / "data"), "CONNECTOR_PORT": str(port), **environ}
    log = folder / "connector.runtime.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "COV_"))}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "connector.cli", "up"],
            env={**kept, **settings},
            cwd=folder,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    product = Product(process, f"http://127.0.0.1:{port}", log)
    try:
        wait_for(lambda: _is_ready(product), f"the product to be ready; it says:\n{product.log()}", 30)
        yield product
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _is_ready(product: Product) -> bool:
    if product.process.poll() is not None:
        message = f"the product ended with {product.process.returncode}:\n{product.log()}"
        raise AssertionError(message)
    try:
        return requests.get(f"{product.url}/readyz", timeout=2).ok
    except requests.RequestException:
        time.sleep(0.1)
        return False
