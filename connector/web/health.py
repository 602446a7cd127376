"""`/healthz` (the process lives), `/readyz` (it can do its work, or what is wrong) and `/metrics` (Prometheus)."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from connector import metrics
from connector.doctor import examine, gauges
from connector.runtime import Runtime


def health(runtime: Runtime) -> Blueprint:
    """The blueprint of the three addresses."""
    blueprint = Blueprint("health", __name__)

    def healthz() -> Response:
        return Response(b'{"status":"ok"}', content_type="application/json")

    def readyz() -> Response:
        findings = examine(runtime)
        is_ready = all(finding.is_fine or not finding.is_vital for finding in findings)
        body = {
            "status": "ok" if is_ready else "not ready",
            "checks": {finding.name: "ok" if finding.is_fine else finding.detail for finding in findings},
        }
        return Response(orjson.dumps(body), 200 if is_ready else 503, content_type="application/json")

    def show_metrics() -> Response:
        return Response(metrics.render(gauges(runtime)), content_type=CONTENT_TYPE_LATEST)

    views: dict[str, Callable[[], Response]] = {"/healthz": healthz, "/readyz": readyz, "/metrics": show_metrics}
    for path, view in views.items():
        blueprint.add_url_rule(path, path.strip("/"), view)
    return blueprint
