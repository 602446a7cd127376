"""An emulated portal with a clock that stands still, and a caller of its REST interface."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.rest import Rest, create_app
from connector.emulators.bitrix24.state import Portal
from connector.emulators.engine.faults import Faults, Tally
from tests.conftest import Clock

SECRET = "s3cr3t"
STARTED = datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC)
PAYLOADS = Path(__file__).parent / "payloads"


class Harness:
    """The portal, its switches, and REST by Flask's test client; `events` are those that it has announced."""

    def __init__(self) -> None:
        self.clock, self.faults, self.tally = Clock(STARTED), Faults(), Tally()
        self.portal = Portal(now=self.clock, announce=self._announce)
        rest = Rest(self.portal, secrets={SECRET: 1}, faults=self.faults, tally=self.tally)
        self.client = create_app(rest).test_client()
        self.events: list[tuple[str, Entity, int]] = []

    def post(self, method: str, **params: Any) -> TestResponse:
        return self.client.post(f"/rest/1/{SECRET}/{method}", data=json.dumps(params), content_type="application/json")

    def call(self, method: str, **params: Any) -> Any:
        response = self.post(method, **params)
        assert response.status_code == 200, response.text
        return response.json

    def error(self, method: str, **params: Any) -> tuple[int, str, str]:
        response = self.post(method, **params)
        body = response.json or {}
        assert set(body) == {"error", "error_description"}
        return response.status_code, body["error"], body["error_description"]

    def _announce(self, event: str, entity: Entity, record_id: int) -> None:
        self.events.append((event, entity, record_id))


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / name).read_bytes())
