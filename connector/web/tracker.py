"""`/tracker.js` for the pages of sites, and `/collect/<connection>`, which takes what it posts into intake."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from typing import Final

import structlog
from flask import Blueprint, Response, request

from connector.adapter_kit.collecting import Collecting
from connector.adapter_kit.contract import Delivery
from connector.core.errors import ConnectorError, NotFound
from connector.intake.receive import Intake
from connector.runtime import metrics
from connector.web.bodies import read_body
from connector.web.problems import TooMany, from_error

SCRIPT_SECONDS: Final = 3600
PREFLIGHT_SECONDS: Final = 86_400
MOST_BYTES: Final = 64 * 1024
"""As much as a browser sends while its page is being left."""
VISITOR_PER_MINUTE: Final = 60
"""Deliveries of one visitor; the script gathers what happens at one moment into one."""
_HEADERS: Final = ("content-type", "content-encoding", "origin", "user-agent", "sec-gpc", "dnt")
"""All that is kept of a visitor's request: no address, no cookie, no referrer."""
log: Final = structlog.get_logger(__name__)


def collecting(intake: Intake, clock: Callable[[], datetime], max_body_bytes: int) -> Blueprint:
    """The blueprint of both addresses."""
    blueprint = Blueprint("tracker", __name__)
    script = files("connector.web").joinpath("tracker.js").read_bytes()
    tag = hashlib.sha256(script).hexdigest()[:32]
    bound, most = Bound(clock), min(max_body_bytes, MOST_BYTES)

    def show_script() -> Response:
        response = Response(script, content_type="text/javascript; charset=utf-8")
        response.set_etag(tag)
        response.cache_control.public = True
        response.cache_control.max_age = SCRIPT_SECONDS
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.make_conditional(request.environ)
        return response

    def collect(connection: str) -> Response:
        adapter = None
        try:
            adapter = _find(intake, connection)
            if request.method == "OPTIONS":
                return _readable(Response(status=204), adapter, is_preflight=True)
            response = _take(intake, connection, adapter, _delivery(clock(), most), bound)
        except ConnectorError as error:
            metrics.count_refused(connection if adapter else None, error.reason)
            response = from_error(error)
        return _readable(response, adapter)

    blueprint.add_url_rule("/tracker.js", "script", show_script)
    blueprint.add_url_rule(
        "/collect/<connection>", "collect", collect, methods=["POST", "OPTIONS"], provide_automatic_options=False
    )
    return blueprint


class Bound:
    """Counts deliveries in whole minutes by the clock; safe for threads, each process for itself."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._minute, self._counts = 0, Counter[str]()

    def takes(self, connection: str, visitor: str, most: int) -> bool:
        """Count one; False when the connection or the visitor has had its share of this minute."""
        with self._turn:
            minute = int(self._clock().timestamp()) // 60
            if minute != self._minute:
                self._minute, self._counts = minute, Counter()
            if self._counts[connection] >= most:
                return False
            self._counts[connection] += 1
            if not visitor:
                return True
            self._counts[f"{connection}/{visitor}"] += 1
            return self._counts[f"{connection}/{visitor}"] <= VISITOR_PER_MINUTE


def _find(intake: Intake, connection: str) -> Collecting:
    adapter = intake.find(connection).adapter
    if not isinstance(adapter, Collecting):
        message = f"the connection {connection!r} is no tracker; its webhooks are sent to /webhooks/{connection}"
        raise NotFound(message)
    return adapter


def _take(intake: Intake, connection: str, adapter: Collecting, delivery: Delivery, bound: Bound) -> Response:
    """204 once it is committed, and for what is not wanted: a page has no use for the difference."""
    if not adapter.wants(delivery):
        metrics.count_refused(connection, "unwanted")
        return Response(status=204)
    lane = intake.find(connection).adapter.lane(delivery)
    if not bound.takes(connection, lane, adapter.per_minute):
        message = f"{connection}: more deliveries than it takes in a minute"
        raise TooMany(message)
    reply = intake.receive(connection, delivery)
    return Response(reply.body, reply.status)


def _delivery(now: datetime, most: int) -> Delivery:
    return Delivery(
        method=request.method,
        query=tuple(request.args.items(multi=True)),
        headers={name: request.headers[name] for name in _HEADERS if name in request.headers},
        body=read_body(most),
        received_at=now,
    )


def _readable(response: Response, adapter: Collecting | None, *, is_preflight: bool = False) -> Response:
    """The answer, readable by pages of the connection's own sites and by no others (CORS)."""
    origin = request.headers.get("Origin", "")
    response.headers["Vary"] = "Origin"
    if adapter and adapter.allows_origin(origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        if is_preflight:
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type"
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response
