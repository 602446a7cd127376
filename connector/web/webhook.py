"""`/webhooks/<connection>`: reads the request within its limits and hands it to intake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import ClientDisconnected
from werkzeug.routing import Rule

from connector import metrics
from connector.adapter import Delivery
from connector.core.errors import ConnectorError
from connector.intake import Intake, Paused
from connector.web.problems import TooLarge, Truncated, from_error

PATH: Final = "/webhooks/<connection>"
_CHUNK: Final = 64 * 1024


def webhooks(intake: Intake, clock: Callable[[], datetime], max_body_bytes: int) -> Blueprint:
    """The blueprint that receives webhooks."""
    blueprint = Blueprint("webhooks", __name__)

    def receive(connection: str) -> Response:
        known = None
        try:
            known = intake.find(connection).name
            reply = intake.receive(connection, _delivery(clock(), max_body_bytes))
        except ConnectorError as error:
            # What the path says becomes a metric's label only where such a connection exists.
            metrics.count_refused(connection if isinstance(error, Paused) else known, error.reason)
            return from_error(error)
        return Response(reply.body, reply.status, content_type=reply.content_type)

    def register(state: BlueprintSetupState) -> None:
        # A rule without methods takes each of them: which one probes, the adapter knows.
        state.app.url_map.add(Rule(PATH, endpoint="webhooks.receive"))
        state.app.view_functions["webhooks.receive"] = receive

    blueprint.record(register)
    return blueprint


def _delivery(now: datetime, most: int) -> Delivery:
    return Delivery(
        method=request.method,
        query=tuple(request.args.items(multi=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=_body(most),
        received_at=now,
    )


def _body(most: int) -> bytes:
    """The body, read to its end or one byte above the limit. Raises `TooLarge` and `Truncated`.

    Some servers say nothing when a body ends early, so its length is compared; one in chunks has none to compare.
    """
    told, size, parts = request.content_length, 0, []
    try:
        while size <= most >= (told or 0) and (part := request.stream.read(min(_CHUNK, most + 1 - size))):
            parts.append(part)
            size += len(part)
    except ClientDisconnected as error:
        message = "the request ended before its body did; send it again"
        raise Truncated(message) from error
    if max(size, told or 0) > most:
        message = f"the body is larger than {most} bytes; send less at once"
        raise TooLarge(message)
    if told is not None and size < told:
        message = f"{size} bytes of {told} arrived; send it again"
        raise Truncated(message)
    return b"".join(parts)
