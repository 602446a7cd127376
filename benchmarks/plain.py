"""The reference of intake: the least that a webhook receiver does, which is HMAC, JSON and 202, and stores nothing."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Final

import orjson
from flask import Flask, Response, request

from benchmarks.lines import SECRET

KEY: Final = b64decode(SECRET.removeprefix("whsec_"))


def make() -> Flask:
    """The application, on the same framework, as the server makes it in each process."""
    app = Flask("plain", static_folder=None)
    app.add_url_rule("/webhooks/<connection>", "receive", _receive, methods=["POST"])
    app.add_url_rule("/healthz", "healthz", lambda: Response(b"{}"))
    return app


def _receive(connection: str) -> Response:
    del connection
    body, headers = request.get_data(), request.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(f"v1,{signature}", headers["webhook-signature"]):
        return Response(status=401)
    answer = orjson.dumps({"accepted": len(orjson.loads(body)["events"]), "refused": []})
    return Response(answer, 202, content_type="application/json")
