"""The application behind a real WSGI server on loopback, and requests to it as bytes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import wait_for

SECONDS = 10.0


@contextmanager
def serving(folder: Path, environ: Mapping[str, str], *, threads: int = 4) -> Iterator[int]:
    """Granian with one process, as `connector web` starts it; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = {"--interface": "wsgi", "--port": str(port), "--blocking-threads": str(threads)}
    words = [word for pair in options.items() for word in pair]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "granian", *words, "--factory", "connector.web.app:from_environment"],
            cwd=folder,
            env={**os.environ, **environ},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: _listens(port), "the web server")
        yield port
    finally:
        server.terminate()
        server.wait(SECONDS)


def exchange(port: int, *pieces: bytes, is_ended: bool = False) -> tuple[int, bytes, bytes]:
    """Status, head and body of the answer to raw bytes; (0, b"", b"") when the server only hung up.

    `is_ended`: our side says that nothing more comes, as a sender does that breaks off.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
            if is_ended:
                line.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has answered and hung up before it had everything
        answer = _read(line)
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0), head, body


def written(method: str, target: str, headers: Mapping[str, str] | Sequence[tuple[str, str]], body: bytes) -> bytes:
    """A request as bytes, with its Content-Length and `Connection: close`."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    pairs += [("host", "localhost"), ("connection", "close"), ("content-length", str(len(body)))]
    head = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def _read(line: socket.socket) -> bytes:
    answer = b""
    try:
        while data := line.recv(65_536):
            answer += data
    except ConnectionError:
        pass
    return answer


def _listens(port: int) -> bool:
    try:
        return exchange(port, written("GET", "/healthz", {}, b""))[0] == 200
    except OSError:
        return False
