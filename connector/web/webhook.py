"""`/webhooks/<connection>`: reads the request within its limits and hands it to intake."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import Rule

from connector.adapter_kit.contract import BrowserCollector
from connector.core.errors import ConnectorError, NotFound
from connector.intake.receive import Intake, Paused
from connector.runtime import metrics
from connector.runtime.parts import Runtime
from connector.web.problems import from_error
from connector.web.request import read_delivery

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
            reply = intake.receive(found, read_delivery(parts.clock(), parts.config.max_body_bytes))
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
