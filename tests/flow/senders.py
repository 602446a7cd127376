"""Sends signed webhooks of the system `standard`, and adds connections, as tests of the whole flow need them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from werkzeug.test import TestResponse

from connector.adapter_kit.signatures import sign_webhook
from connector.intake.receive import Intake
from connector.operations.flow import build_intake, build_processor
from connector.runtime.parts import Runtime
from connector.store import connections
from connector.store.database import new_id
from connector.web.app import create_app

ACCEPTED = 202
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
MAPPING = """
adapter: standard
stages:
  lead: {new: latent, talking: appointment_prospect, meeting: appointment_acquisition, won: order, bad: not_targeted}
triggers:
  - {id: webinar, on: webinar, jump_to: appointment_prospect}
fields: {company: company}
owner: {match: email}
push:
  lead:
    fields: {abm_status: "{status.label}", abm_since: "{since.date}"}
"""


def add_connection(
    runtime: Runtime,
    name: str = "shop",
    *,
    adapter: str = "standard",
    secrets: Mapping[str, Sequence[str]] | None = None,
    mapping: str = MAPPING,
    **settings: Any,
) -> None:
    """Add a connection with a published mapping; one of `standard` sends updates to where nobody listens."""
    if adapter == "standard":
        settings = {"url": "http://127.0.0.1:9/records/{record.id}", **settings}
    now = runtime.clock()
    sealed = runtime.vault.encrypt(orjson.dumps(secrets or {"secret": [SECRET]}).decode())
    with runtime.database.write() as connection:
        row = {
            "id": new_id(now),
            "name": name,
            "adapter": adapter,
            "settings": settings,
            "sealed": sealed,
            "is_paused": False,
            "created_at": now,
        }
        connections.add(connection, row)
        connections.publish(connection, name, mapping, author="test", comment="", now=now)
    runtime.connections.forget()


def signed(body: bytes, key: str, now: datetime, secret: str = SECRET) -> dict[str, str]:
    """The headers of a Standard Webhooks request."""
    return {**sign_webhook(key, body, [secret], now), "content-type": "application/json"}


class Sender:
    """Posts lines to a connection through the application.

    What is accepted has woken the workers when `send` returns: nobody closes the runtime while a thread still does.
    """

    def __init__(self, runtime: Runtime, name: str = "shop", intake: Intake | None = None) -> None:
        self._runtime = runtime
        self._name = name
        self._has_woken = threading.Event()
        ours = intake or build_intake(runtime, self._wake)
        self._client = create_app(runtime.config, runtime, ours).test_client()
        self._waits = intake is None
        self._count = 0

    def send(self, *lines: Mapping[str, Any], key: str | None = None) -> TestResponse:
        """Post lines as one delivery."""
        self._count += 1
        body = json.dumps({"events": lines}).encode()
        headers = signed(body, key or f"msg_{self._name}_{self._count}", self._runtime.clock())
        self._has_woken.clear()
        response = self._client.post(f"/webhooks/{self._name}", data=body, headers=headers)
        if self._waits and response.status_code == ACCEPTED:
            self._has_woken.wait(timeout=1)
        return response

    def _wake(self, lanes: set[int]) -> None:
        try:
            self._runtime.wakeups.enqueue_drains(lanes)
        finally:
            self._has_woken.set()


def drain(runtime: Runtime) -> None:
    """Process everything that waits, in this process."""
    for lane in range(runtime.config.lanes):
        build_processor(runtime).drain(lane, lambda: True)
