"""`/healthz` (the process lives), `/readyz` (it can do its work, or what is wrong) and `/metrics` (Prometheus)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
import structlog
from flask import Blueprint, Response, abort, request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from connector.intake.group_commit import error_text
from connector.intake.receive import Intake
from connector.operations.doctor import examine, gauges
from connector.operations.safety.trial import Trials
from connector.runtime import metrics
from connector.runtime.metrics import Queue
from connector.runtime.parts import Runtime
from connector.runtime.settings import Config
from connector.web.webhook import client_address

_SECONDS: Final = 1.0
"""How long /readyz waits for a try to write."""
log: Final = structlog.get_logger(__name__)


def health(runtime: Runtime, _intake: Intake) -> Blueprint:
    """The blueprint of the three addresses."""
    blueprint = Blueprint("health", __name__)
    trials = Trials(runtime, wait=_SECONDS)

    def healthz() -> Response:
        return Response(b'{"status":"ok"}', content_type="application/json")

    def readyz() -> Response:
        findings = examine(runtime, with_account=False, trials=trials)
        is_ready = all(finding.is_fine or not finding.is_vital for finding in findings)
        body: dict[str, Any] = {"status": "ok" if is_ready else "not ready"}
        if is_shown_detail(runtime.config):
            body["checks"] = {finding.name: "ok" if finding.is_fine else finding.detail for finding in findings}
        return Response(orjson.dumps(body), 200 if is_ready else 503, content_type="application/json")

    def show_metrics() -> Response:
        if not is_shown_detail(runtime.config):
            abort(404)
        return Response(metrics.render(_queues(runtime)), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    views: dict[str, Callable[[], Response]] = {"/healthz": healthz, "/readyz": readyz, "/metrics": show_metrics}
    for path, view in views.items():
        blueprint.add_url_rule(path, path.strip("/"), view)
    return blueprint


def is_shown_detail(config: Config) -> bool:
    """Whether who asks may know what is connected: by the token where one is set, else by a private address."""
    if config.metrics_token is not None:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {config.metrics_token}".encode())
    if not config.proxies and ("X-Forwarded-For" in request.headers or "Forwarded" in request.headers):
        return False
    address = client_address(config.proxies)
    return address is not None and not address.is_global


def _queues(runtime: Runtime) -> Sequence[Queue]:
    """What waits; nothing while that cannot be counted, when the counters are all the more of interest."""
    try:
        return tuple(gauges(runtime))
    except Exception as error:  # noqa: BLE001 - /readyz says what is wrong; the counters are shown whatever it is
        log.warning("the queues cannot be counted", error=error_text(error))
        return ()
