"""A handler on loopback that keeps the webhooks it gets, and answers each with the same status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from flask import Flask, Response, request


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One request as it came."""

    query: str
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        """The fields of a form."""
        return dict(parse_qsl(self.body.decode()))

    def json(self) -> dict[str, Any]:
        """The object of a JSON body."""
        body: dict[str, Any] = orjson.loads(self.body)
        return body


@dataclass(slots=True)
class Inbox:
    """What came, in order; `url` is where to send to."""

    status: int = 202
    url: str = ""
    got: list[Got] = field(default_factory=list)

    def app(self) -> Flask:
        """The application to be served."""
        app = Flask("inbox")
        app.add_url_rule("/webhooks", view_func=self._keep, methods=["POST"])
        return app

    def _keep(self) -> Response:
        self.got.append(
            Got(query=request.query_string.decode(), headers=dict(request.headers), body=request.get_data())
        )
        return Response(status=self.status)
