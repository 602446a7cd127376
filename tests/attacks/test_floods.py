"""Whoever knows an address and no secret: what he sends in great numbers neither fills nor empties anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient

from connector.emulators.tracker.site import SECRET as TOKEN_SECRET
from connector.emulators.tracker.site import SITE, SITE_KEY
from connector.intake.quarantine import CONNECTION_SHARES, NOISE_SHARE, PLAUSIBLE_SHARE, SAMPLE
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import quarantine
from connector.web.app import create_app
from connector.web.collect import MOST_BYTES
from tests.conftest import Clock
from tests.flow.senders import add_connection
from tests.intake.workspace import commits_counted, delivery, quarantined
from tests.web.answers import add_connections
from tests.web.malformed import OTHER_SECRET, SHOP
from tests.web.test_collect import HEADERS, body

Post = Callable[..., int]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: the bounds are the store's, and tested there on both."""
    return sqlite_url


@pytest.fixture
def post(runtime: Runtime, tmp_path: Any) -> Post:
    """Posts a webhook to the shop, as the reverse proxy passes it on from an address; the status of the answer."""
    add_connections(runtime)
    environ = {"CONNECTOR_DATA_DIR": str(tmp_path), "CONNECTOR_PROXIES": "1"}
    runtime.__dict__["config"] = read_config(
        {**environ, "DATABASE_URL": runtime.database.url.render_as_string(hide_password=False)}, tmp_path
    )
    client = create_app(runtime.config, runtime).test_client()

    def send(data: bytes, headers: Mapping[str, str], address: str, path: str = f"/webhooks/{SHOP}") -> int:
        forwarded = {"X-Forwarded-For": f"203.0.113.99, {address}"}
        return client.post(path, data=data, headers={**headers, **forwarded}).status_code

    return send


JSON = {"Content-Type": "application/json"}


def plausible(number: int) -> tuple[bytes, Mapping[str, str]]:
    sent = delivery(f"msg_{number}", secret=OTHER_SECRET)
    return sent.body, sent.headers


def test_noise_never_pushes_out_what_a_sender_with_a_wrong_secret_sent(runtime: Runtime, post: Post) -> None:
    for number in range(20):
        assert post(*plausible(number), "198.51.100.1") == 401
    for number in range(400):
        assert post(b"{}", JSON, f"192.0.2.{number % 200}") == 401
    kept = quarantined(runtime)
    assert sum(one.is_plausible for one in kept) == 20
    assert len(kept) < 20 + CONNECTION_SHARES * NOISE_SHARE + 400 / SAMPLE + 1


def test_a_flood_of_one_address_costs_few_writes_and_is_still_seen(runtime: Runtime, post: Post, clock: Clock) -> None:
    with commits_counted(runtime.database) as commits:
        for _ in range(NOISE_SHARE + 3 * SAMPLE):
            assert post(b"{}", JSON, "192.0.2.1") == 401
    assert commits[0] <= NOISE_SHARE + 3
    assert len(quarantined(runtime)) == NOISE_SHARE + 3
    assert post(b"{}", JSON, "192.0.2.2") == 401
    assert len(quarantined(runtime)) == NOISE_SHARE + 4
    clock.forward(minutes=1)
    assert post(b"{}", JSON, "192.0.2.1") == 401
    assert len(quarantined(runtime)) == NOISE_SHARE + 5


def test_large_noise_is_kept_as_its_error_and_counts_as_many(runtime: Runtime, post: Post) -> None:
    for _ in range(50):
        assert post(b"x" * 250_000, JSON, "192.0.2.1") == 401
    kept = quarantined(runtime)
    assert len(kept) <= 2
    assert {one.sealed for one in kept} == {""}
    assert sum(one.weight for one in kept) < 2_000


def test_what_looks_like_the_sender_s_has_a_larger_share_which_ends_too(runtime: Runtime, post: Post) -> None:
    for number in range(PLAUSIBLE_SHARE + 50):
        assert post(*plausible(number), "192.0.2.1") == 401
    assert len(quarantined(runtime)) == PLAUSIBLE_SHARE


@pytest.fixture
def collect(runtime: Runtime, post: Post) -> Post:
    """Posts to a tracker that takes 100 deliveries of a site a minute; the status of the answer."""
    secrets, sites = {"identity_secret": [TOKEN_SECRET]}, {"sites": [SITE], "site_keys": [SITE_KEY]}
    add_connection(
        runtime, "site", adapter="tracker", secrets=secrets, mapping="adapter: tracker\n", per_minute=600, **sites
    )

    def send(data: bytes, address: str, key: str = SITE_KEY, **headers: str) -> int:
        return post(data, {**HEADERS, **headers}, address, f"/collect/site?key={key}")

    return send


def test_what_has_no_proof_uses_up_nothing_of_a_tracker_and_is_hardly_kept(runtime: Runtime, collect: Post) -> None:
    for number in range(700):
        status = collect(
            b"x" * 5_000, f"192.0.2.{number % 200}", *(["wrong"] if number % 2 else []), Origin="https://a"
        )
        assert status == 401
    assert collect(body(), "198.51.100.1") == 204
    with runtime.database.read() as connection:
        kept = quarantine.listed(connection, "site")
    assert len(kept) <= CONNECTION_SHARES * NOISE_SHARE + 700 / SAMPLE
    assert {(one.size, one.sealed) for one in kept} == {(0, "")}


def test_one_address_does_not_use_up_the_share_of_a_site(collect: Post) -> None:
    answers = [collect(body(number, number), "192.0.2.1") for number in range(1, 70)]
    assert answers == [204] * 60 + [429] * 9
    assert collect(body(100, 100), "192.0.2.2") == 204


def test_what_a_tracker_has_stored_in_a_minute_is_bounded_in_bytes(collect: Post) -> None:
    large = [body(number, number, fields={"x": "y" * 29_000}) for number in range(1, 11)]
    assert all(len(one) < MOST_BYTES for one in large)
    assert [collect(one, "192.0.2.1") for one in large] == [204] * 4 + [429] * 6
    assert collect(b" " * (MOST_BYTES + 1), "192.0.2.3") == 413


def test_an_address_of_our_own_network_may_be_a_proxy_and_is_nobody_s(runtime: Runtime, post: Post) -> None:
    client: FlaskClient = create_app(read_config({}, runtime.config.data_dir), runtime).test_client()
    del post
    for _ in range(2 * NOISE_SHARE):
        assert client.post(f"/webhooks/{SHOP}", data=b"{}", headers=JSON).status_code == 401
    assert len(quarantined(runtime)) == 2 * NOISE_SHARE
