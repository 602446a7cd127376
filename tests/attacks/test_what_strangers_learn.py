"""What somebody who knows an address learns of us: what he must do, and nothing of how we are set up."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from connector.emulators.tracker.site import SECRET as TOKEN_SECRET
from connector.emulators.tracker.site import SITE, SITE_KEY
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.web.app import create_app
from tests.conftest import Clock
from tests.flow.senders import add_connection
from tests.web.answers import add_connections
from tests.web.test_collect import HEADERS, body

TOKEN = "a token for whoever watches"
ABROAD = {"REMOTE_ADDR": "203.0.114.7"}
NEAR = {"REMOTE_ADDR": "10.1.2.3"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: this is about answers."""
    return sqlite_url


def client_of(runtime: Runtime, clock: Clock, **settings: str) -> FlaskClient:
    environ = {"DATABASE_URL": runtime.database.url.render_as_string(hide_password=False), **settings}
    config = read_config({**environ, "CONNECTOR_DATA_DIR": str(runtime.config.data_dir)}, runtime.config.data_dir)
    return create_app(config, Runtime(config, clock)).test_client()


def seen(client: FlaskClient, address: dict[str, str], **headers: str) -> tuple[int, bool]:
    """The status of `/metrics`, and whether `/readyz` says anything but whether it is ready."""
    metrics = client.get("/metrics", environ_base=address, headers=headers)
    ready: Any = client.get("/readyz", environ_base=address, headers=headers).get_json()
    assert client.get("/healthz", environ_base=address, headers=headers).status_code == 200
    assert set(ready) <= {"status", "checks"}
    return metrics.status_code, "checks" in ready


def test_metrics_and_what_is_wrong_are_shown_to_the_own_network(runtime: Runtime, clock: Clock) -> None:
    client = client_of(runtime, clock)
    assert seen(client, NEAR) == (200, True)
    assert seen(client, {"REMOTE_ADDR": "127.0.0.1"}) == (200, True)
    assert seen(client, ABROAD) == (404, False)
    assert seen(client, {"REMOTE_ADDR": ""}) == (404, False)


def test_what_a_reverse_proxy_passes_on_is_not_of_the_own_network(runtime: Runtime, clock: Clock) -> None:
    client = client_of(runtime, clock)
    assert seen(client, NEAR, **{"X-Forwarded-For": "10.0.0.1"}) == (404, False)
    assert seen(client, NEAR, Forwarded="for=10.0.0.1") == (404, False)
    behind = client_of(runtime, clock, CONNECTOR_PROXIES="1")
    assert seen(behind, NEAR, **{"X-Forwarded-For": "10.0.0.1, 203.0.114.7"}) == (404, False)
    assert seen(behind, NEAR, **{"X-Forwarded-For": "203.0.114.7, 10.0.0.1"}) == (200, True)


def test_with_a_token_they_are_shown_to_who_has_it_wherever_he_is(runtime: Runtime, clock: Clock) -> None:
    client = client_of(runtime, clock, CONNECTOR_METRICS_TOKEN=TOKEN)
    assert seen(client, ABROAD, Authorization=f"Bearer {TOKEN}") == (200, True)
    for headers in ({}, {"Authorization": "Bearer another"}, {"Authorization": TOKEN}):
        assert seen(client, NEAR, **headers) == (404, False)


def test_a_401_says_what_to_do_and_nothing_of_our_settings(runtime: Runtime, clock: Clock) -> None:
    add_connections(runtime)
    add_connection(
        runtime, "cocoar", adapter="cocoar", secrets={"secret": ["t" * 24]}, mapping="adapter: cocoar\n", proof="tokn"
    )
    sites = {"sites": [SITE], "site_keys": [SITE_KEY]}
    secrets = {"identity_secret": [TOKEN_SECRET]}
    add_connection(runtime, "site", adapter="tracker", secrets=secrets, mapping="adapter: tracker\n", **sites)
    client = client_of(runtime, clock)
    origin = {**HEADERS, "Origin": "https://evil.example"}
    answers = [
        client.post("/webhooks/cocoar?token=x", data=b"{}", headers={"Content-Type": "application/json"}),
        client.post(f"/collect/site?key={SITE_KEY}", data=body(), headers=origin),
        client.post("/webhooks/shop", data=b"{}", headers={"Content-Type": "application/json"}),
    ]
    for answer in answers:
        assert answer.status_code == 401
        said = answer.get_json(force=True)["detail"]
        assert "tokn" not in said
        assert "`" not in said
        assert said.startswith("the proof ")
