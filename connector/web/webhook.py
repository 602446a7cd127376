"""`/webhooks/<connection>`: reads the request within its limits and hands it to intake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from connector.adapter import Delivery
from connector.core.errors import BadPayload, ConnectorError
from connector.intake import Intake
from connector.web.problems import from_error, problem


def webhooks(intake: Intake, clock: Callable[[], datetime], max_body_bytes: int) -> Blueprint:
    """The blueprint that receives webhooks."""
    blueprint = Blueprint("webhooks", __name__)

    @blueprint.route("/webhooks/<connection>", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    def receive(connection: str) -> Response:
        try:
            intake.find(connection)
            reply = intake.receive(connection, _delivery(clock(), max_body_bytes))
        except RequestEntityTooLarge:
            return problem(413, "too_large", f"the body is larger than {max_body_bytes} bytes; send less at once")
        except ConnectorError as error:
            return from_error(error)
        return Response(reply.body, reply.status, content_type=reply.content_type)

    return blueprint


def _delivery(now: datetime, max_body_bytes: int) -> Delivery:
    if request.content_length is not None and request.content_length > max_body_bytes:
        raise RequestEntityTooLarge
    try:
        body = request.stream.read(max_body_bytes + 1) if request.content_length != 0 else b""
    except ClientDisconnected as error:
        message = "the request ended before its body did"
        raise BadPayload(message) from error
    if len(body) > max_body_bytes:
        raise RequestEntityTooLarge
    return Delivery(
        method=request.method,
        query=tuple(request.args.items(multi=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        received_at=now,
    )
