"""A load generator in a process of its own: signed webhooks over open connections, as fast as answers come."""

from __future__ import annotations

import selectors
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson

from benchmarks import lines
from connector.adapter_kit.signatures import sign_webhook

SUBJECTS: Final = 1000
TIMEOUT_SECONDS: Final = 60.0


def requests(path: str, count: int, mark: str) -> Iterator[bytes]:
    """Signed requests of one line each; `mark` tells them from those of other loads."""
    now = datetime.now(UTC)
    for place, body in enumerate(lines.bodies(SUBJECTS, count, now, mark)):
        signed = sign_webhook(f"msg_{mark}_{place}", body, [lines.SECRET], now)
        headers = {
            "host": "127.0.0.1",
            "user-agent": "benchmark",
            "content-type": "application/json",
            "content-length": str(len(body)),
            **signed,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        yield f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass(slots=True)
class _Line:
    """An open connection and what has come over it of the answer that it waits for."""

    link: socket.socket
    sent_at: float = 0.0
    answer: bytes = b""


@dataclass(slots=True, kw_only=True)
class Load:
    """Sends every request once, one at a time on each connection. Raises `ValueError` for an answer that is no 202."""

    port: int
    connections: int
    waits: list[float] = field(default_factory=list)

    def send(self, wanted: Sequence[bytes]) -> float:
        """Seconds until every request was answered; `waits` are those of each."""
        self.waits.clear()
        waiting = iter(wanted)
        with selectors.DefaultSelector() as selector:
            started = time.perf_counter()
            for _, request in zip(range(self.connections), waiting, strict=False):
                line = _Line(socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS))
                line.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(line.link, selectors.EVENT_READ, line)
                _send(line, request)
            while selector.get_map():
                ready = selector.select(TIMEOUT_SECONDS)
                if not ready:
                    message = f"no answer for {TIMEOUT_SECONDS} s"
                    raise ValueError(message)
                for key, _ in ready:
                    if not self._receive(key.data):
                        continue
                    if request := next(waiting, b""):
                        _send(key.data, request)
                    else:
                        selector.unregister(key.fileobj)
                        key.data.link.close()
            return time.perf_counter() - started

    def _receive(self, line: _Line) -> bool:
        """Read what came; whether the answer is whole."""
        came = line.link.recv(65_536)
        if not came:
            message = f"the connection was closed after {line.answer!r}"
            raise ValueError(message)
        line.answer += came
        head, separator, body = line.answer.partition(b"\r\n\r\n")
        if not separator:
            return False
        if not head.startswith(b"HTTP/1.1 202 "):
            raise ValueError(line.answer.decode(errors="replace"))
        length = next(part[15:] for part in head.lower().split(b"\r\n") if part.startswith(b"content-length:"))
        if len(body) < int(length):
            return False
        line.answer = b""
        self.waits.append(time.perf_counter() - line.sent_at)
        return True


def _send(line: _Line, request: bytes) -> None:
    line.sent_at = time.perf_counter()
    line.link.sendall(request)


def main(port: int, path: str, count: int, connections: int) -> None:
    """Warm up with a tenth, send `count` requests; prints requests a second and the median and 99 % wait in ms."""
    load = Load(port=port, connections=connections)
    mark = f"{time.time_ns():x}"
    load.send(list(requests(path, max(count // 10, connections), f"{mark}-0")))
    seconds = load.send(list(requests(path, count, f"{mark}-1")))
    waits = sorted(load.waits)
    half, most = (1000 * waits[int(len(waits) * share)] for share in (0.5, 0.99))
    print(orjson.dumps({"per_second": count / seconds, "p50_ms": half, "p99_ms": most}).decode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
