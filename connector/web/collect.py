"""`/tracker.js` for the pages of sites, and `/collect/<connection>`, which takes what it posts into intake."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final

import structlog
from flask import Blueprint, Response, request

from connector.adapter_kit.contract import BrowserCollector, Delivery
from connector.core.errors import ConnectorError, NotFound
from connector.intake.receive import Intake
from connector.runtime import metrics
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.web.problems import TooMany, from_error
from connector.web.webhook import read_delivery

SCRIPT_SECONDS: Final = 3600
PREFLIGHT_SECONDS: Final = 86_400
MOST_BYTES: Final = 64 * 1024
"""As much as a browser sends while its page is being left."""
VISITOR_PER_MINUTE: Final = 60
"""Deliveries of one visitor; the script gathers what happens at one moment into one."""
_HEADERS: Final = ("content-type", "content-encoding", "origin", "user-agent", "sec-gpc", "dnt")
"""All that is kept of a visitor's request: no address, no cookie, no referrer."""
log: Final = structlog.get_logger(__name__)


def collector(parts: Runtime, intake: Intake) -> Blueprint:
    """The blueprint of both addresses."""
    blueprint = Blueprint("tracker", __name__)
    script = files("connector.web").joinpath("tracker.js").read_bytes()
    tag = hashlib.sha256(script).hexdigest()[:32]
    limits, most = MinuteLimits(parts.clock), min(parts.config.max_body_bytes, MOST_BYTES)

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
        site = None
        try:
            site = _find(intake, connection)
            if request.method == "OPTIONS":
                return _readable(Response(status=204), site.tracker, is_preflight=True)
            response = _accept(intake, site, read_delivery(parts.clock(), most, _HEADERS), limits)
        except ConnectorError as error:
            metrics.count_refused(connection if site else None, error.reason)
            response = from_error(error)
        return _readable(response, site.tracker if site else None)

    blueprint.add_url_rule("/tracker.js", "script", show_script)
    blueprint.add_url_rule(
        "/collect/<connection>", "collect", collect, methods=["POST", "OPTIONS"], provide_automatic_options=False
    )
    return blueprint


class MinuteLimits:
    """Counts deliveries by name in whole minutes of the clock; safe for threads, each process for itself."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._minute, self._counts = 0, Counter[str]()

    def count(self, name: str, most: int) -> None:
        """Count one of that name. Raises `TooMany` when it has had its share of this minute."""
        with self._lock:
            minute = int(self._clock().timestamp()) // 60
            if minute != self._minute:
                self._minute, self._counts = minute, Counter()
            if self._counts[name] >= most:
                message = f"{name}: more deliveries than it takes in a minute"
                raise TooMany(message)
            self._counts[name] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """A connection that pages post to; `tracker` is its adapter."""

    connected: Connected
    tracker: BrowserCollector


def _find(intake: Intake, connection: str) -> _Site:
    connected = intake.find(connection)
    if not isinstance(connected.adapter, BrowserCollector):
        message = f"the connection {connection!r} is no tracker; its webhooks are sent to /webhooks/{connection}"
        raise NotFound(message)
    return _Site(connected=connected, tracker=connected.adapter)


def _accept(intake: Intake, site: _Site, delivery: Delivery, limits: MinuteLimits) -> Response:
    """204 once it is committed, and for what is not wanted: a page has no use for the difference."""
    name = site.connected.name
    if not site.tracker.wants(delivery):
        metrics.count_refused(name, "unwanted")
        return Response(status=204)
    limits.count(name, site.tracker.per_minute)
    reply = intake.receive(
        site.connected, delivery, lambda visitor: limits.count(f"{name}/{visitor}", VISITOR_PER_MINUTE)
    )
    return Response(reply.body, reply.status)


def _readable(response: Response, adapter: BrowserCollector | None, *, is_preflight: bool = False) -> Response:
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
