"""The WSGI application: webhooks, `/collect` and health, put together from the parts of a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog
from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException

from connector.intake.receive import Intake
from connector.operations.flow import build_intake
from connector.operations.safety.modes import close_to_others
from connector.runtime import metrics
from connector.runtime.log import configure_log
from connector.runtime.parts import Runtime
from connector.runtime.settings import Config, read_config
from connector.web.collect import collector
from connector.web.health import health
from connector.web.problems import from_http, problem
from connector.web.webhook import webhooks

BLUEPRINTS: Final[Sequence[Callable[[Runtime, Intake], Blueprint]]] = (webhooks, collector, health)
"""What answers requests, one module each: webhooks, `/collect`, health; a page or a resource of an API is one more."""
log: Final = structlog.get_logger(__name__)


def create_app(config: Config, runtime: Runtime | None = None, intake: Intake | None = None) -> Flask:
    """The application for a configuration; it answers every error with a problem document."""
    parts = runtime or Runtime(config)
    intake = intake or build_intake(parts)
    app = Flask("connector", static_folder=None)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint(parts, intake))

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        return from_http(error)

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        log.error("request failed", exc_info=error)
        return problem(500, "internal", "something went wrong here; nothing was acknowledged, send it again later")

    return app


def from_environment() -> Flask:
    """The application as the WSGI server makes it, from the environment and `connector.toml`."""
    config = read_config(os.environ, Path.cwd())
    configure_log(level=config.log_level, form=config.log_format, stream=sys.stderr)
    for line in close_to_others(config):
        log.warning(line)
    metrics.count_in(config.metrics_dir)
    return create_app(config)
