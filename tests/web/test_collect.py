"""The addresses of the tracker: the script with its cache headers, and what pages post, answered within CORS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from connector.emulators.tracker.site import AGENT, SECRET, SITE, SITE_KEY
from connector.runtime.parts import Runtime
from connector.store import connections, deliveries, quarantine
from connector.web.app import create_app
from connector.web.collect import MOST_BYTES, VISITOR_PER_MINUTE
from tests.conftest import NOW, Clock
from tests.flow.senders import add_connection

HEADERS = {"Origin": SITE, "User-Agent": AGENT, "Content-Type": "text/plain;charset=UTF-8"}
SENT = int(NOW.timestamp() * 1000)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: storing is intake's, and tested there on both."""
    return sqlite_url


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    add_connection(
        runtime,
        "site",
        adapter="tracker",
        secrets={"identity_secret": [SECRET]},
        mapping="adapter: tracker\n",
        sites=[SITE],
        site_keys=[SITE_KEY],
        per_minute=100,
    )
    add_connection(runtime, "shop")
    return create_app(runtime.config, runtime).test_client()


def body(number: int = 1, visitor: int = 1, **event: Any) -> bytes:
    happened = {"id": f"{number:032x}", "type": "page", "at": SENT - 500, "page": f"{SITE}/", **event}
    batch = {"id": f"{number:032x}", "visitor": f"{visitor:032x}", "sent": SENT, "events": [happened]}
    return json.dumps(batch).encode()


def collect(
    client: FlaskClient,
    data: bytes | None = None,
    *,
    headers: Mapping[str, str] = HEADERS,
    key: str = SITE_KEY,
    name: str = "site",
    method: str = "POST",
) -> TestResponse:
    target = f"/collect/{name}?key={key}"
    return client.open(target, method=method, data=body() if data is None else data, headers=headers)


def stored(runtime: Runtime) -> int:
    with runtime.database.read() as connection:
        book = deliveries.account(connection).get("site", {"accepted": 0, "duplicate": 0})
        return book["accepted"] - book["duplicate"]


def quarantined(runtime: Runtime) -> int:
    with runtime.database.read() as connection:
        return quarantine.count(connection).get("site", 0)


def test_the_script_is_cached_and_compared_by_its_tag(client: FlaskClient) -> None:
    first = client.get("/tracker.js")
    assert first.status_code == 200
    assert first.content_type == "text/javascript; charset=utf-8"
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert len(first.data) < 12_000
    again = client.get("/tracker.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.post("/tracker.js").status_code == 405


def test_what_a_page_posts_is_stored_and_counts_once(client: FlaskClient, runtime: Runtime) -> None:
    for _ in range(2):
        answer = collect(client)
        assert (answer.status_code, answer.data) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        assert answer.headers["Vary"] == "Origin"
    assert (stored(runtime), quarantined(runtime)) == (1, 0)


def test_of_a_visitor_s_request_only_what_is_needed_is_stored(client: FlaskClient, runtime: Runtime) -> None:
    more = {"Cookie": "sid=1", "Referer": f"{SITE}/private", "X-Forwarded-For": "192.0.2.7", "Accept-Language": "ja"}
    assert collect(client, headers={**HEADERS, **more}).status_code == 204
    with runtime.database.write() as connection:
        (row,) = (
            one
            for lane in range(runtime.config.lanes)
            for one in deliveries.claim(connection, lane, NOW, lease=timedelta(minutes=2), limit=9, without=[])
        )
    assert row.headers == {"content-type": HEADERS["Content-Type"], "origin": SITE, "user-agent": AGENT}


def test_a_preflight_is_answered_for_the_sites_alone(client: FlaskClient) -> None:
    answer = collect(client, method="OPTIONS")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
    other = collect(client, method="OPTIONS", headers={**HEADERS, "Origin": "https://evil.example"})
    assert not [name for name in other.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_pages_post_and_do_nothing_else(client: FlaskClient, method: str) -> None:
    answer = collect(client, method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    ("headers", "key"),
    [({"Origin": "https://evil.example"}, SITE_KEY), ({"Origin": "null"}, SITE_KEY), ({}, "another")],
)
def test_without_proof_it_is_refused_and_quarantined(
    client: FlaskClient, runtime: Runtime, headers: dict[str, str], key: str
) -> None:
    answer = collect(client, headers={**HEADERS, **headers}, key=key)
    assert answer.status_code == 401
    assert ("Access-Control-Allow-Origin" in answer.headers) is (not headers)
    assert (stored(runtime), quarantined(runtime)) == (0, 1)
    with runtime.database.read() as connection:
        (kept,) = quarantine.listed(connection, "site")
    assert (kept.size, kept.sealed) == (0, "")


def test_the_address_for_webhooks_is_closed_for_a_tracker_and_the_other_way_round(
    client: FlaskClient, runtime: Runtime
) -> None:
    for path, reason in (("/webhooks/site", "/collect/site"), ("/collect/shop", "/webhooks/shop")):
        answer = client.post(f"{path}?key={SITE_KEY}", data=body(), headers=HEADERS)
        assert answer.status_code == 404
        assert reason in answer.get_json(force=True)["detail"]
    assert collect(client, name="nobody").status_code == 404
    assert (stored(runtime), quarantined(runtime)) == (0, 0)


@pytest.mark.parametrize("headers", [{"User-Agent": "Googlebot/2.1"}, {"User-Agent": ""}, {"Sec-GPC": "1"}])
def test_bots_and_whoever_does_not_want_it_are_answered_and_not_stored(
    client: FlaskClient, runtime: Runtime, headers: dict[str, str]
) -> None:
    assert collect(client, headers={**HEADERS, **headers}).status_code == 204
    assert stored(runtime) == 0


def test_a_visitor_and_a_connection_have_their_share_of_a_minute(
    client: FlaskClient, runtime: Runtime, clock: Clock
) -> None:
    answers = [collect(client, body(number)).status_code for number in range(VISITOR_PER_MINUTE + 1)]
    assert answers == [204] * VISITOR_PER_MINUTE + [429]
    assert [collect(client, body(number, number)).status_code for number in range(100, 150)].count(204) == 39
    refused = collect(client, b"garbage")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
    assert refused.headers["Access-Control-Allow-Origin"] == SITE
    clock.forward(minutes=1)
    assert collect(client, body(500)).status_code == 204
    assert stored(runtime) == VISITOR_PER_MINUTE + 40
    assert collect(client, b"garbage").status_code == 400


def test_too_much_is_not_read(client: FlaskClient, runtime: Runtime) -> None:
    assert collect(client, b" " * (MOST_BYTES + 1)).status_code == 413
    assert collect(client, headers={**HEADERS, "Content-Type": "text/html"}).status_code == 415
    assert stored(runtime) == 0


def test_a_paused_tracker_tells_the_script_to_come_again(client: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.write() as connection:
        connections.change(connection, "site", is_paused=True)
    runtime.connections.forget()
    assert collect(client).status_code == 503
