"""`connector delivery send`: a test webhook of the connection's system, sent to the running product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from connector.emulators.engine.loopback import Loopback
from connector.operations.flow import build_intake
from connector.runtime.parts import Runtime
from connector.web.app import create_app
from tests.cli.conftest import Cli
from tests.flow.senders import add_connection, drain


@pytest.fixture
def running(cli: Cli, server: Runtime) -> Iterator[Cli]:
    """The command line beside a running product, which works off what comes in."""
    app = create_app(server.config, server, build_intake(server, lambda _lanes: drain(server)))
    with Loopback(app) as served:
        port = str(urlsplit(served.url).port)
        yield replace(cli, environ={**cli.environ, "CONNECTOR_PORT": port})


def test_a_test_webhook_is_proved_taken_and_worked_off(running: Cli, server: Runtime) -> None:
    add_connection(server)
    sent = running("delivery", "send", "shop", "--example", "identify").stdout
    (row,) = running.lines("delivery", "list")
    assert sent.startswith("202 ")
    assert sent.endswith(f"\nDelivery {row['id']}: applied.\n")
    assert running.json("delivery", "send", "shop")["outcome"] == "held"
    assert len(running.lines("delivery", "list")) == 2


def test_what_is_not_taken_ends_with_1_and_shows_the_answer(running: Cli, server: Runtime) -> None:
    add_connection(server)
    running("connection", "pause", "shop")
    assert "paused" in running("delivery", "send", "shop", code=1).stdout
    assert running.lines("delivery", "list") == []


def test_the_examples_of_a_system_are_named(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    add_connection(server, "stats", adapter="matomo", secrets={"token": ["a token"]}, mapping="adapter: matomo\n")
    assert cli("delivery", "send", "shop", "--list").stdout == "stage\naction\nidentify\n"
    assert cli("delivery", "send", "stats", "--list").stdout == "matomo sends no webhooks.\n"
    assert "standard has no example 'x'; there are: stage" in cli.error("delivery", "send", "shop", "--example", "x")


def test_where_nothing_runs_the_sentence_says_so(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    said = cli.error("delivery", "send", "shop", CONNECTOR_PORT="1")
    assert "nothing answers at http://127.0.0.1:1/webhooks/shop: is `connector up` running" in said
