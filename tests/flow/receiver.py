"""A system of the kind `standard` on loopback: keeps what is written to its records, and shows it on request."""

from __future__ import annotations

import threading
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server


class Receiver:
    """A context manager; `writes` holds every body that was written to a record, in order."""

    def __init__(self) -> None:
        self.writes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.is_down = False
        app = Flask("receiver")
        app.add_url_rule("/records/<record>", "write", self._write, methods=["POST"])
        app.add_url_rule("/records/<record>", "read", self._read, methods=["GET"])
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/records/{{record.id}}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def shows(self, record: str) -> dict[str, Any]:
        """What a record shows now; empty: nothing was written to it."""
        return self.writes[record][-1] if self.writes[record] else {}

    def _write(self, record: str) -> Response:
        if self.is_down:
            return Response(status=503)
        self.writes[record].append(request.get_json())
        return Response(status=204)

    def _read(self, record: str) -> Response:
        return Response(status=503) if self.is_down else jsonify(self.shows(record))
