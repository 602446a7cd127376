"""Hostile requests over HTTP, written once and run for every system: a clear refusal, nothing lost, never a 500."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from flask.testing import FlaskClient

from connector.adapter_kit.contract import Delivery
from connector.core.mapping import MappingRules
from connector.intake.receive import Intake, Writer
from connector.runtime.connections import BrokenConnection, Connected
from connector.runtime.parts import Runtime
from connector.store import quarantine
from connector.store.quarantine import Bounds
from connector.web.app import create_app
from tests.adapters.support import Signing, signing_of
from tests.adapters.test_security import DEAF, GARBAGE_BODIES, GARBAGE_TEXT, HEARING
from tests.conftest import Clock

PATHS = {"tracker": "/collect"}
REFUSED = frozenset({400, 401, 405, 413, 415})


class _Connections:
    """One connection for each system, named as it, with the two secrets of its tests."""

    def __init__(self) -> None:
        self._known: dict[str, Connected] = {}
        for system in (*HEARING, *DEAF):
            signing = signing_of(system)
            self._known[system] = Connected(
                name=system,
                adapter=signing.build(signing.secrets),
                is_paused=False,
                rules=MappingRules(adapter=system),
                version=None,
                secrets=signing.secrets,
            )

    def get(self, name: str) -> Connected | None:
        if name == "broken":
            raise BrokenConnection(name)
        return self._known.get(name)

    def all(self) -> Mapping[str, Connected]:
        return self._known


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    connections: Any = _Connections()
    writer = Writer(runtime.database, Bounds(most=100, most_bytes=10_000_000), runtime.wakeups.enqueue_drains)
    intake = Intake(connections=connections, vault=runtime.vault, writer=writer, lanes=runtime.config.lanes)
    return create_app(runtime.config, runtime, intake).test_client()


def _send(client: FlaskClient, clock: Clock, system: str, delivery: Delivery) -> int:
    """The status of the answer, which is a problem document unless it accepts."""
    clock.now = signing_of(system).delivery.received_at
    headers = {name: value for name, value in delivery.headers.items() if _is_sendable(value)}
    query = [(name, value) for name, value in delivery.query if _is_sendable(name + value)]
    answer = client.open(
        f"{PATHS.get(system, '/webhooks')}/{system}",
        method=delivery.method,
        query_string=dict(query),
        headers=headers,
        data=delivery.body,
    )
    assert answer.status_code < 500, (system, answer.get_data(as_text=True))
    if answer.status_code >= 400:
        assert answer.content_type == "application/problem+json"
        problem = answer.get_json()
        assert problem["status"] == answer.status_code
        assert problem["detail"]
        for secret in signing_of(system).secrets:
            assert secret not in answer.get_data(as_text=True)
    return int(answer.status_code)


def _is_sendable(text: str) -> bool:
    """Whether an HTTP client can send it at all."""
    return text.isprintable() and text.isascii()


def _quarantined(runtime: Runtime, system: str) -> int:
    with runtime.database.read() as connection:
        return quarantine.count(connection).get(system, 0)


def _signed(signing: Signing, secret: str | None = None, late: int = 0, **changes: Any) -> Delivery:
    at = signing.delivery.received_at - timedelta(seconds=late)
    return signing.sign(replace(signing.delivery, **changes), secret or signing.secrets[0], at)


@pytest.mark.parametrize("system", HEARING)
def test_no_wrong_and_old_proofs_are_refused_and_kept_for_a_while(
    runtime: Runtime, client: FlaskClient, clock: Clock, system: str
) -> None:
    signing = signing_of(system)
    assert _send(client, clock, system, _signed(signing)) < 300
    assert _send(client, clock, system, _signed(signing, signing.secrets[1])) < 300
    assert _quarantined(runtime, system) == 0
    assert _send(client, clock, system, signing.delivery) == 401
    wrong = signing.sign(signing.delivery, "".join(reversed(signing.secrets[0])), signing.delivery.received_at)
    assert _send(client, clock, system, wrong) == 401
    assert _quarantined(runtime, system) == 2
    if signing.is_timed:
        assert _send(client, clock, system, _signed(signing, late=3600)) == 401


@pytest.mark.parametrize("system", HEARING)
def test_garbage_in_headers_query_and_body_is_refused_or_taken_and_never_an_error_of_ours(
    client: FlaskClient, clock: Clock, system: str
) -> None:
    signing = signing_of(system)
    for body in GARBAGE_BODIES.values():
        assert _send(client, clock, system, replace(signing.delivery, body=body)) in REFUSED
        _send(client, clock, system, _signed(signing, body=body))
    signed = _signed(signing)
    for garbage in GARBAGE_TEXT:
        for name in signed.headers:
            if name not in {"content-length", "host"}:
                _send(client, clock, system, replace(signed, headers={**signed.headers, name: garbage[:4000]}))
        _send(client, clock, system, replace(signed, query=(*signed.query, ("x", garbage[:4000]))))


def test_a_system_that_sends_nothing_is_refused_whatever_comes(client: FlaskClient, clock: Clock) -> None:
    for system, body in product(DEAF, GARBAGE_BODIES.values()):
        assert _send(client, clock, system, replace(signing_of(system).delivery, body=body)) in REFUSED


@pytest.mark.parametrize("system", HEARING)
def test_what_is_too_large_or_of_another_kind_is_refused(client: FlaskClient, clock: Clock, system: str) -> None:
    signing = signing_of(system)
    huge = _signed(signing, body=b"x" * (11 * 1024 * 1024))
    assert _send(client, clock, system, huge) == 413
    image = replace(signing.delivery, headers={**signing.delivery.headers, "content-type": "image/png"})
    assert _send(client, clock, system, image) in {401, 415}
