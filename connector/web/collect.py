"""`/tracker.js` for the pages of sites, and `/collect/<connection>`, which takes what it posts into intake."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from typing import Final

import structlog
from flask import Blueprint, Response, request

from connector.adapter_kit.contract import BrowserCollector, Delivery
from connector.core.errors import ConnectorError, NotFound
from connector.intake.minutes import MinuteCounts
from connector.intake.receive import Intake
from connector.runtime import metrics
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.web.problems import TooMany, from_error
from connector.web.webhook import read_body, read_head, sender_address

SCRIPT_SECONDS: Final = 3600
PREFLIGHT_SECONDS: Final = 86_400
MOST_BYTES: Final = 32 * 1024
"""Ten events as large as they may be."""
BYTES_EACH: Final = 2 * 1024
"""A delivery has so many on average, at most: what a site may have stored in a minute is `per_minute` times that."""
ADDRESS_PART: Final = 10
"""An address, behind which an office may be, has this part of what its site has."""
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
    budgets, most = _Budgets(parts.config.proxies), min(parts.config.max_body_bytes, MOST_BYTES)

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
            response = _accept(intake, site, read_head(parts.clock(), _HEADERS), most, budgets)
        except ConnectorError as error:
            metrics.count_refused(connection if site else None, error.reason)
            response = from_error(error)
        return _readable(response, site.tracker if site else None)

    blueprint.add_url_rule("/tracker.js", "script", show_script)
    blueprint.add_url_rule(
        "/collect/<connection>", "collect", collect, methods=["POST", "OPTIONS"], provide_automatic_options=False
    )
    return blueprint


class _Budgets:
    """What a site and an address may send in a minute, in deliveries and in bytes; each process for itself."""

    def __init__(self, proxies: int) -> None:
        self._counts = MinuteCounts()
        self._proxies = proxies

    def address(self) -> str:
        """Where the request at hand came from; see `sender_address`."""
        return sender_address(self._proxies)

    def charge(self, site: _Site, delivery: Delivery) -> None:
        """Count a delivery that is proved and read. Raises `TooMany`."""
        now, address, most = delivery.received_at, self.address(), site.tracker.per_minute
        shares = {address: max(most // ADDRESS_PART, VISITOR_PER_MINUTE)} if address else {}
        for whose, share in (shares | {delivery.headers.get("origin", ""): most}).items():
            name = f"{site.connected.name} of {whose}"
            self.count(name, share, now)
            self.count(f"bytes {name}", max(share * BYTES_EACH, MOST_BYTES), now, len(delivery.body))

    def count(self, name: str, most: int, now: datetime, amount: int = 1) -> None:
        """Count of that name. Raises `TooMany` when it has had its share of this minute."""
        if self._counts.add(name, now, amount) > most:
            message = "more deliveries than are taken in a minute"
            raise TooMany(message)


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


def _accept(intake: Intake, site: _Site, head: Delivery, most: int, budgets: _Budgets) -> Response:
    """204 once it is committed, and for what is not wanted: a page has no use for the difference.

    The body of what has no proof is not read, and it uses up nothing that genuine visitors need.
    """
    name = site.connected.name
    if not site.tracker.wants(head):
        metrics.count_refused(name, "unwanted")
        return Response(status=204)
    intake.prove(site.connected, head, budgets.address())
    delivery = replace(head, body=read_body(most))
    budgets.charge(site, delivery)
    reply = intake.receive(
        site.connected,
        delivery,
        lambda visitor: budgets.count(f"{name}/{visitor}", VISITOR_PER_MINUTE, head.received_at),
        budgets.address(),
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
