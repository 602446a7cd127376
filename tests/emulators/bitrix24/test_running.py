"""A portal on loopback: REST over a socket, webhooks to a handler, faults on their way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
import requests
from flask import Flask, Response, request
from werkzeug.serving import make_server

from connector.emulators.bitrix24.crm import TOKEN, Bitrix24Crm
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.engine.faults import Faults
from tests.emulators.conftest import PAYLOADS, Clock


class Inbox:
    """A handler that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str]]] = []
        self.status = 202
        app = Flask(__name__)
        app.add_url_rule("/webhooks/<name>", view_func=self._take, methods=["POST"], endpoint="take")
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/bitrix24"

    def _take(self, name: str) -> Response:
        assert name == "bitrix24"
        assert request.content_type == "application/x-www-form-urlencoded"
        self.got.append((request.query_string.decode(), dict(parse_qsl(request.get_data(as_text=True)))))
        return Response(status=self.status)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.close()


def test_a_portal_that_does_not_run_has_no_address() -> None:
    idle = Bitrix24Crm()
    for name in ("url", "webhook_url", "sender"):
        with pytest.raises(RuntimeError, match="enter it by `with`"):
            getattr(idle, name)


def test_a_change_by_rest_comes_back_as_a_webhook_in_the_recorded_form(inbox: Inbox) -> None:
    sample = dict(parse_qsl((PAYLOADS / "01-outgoing-webhook-deal-update.form").read_text()))
    clock = Clock()
    with Bitrix24Crm(now=clock) as running:
        running.subscribe(inbox.url)
        deal = running.portal.add(Entity.DEAL, {"title": "x"}, by=14)
        answer = requests.post(
            running.webhook_url + "crm.item.update",
            json={"entityTypeId": 2, "id": deal, "fields": {"stageId": "WON"}},
            timeout=5,
        )
        assert answer.json()["result"]["item"]["stageId"] == "WON"
        assert running.drain(5)
    added, updated = sorted((body for _, body in inbox.got), key=lambda body: body["event"])
    assert (added["event"], updated["event"]) == ("ONCRMDEALADD", "ONCRMDEALUPDATE")
    assert list(updated) == list(sample)
    assert (updated["data[FIELDS][ID]"], updated["ts"]) == (str(deal), str(int(clock.now.timestamp())))
    assert updated["auth[application_token]"] == TOKEN
    assert running.report() == {
        "portal.rest_writes": 1,
        "rest.calls.crm.item.update": 1,
        "rest.requests": 1,
        "webhooks.prompt": 2,
        "webhooks.raised": 2,
        "webhooks.sent": 2,
    }
    assert running.sender.courier.answers == {202: 2}


def test_a_robot_sends_the_document_and_no_token(inbox: Inbox) -> None:
    sample = dict(parse_qsl((PAYLOADS / "04-robot-webhook-deal.form").read_text()))
    with Bitrix24Crm() as running:
        running.robot(inbox.url, Entity.DEAL, 7, token="t", event="visit")
        running.robot(inbox.url, Entity.DEAL, 8)
        assert running.drain(5)
    bodies = sorted(inbox.got, key=lambda it: it[0])
    assert [query for query, _ in bodies] == ["", "token=t&event=visit"]
    assert list(bodies[1][1]) == list(sample)
    assert bodies[1][1]["document_id[2]"] == "DEAL_7"


def test_webhooks_are_lost_doubled_and_late_the_same_way_for_the_same_seed(inbox: Inbox) -> None:
    def run() -> list[str]:
        inbox.got.clear()
        faults = Faults(seed=7, lost=0.3, doubled=0.3, late=0.5, late_seconds=0.05)
        with Bitrix24Crm(faults=faults, now=Clock(), threads=1) as running:
            running.subscribe(inbox.url)
            for _ in range(40):
                running.portal.add(Entity.LEAD, {"title": "x"}, by=11)
            assert running.drain(10)
            tally = running.tally
        assert tally["webhooks.sent"] == tally["webhooks.raised"] - tally["webhooks.lost"] + tally["webhooks.doubled"]
        assert min(tally[f"webhooks.{name}"] for name in ("lost", "doubled", "late")) > 0
        return [body["data[FIELDS][ID]"] for _, body in inbox.got]

    first = run()
    assert first != sorted(first, key=int)
    assert sorted(run()) == sorted(first)


def test_a_refused_or_unreachable_handler_loses_the_event(inbox: Inbox) -> None:
    inbox.status = 503
    with Bitrix24Crm() as running:
        running.subscribe(inbox.url)
        running.portal.add(Entity.LEAD, {"title": "x"}, by=11)
        assert running.drain(5)
        running.sender.handlers.clear()
        running.subscribe("http://127.0.0.1:9/webhooks/nobody")
        running.portal.add(Entity.LEAD, {"title": "x"}, by=11)
        assert running.drain(5)
        assert (running.tally["webhooks.refused"], running.tally["webhooks.failed"]) == (1, 1)
    assert len(inbox.got) == 1


def test_only_subscribed_events_are_sent_and_moves_between_funnels_never(inbox: Inbox) -> None:
    with Bitrix24Crm() as running:
        running.subscribe(inbox.url, events=frozenset({"ONCRMDEALUPDATE"}))
        deal = running.portal.add(Entity.DEAL, {"title": "x"}, by=14)
        running.portal.change(Entity.DEAL, deal, {"categoryId": 5}, by=14)
        assert running.drain(5)
        assert inbox.got == []
        running.portal.move(Entity.DEAL, deal, "C5:WON", by=14)
        assert running.drain(5)
    assert [body["event"] for _, body in inbox.got] == ["ONCRMDEALUPDATE"]


def test_an_application_is_told_of_its_installation_and_of_moves_between_funnels(inbox: Inbox) -> None:
    with Bitrix24Crm() as running:
        refresh = running.install(inbox.url)
        running.application.bind("ONCRMDEALMOVETOCATEGORY", inbox.url)
        running.application.offline.add("ONCRMDEALADD")
        deal = running.portal.add(Entity.DEAL, {"title": "x"}, by=14)
        running.portal.change(Entity.DEAL, deal, {"categoryId": 5}, by=14)
        assert running.drain(5)
        token, queue = running.application.token, [row.record for row in running.application.queue]
    bodies = {body["event"]: body for _, body in inbox.got}
    assert set(bodies) == {"ONAPPINSTALL", "ONCRMDEALMOVETOCATEGORY"}
    assert bodies["ONAPPINSTALL"]["auth[refresh_token]"] == refresh
    assert bodies["ONAPPINSTALL"]["data[LANGUAGE_ID]"] == "en"
    assert "auth[access_token]" in bodies["ONCRMDEALMOVETOCATEGORY"]
    assert {body["auth[application_token]"] for body in bodies.values()} == {token}
    assert queue == [deal]


def test_what_is_still_late_when_the_portal_ends_is_dropped(inbox: Inbox) -> None:
    with Bitrix24Crm(faults=Faults(late=1.0, late_seconds=600)) as running:
        running.subscribe(inbox.url)
        running.portal.add(Entity.LEAD, {"title": "x"}, by=11)
        assert not running.drain(0.01)
    assert inbox.got == []
