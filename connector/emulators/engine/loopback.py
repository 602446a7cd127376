"""Serves an emulated system's application on loopback by a thread."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class _Quiet(WSGIRequestHandler):
    """Keeps connections open, answers without waiting for more to send, and logs nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the name is werkzeug's
        """Nothing: the system's counts say what was done."""


class Loopback:
    """A context manager that serves an application on a port of 127.0.0.1; port 0: any that is free."""

    def __init__(self, app: Flask, *, port: int = 0) -> None:
        self._app, self._port = app, port
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = make_server("127.0.0.1", self._port, self._app, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join(5)
            self._server.server_close()

    @property
    def url(self) -> str:
        """The base address, without a slash at the end."""
        if self._server is None:
            message = "the emulated system does not run; enter it by `with`"
            raise RuntimeError(message)
        return f"http://127.0.0.1:{self._server.server_port}"
