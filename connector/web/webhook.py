"""`/webhooks/<connection>`: reads the request within its limits and hands it to intake."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import parse_qsl, quote

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import ClientDisconnected
from werkzeug.routing import Rule

from connector.adapter_kit.contract import BrowserCollector, Delivery
from connector.core.errors import ConnectorError, NotFound
from connector.intake.receive import Intake, Paused
from connector.runtime import metrics
from connector.runtime.parts import Runtime
from connector.web.problems import TooLarge, Truncated, from_error

_CHUNK: Final = 64 * 1024


def read_head(now: datetime, headers: Collection[str] | None = None) -> Delivery:
    """The request at hand without its body, with the headers of these names (None: with all)."""
    query_string = request.query_string.decode("utf-8", "replace")
    given = {name.lower(): value for name, value in request.headers.items()}
    return Delivery(
        method=request.method,
        query=tuple(parse_qsl(query_string, keep_blank_values=True)),
        headers={name: value for name, value in given.items() if headers is None or name in headers},
        body=b"",
        received_at=now,
        path=_raw_path(),
        query_string=query_string,
    )


def client_address(proxies: int) -> IPv4Address | IPv6Address | None:
    """Where the request at hand came from; None: it cannot be read.

    `proxies`: so many stand before us, and each adds to X-Forwarded-For where the request came from.
    """
    listed = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    try:
        return ip_address(listed[-proxies] if 0 < proxies <= len(listed) else request.remote_addr or "")
    except ValueError:
        return None


def sender_address(proxies: int) -> str:
    """Who sent the request at hand, IPv6 by its network; empty where it may be a reverse proxy that is not set."""
    found = client_address(proxies)
    if found is None or (not proxies and not found.is_global):
        return ""
    return str(ip_network(f"{found}/64", strict=False)) if isinstance(found, IPv6Address) else str(found)


def read_body(most: int) -> bytes:
    """The body of the request at hand, read to its end or one byte above the limit.

    Some servers say nothing when a body ends early, so its length is compared; one in chunks has none to compare.
    Raises `TooLarge` and `Truncated`.
    """
    announced, size, parts = request.content_length, 0, []
    try:
        while size <= most >= (announced or 0) and (part := request.stream.read(min(_CHUNK, most + 1 - size))):
            parts.append(part)
            size += len(part)
    except ClientDisconnected as error:
        message = "the request ended before its body did; send it again"
        raise Truncated(message) from error
    if max(size, announced or 0) > most:
        message = f"the body is larger than {most} bytes; send less at once"
        raise TooLarge(message)
    if announced is not None and size < announced:
        message = f"{size} bytes of {announced} arrived; send it again"
        raise Truncated(message)
    return b"".join(parts)


def _raw_path() -> str:
    """The path as it was sent, percent-encoded; from a server that keeps no raw address, encoded anew."""
    raw: str = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI") or quote(request.path)
    return raw.partition("?")[0]


PATH: Final = "/webhooks/<connection>"


def webhooks(parts: Runtime, intake: Intake) -> Blueprint:
    """The blueprint that receives webhooks."""
    blueprint = Blueprint("webhooks", __name__)

    def receive(connection: str) -> Response:
        known = None
        try:
            found = intake.find(connection)
            known = found.name
            if isinstance(found.adapter, BrowserCollector):
                message = f"browsers post to /collect/{known}; this connection takes no webhooks"
                raise NotFound(message)
            delivery = replace(read_head(parts.clock()), body=read_body(parts.config.max_body_bytes))
            reply = intake.receive(found, delivery, address=sender_address(parts.config.proxies))
        except ConnectorError as error:
            # What the path says becomes a metric's label only where such a connection exists.
            metrics.count_refused(connection if isinstance(error, Paused) else known, error.reason)
            return from_error(error)
        return Response(reply.body, reply.status, content_type=reply.content_type)

    def register(state: BlueprintSetupState) -> None:
        # A rule without methods takes each of them: which one probes, the adapter knows. A slash may stand behind it.
        rule = Rule(PATH, endpoint="webhooks.receive", strict_slashes=False, merge_slashes=False)
        state.app.url_map.add(rule)
        state.app.view_functions["webhooks.receive"] = receive

    blueprint.record(register)
    return blueprint
