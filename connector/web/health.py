"""`/healthz` (the process lives), `/readyz` (it can do its work, or what is wrong) and `/metrics` (Prometheus)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import orjson
import structlog
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from connector.intake.group_commit import error_text
from connector.intake.receive import Intake
from connector.operations.doctor import examine, gauges
from connector.runtime import metrics
from connector.runtime.metrics import Queue
from connector.runtime.parts import Runtime

log: Final = structlog.get_logger(__name__)


def health(runtime: Runtime, _intake: Intake) -> Blueprint:
    """The blueprint of the three addresses."""
    blueprint = Blueprint("health", __name__)

    def healthz() -> Response:
        return Response(b'{"status":"ok"}', content_type="application/json")

    def readyz() -> Response:
        findings = examine(runtime, with_account=False)
        is_ready = all(finding.is_fine or not finding.is_vital for finding in findings)
        body = {
            "status": "ok" if is_ready else "not ready",
            "checks": {finding.name: "ok" if finding.is_fine else finding.detail for finding in findings},
        }
        return Response(orjson.dumps(body), 200 if is_ready else 503, content_type="application/json")

    def show_metrics() -> Response:
        return Response(metrics.render(_queues(runtime)), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    views: dict[str, Callable[[], Response]] = {"/healthz": healthz, "/readyz": readyz, "/metrics": show_metrics}
    for path, view in views.items():
        blueprint.add_url_rule(path, path.strip("/"), view)
    return blueprint


def _queues(runtime: Runtime) -> Sequence[Queue]:
    """What waits; nothing while that cannot be counted, when the counters are all the more of interest."""
    try:
        return tuple(gauges(runtime))
    except Exception as error:  # noqa: BLE001 - /readyz says what is wrong; the counters are shown whatever it is
        log.warning("the queues cannot be counted", error=error_text(error))
        return ()
