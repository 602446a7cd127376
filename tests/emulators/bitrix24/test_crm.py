"""A portal on loopback: REST over a socket, webhooks to a handler, faults on their way."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
import requests

from connector.emulators.bitrix24.crm import TOKEN, Bitrix24Crm
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.engine.faults import Faults
from tests.conftest import Clock
from tests.emulators.bitrix24.harness import PAYLOADS, STARTED
from tests.emulators.inbox import Inbox


def test_a_portal_that_does_not_run_has_no_address() -> None:
    idle = Bitrix24Crm()
    for name in ("url", "webhook_url", "sender"):
        with pytest.raises(RuntimeError, match="enter it by `with`"):
            getattr(idle, name)


def test_a_change_by_rest_comes_back_as_a_webhook_in_the_recorded_form(inbox: Inbox) -> None:
    sample = dict(parse_qsl((PAYLOADS / "01-outgoing-webhook-deal-update.form").read_text()))
    clock = Clock(STARTED)
    with Bitrix24Crm(now=clock) as portal:
        portal.subscribe(inbox.url)
        deal = portal.portal.add(Entity.DEAL, {"title": "x"}, by=14)
        answer = requests.post(
            portal.webhook_url + "crm.item.update",
            json={"entityTypeId": 2, "id": deal, "fields": {"stageId": "WON"}},
            timeout=5,
        )
        assert answer.json()["result"]["item"]["stageId"] == "WON"
        assert portal.drain(5)
    added, updated = sorted((got.form() for got in inbox.got), key=lambda body: body["event"])
    assert (added["event"], updated["event"]) == ("ONCRMDEALADD", "ONCRMDEALUPDATE")
    assert list(updated) == list(sample)
    assert {got.headers["Content-Type"] for got in inbox.got} == {"application/x-www-form-urlencoded"}
    assert (updated["data[FIELDS][ID]"], updated["ts"]) == (str(deal), str(int(clock.now.timestamp())))
    assert updated["auth[application_token]"] == TOKEN
    assert portal.report() == {
        "portal.rest_writes": 1,
        "rest.calls.crm.item.update": 1,
        "rest.requests": 1,
        "webhooks.prompt": 2,
        "webhooks.raised": 2,
        "webhooks.sent": 2,
    }
    assert portal.sender.courier.answers == {202: 2}


def test_a_robot_sends_the_document_and_no_token(inbox: Inbox) -> None:
    sample = dict(parse_qsl((PAYLOADS / "04-robot-webhook-deal.form").read_text()))
    with Bitrix24Crm() as portal:
        portal.robot(inbox.url, Entity.DEAL, 7, token="t", event="visit")
        portal.robot(inbox.url, Entity.DEAL, 8)
        assert portal.drain(5)
    plain, told = sorted(inbox.got, key=lambda got: got.query)
    assert (plain.query, told.query) == ("", "token=t&event=visit")
    assert list(told.form()) == list(sample)
    assert told.form()["document_id[2]"] == "DEAL_7"


def test_webhooks_are_lost_doubled_and_late_the_same_way_for_the_same_seed(inbox: Inbox) -> None:
    def run() -> list[str]:
        inbox.got.clear()
        faults = Faults(seed=7, lost=0.3, doubled=0.3, late=0.5, late_seconds=0.05)
        with Bitrix24Crm(faults=faults, now=Clock(STARTED), threads=1) as portal:
            portal.subscribe(inbox.url)
            for _ in range(40):
                portal.portal.add(Entity.LEAD, {"title": "x"}, by=11)
            assert portal.drain(10)
            tally = portal.tally
        assert tally["webhooks.sent"] == tally["webhooks.raised"] - tally["webhooks.lost"] + tally["webhooks.doubled"]
        assert min(tally[f"webhooks.{name}"] for name in ("lost", "doubled", "late")) > 0
        return [got.form()["data[FIELDS][ID]"] for got in inbox.got]

    first = run()
    assert first != sorted(first, key=int)
    assert sorted(run()) == sorted(first)


def test_a_refused_or_unreachable_handler_loses_the_event(inbox: Inbox) -> None:
    inbox.status = 503
    with Bitrix24Crm() as portal:
        portal.subscribe(inbox.url)
        portal.portal.add(Entity.LEAD, {"title": "x"}, by=11)
        assert portal.drain(5)
        portal.sender.handlers.clear()
        portal.subscribe("http://127.0.0.1:9/webhooks/nobody")
        portal.portal.add(Entity.LEAD, {"title": "x"}, by=11)
        assert portal.drain(5)
        assert (portal.tally["webhooks.refused"], portal.tally["webhooks.failed"]) == (1, 1)
    assert len(inbox.got) == 1


def test_only_subscribed_events_are_sent_and_moves_between_funnels_never(inbox: Inbox) -> None:
    with Bitrix24Crm() as portal:
        portal.subscribe(inbox.url, events=frozenset({"ONCRMDEALUPDATE"}))
        deal = portal.portal.add(Entity.DEAL, {"title": "x"}, by=14)
        portal.portal.change(Entity.DEAL, deal, {"categoryId": 5}, by=14)
        assert portal.drain(5)
        assert inbox.got == []
        portal.portal.move(Entity.DEAL, deal, "C5:WON", by=14)
        assert portal.drain(5)
    assert [got.form()["event"] for got in inbox.got] == ["ONCRMDEALUPDATE"]


def test_an_application_is_told_of_its_installation_and_of_moves_between_funnels(inbox: Inbox) -> None:
    with Bitrix24Crm() as portal:
        refresh = portal.install(inbox.url)
        portal.application.bind("ONCRMDEALMOVETOCATEGORY", inbox.url)
        portal.application.offline.add("ONCRMDEALADD")
        deal = portal.portal.add(Entity.DEAL, {"title": "x"}, by=14)
        portal.portal.change(Entity.DEAL, deal, {"categoryId": 5}, by=14)
        assert portal.drain(5)
        token, queue = portal.application.token, [row.record for row in portal.application.queue]
    bodies = {got.form()["event"]: got.form() for got in inbox.got}
    assert set(bodies) == {"ONAPPINSTALL", "ONCRMDEALMOVETOCATEGORY"}
    assert bodies["ONAPPINSTALL"]["auth[refresh_token]"] == refresh
    assert bodies["ONAPPINSTALL"]["data[LANGUAGE_ID]"] == "en"
    assert "auth[access_token]" in bodies["ONCRMDEALMOVETOCATEGORY"]
    assert {body["auth[application_token]"] for body in bodies.values()} == {token}
    assert queue == [deal]


def test_what_is_still_late_when_the_portal_ends_is_dropped(inbox: Inbox) -> None:
    with Bitrix24Crm(faults=Faults(late=1.0, late_seconds=600)) as portal:
        portal.subscribe(inbox.url)
        portal.portal.add(Entity.LEAD, {"title": "x"}, by=11)
        assert not portal.drain(0.01)
    assert inbox.got == []
