"""An emulated portal with a clock that stands still, and a caller of its REST interface."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.rest import Rest, create_app
from connector.emulators.bitrix24.state import Portal
from connector.emulators.engine.faults import Faults, Tally

SECRET = "s3cr3t"
PAYLOADS = Path(__file__).parent / "bitrix24" / "payloads"


@dataclass(slots=True)
class Clock:
    now: datetime = datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class Harness:
    """The portal, its switches, and REST by Flask's test client."""

    clock: Clock
    portal: Portal
    faults: Faults
    tally: Tally
    client: FlaskClient
    events: list[tuple[str, Entity, int]] = field(default_factory=list)

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


@pytest.fixture
def harness() -> Harness:
    clock, faults, tally = Clock(), Faults(), Tally()
    portal = Portal(now=clock)
    rest = Rest(portal, secrets={SECRET: 1}, faults=faults, tally=tally)
    made = Harness(clock=clock, portal=portal, faults=faults, tally=tally, client=create_app(rest).test_client())
    portal.announce = lambda event, entity, record_id: made.events.append((event, entity, record_id))
    return made


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / name).read_bytes())
