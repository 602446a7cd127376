"""Bitrix24 by an application: tokens that rotate, events that are bound, the offline queue, triggers, inspection."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.bitrix24 import Bitrix24
from adapters.bitrix24.connect import events_for
from connector.adapter_kit.contract import Delivery, InspectionResult, PushOutcome
from connector.core.errors import BadSignature, CrmRefused, CrmUnavailable
from connector.core.event import Kind
from connector.emulators.bitrix24.application import Row
from connector.emulators.bitrix24.fields import Entity
from tests.adapters.bitrix24.fake import FakePortal, event, update
from tests.adapters.bitrix24.harness import Harness, Process
from tests.adapters.support import FakeApi, answer

URL = "https://connector.example.com/webhooks/tokyo"
HANDLER = f"{URL}?token=r0b0t"


@pytest.fixture
def harness() -> Harness:
    return Harness()


def renewals(harness: Harness) -> int:
    return harness.tally["oauth.requests"]


def names(harness: Harness, api: Process) -> list[str]:
    return [person.name for person in harness.adapter.catalog(api).owners]


# Tokens


def test_calls_carry_an_access_token_that_all_processes_share(harness: Harness) -> None:
    first, second = harness.process(), harness.process()
    assert names(harness, first) == names(harness, second) != []
    assert renewals(harness) == 1
    assert set(first.hosts) == {"example-company.bitrix24.com", "oauth.bitrix.info"}
    assert harness.adapter.takes_updates is True


def test_an_expired_token_is_renewed_once_and_by_one_process(harness: Harness) -> None:
    first, second = harness.process(), harness.process()
    for _ in range(3):
        names(harness, first)
        names(harness, second)
        harness.forward(hours=1)
    names(harness, first)
    assert renewals(harness) == 4


def test_an_application_asks_once_which_employee_it_is(harness: Harness) -> None:
    ours, theirs = (harness.portal.add(Entity.LEAD, {"title": "x"}, by=by) for by in (1, 11))
    api = harness.process()

    def movers(adapter: Bitrix24) -> list[bool | None]:
        stages = [one for one in adapter.changes(harness.now, api) if one.kind is Kind.STAGE]
        return [one.is_ours for one in stages if one.record and one.record.id in {str(ours), str(theirs)}]

    assert movers(harness.adapter) == [True, False, True, False]
    assert movers(harness.by_webhook) == [True, False, True, False]
    movers(harness.adapter)
    assert api.calls.count("POST /rest/profile") == 1
    api.memo["us"] = None
    assert movers(harness.adapter) == [None] * 4


def test_an_application_that_may_not_ask_who_it_is_works_all_the_same() -> None:
    portal = FakePortal()
    portal.add("lead:7", stageId="NEW", movedBy=1)
    portal.errors["profile"] = ("insufficient_scope", "no")
    portal.memo["access_token"] = "t"
    adapter = Bitrix24(client_id="c", client_secret=("s",), refresh_token=("r",), portal_url="https://a.bitrix24.com")
    fetched = adapter.fetch([event("ONCRMLEADUPDATE", 7)], portal)
    assert (fetched["lead:7"]["movedBy"], fetched["us"]) == (1, None)


def test_two_processes_that_renew_at_once_both_go_on(harness: Harness) -> None:
    first, second = harness.process(), harness.process()
    names(harness, first)
    names(harness, second)
    harness.forward(hours=1)
    pauses: list[float | None] = []

    def ask_meanwhile(_: str) -> None:
        with pytest.raises(CrmUnavailable, match="another process") as caught:
            names(harness, second)
        pauses.append(caught.value.retry_after)

    first.before_next_secret = ask_meanwhile
    assert names(harness, first) != []
    assert pauses == [5.0]
    assert names(harness, second) != []
    harness.forward(hours=1)
    assert names(harness, second) != []


def test_a_process_that_comes_second_takes_what_the_first_kept_meanwhile(harness: Harness) -> None:
    first, second = harness.process(), harness.process()
    names(harness, first)
    names(harness, second)
    harness.forward(hours=1)
    renewed: list[str] = []

    def renew_first(url: str) -> None:
        renewed.append(url)
        names(harness, first)

    second.before_next_token = renew_first
    assert names(harness, second) != []
    assert len(renewed) == 1


def test_a_refresh_token_that_is_not_good_any_more_asks_for_a_person(harness: Harness) -> None:
    harness.application.authorize()
    api = harness.process()
    with pytest.raises(CrmUnavailable, match="another process"):
        names(harness, api)
    with pytest.raises(CrmRefused, match="invalid_grant: let an administrator authorise the application again"):
        names(harness, api)


def test_a_new_refresh_token_takes_the_place_of_those_after_the_old_one(harness: Harness) -> None:
    names(harness, harness.process())
    entered = replace(harness.adapter, refresh_token=(harness.application.authorize(),))
    harness.keeps.pop("access_token")  # as a change of the connection does
    assert entered.catalog(harness.process()).owners
    assert len([name for name in harness.keeps if name.startswith("rotated:")]) == 2
    assert all(len(name) <= 63 for name in harness.keeps)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "wrong_client"}', "wrong_client: check client_id"),
        (b'{"error": "PAYMENT_REQUIRED"}', "the portal's plan or trial has ended"),
        (b'{"error": "odd"}', "odd: check client_id, client_secret, refresh_token and oauth_server"),
        (b"[]", "no token in the answer"),
        (b'{"access_token": "a"}', "no token in the answer"),
    ],
)
def test_what_the_oauth_server_refuses_is_told_with_what_to_do(harness: Harness, body: bytes, message: str) -> None:
    with pytest.raises(CrmRefused, match=message):
        harness.adapter.catalog(FakeApi(answers=[answer(200, body)]))


def test_an_oauth_server_that_is_away_is_asked_again_later(harness: Harness) -> None:
    with pytest.raises(CrmUnavailable):
        harness.adapter.catalog(FakeApi(answers=[answer(200, b"<html>")]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_secret": ()},
        {"refresh_token": ()},
        {"portal_url": ""},
        {"portal_url": "http://example.com"},
        {"portal_url": "https://["},
        {"portal_url": "https://example.com/rest/1/s/"},
        {"oauth_server": "oauth.bitrix.info"},
    ],
)
def test_a_wrong_setting_of_the_application_is_named(harness: Harness, wrong: dict[str, Any]) -> None:
    with pytest.raises(CrmRefused, match=f"cannot be used: {next(iter(wrong))}"):
        replace(harness.adapter, **wrong).catalog(harness.process())


# Events of the application


def _event(token: str | None, **more: str) -> Delivery:
    query = (("token", token),) if token else ()
    body = b"event=ONCRMLEADDELETE&data%5BFIELDS%5D%5BID%5D=7&auth%5Bapplication_token%5D=t"
    return Delivery(
        method="POST", query=query, headers=more, body=body, received_at=datetime.fromisoformat("2026-03-26T08:00:00Z")
    )


def test_an_application_s_events_are_proven_by_the_token_in_their_address(harness: Harness) -> None:
    one = _event("r0b0t")
    harness.adapter.verify(one, one.received_at)
    replace(harness.adapter, application_tokens=("t",)).verify(_event(None), one.received_at)
    for adapter, bad in (
        (harness.adapter, _event("wrong")),
        (harness.adapter, _event(None)),
        (replace(harness.adapter, robot_token=(), application_tokens=("t",)), _event("r0b0t")),
        (harness.by_webhook, one),
    ):
        with pytest.raises(BadSignature):
            adapter.verify(bad, one.received_at)


def test_all_events_of_the_objects_are_bound_once_and_again_after_an_update_of_the_application(
    harness: Harness,
) -> None:
    api = harness.process()
    again = harness.adapter.subscribe(URL, harness.now, api)
    assert again == harness.now + timedelta(days=1)
    bound = [(event, handler.url) for handler in harness.application.handlers for event in handler.events]
    assert bound == [(event, HANDLER) for event in events_for(("lead", "deal"))]
    assert "ONCRMDEALMOVETOCATEGORY" in dict(bound)
    harness.adapter.subscribe(URL, harness.now, api)
    assert len(harness.application.handlers) == len(bound)
    harness.application.handlers.clear()
    harness.adapter.subscribe(URL, harness.now, api)
    assert len(harness.application.handlers) == len(bound)
    assert harness.application.offline == set()


def test_another_token_is_bound_in_place_of_the_old_one_and_other_addresses_are_left_alone(harness: Harness) -> None:
    api = harness.process()
    harness.application.bind("ONCRMLEADADD", "https://other.example.com/hook")
    harness.adapter.subscribe(URL, harness.now, api)
    replace(harness.adapter, robot_token=("newer", "r0b0t")).subscribe(URL, harness.now, api)
    urls = {handler.url for handler in harness.application.handlers}
    assert urls == {"https://other.example.com/hook", f"{URL}?token=newer"}


def test_objects_of_other_kinds_are_bound_by_their_common_events() -> None:
    assert events_for(("contact", "dynamic_1044", "smart_invoice")) == [
        *("ONCRMCONTACTADD", "ONCRMCONTACTUPDATE", "ONCRMCONTACTDELETE"),
        *("ONCRMDYNAMICITEMADD", "ONCRMDYNAMICITEMUPDATE", "ONCRMDYNAMICITEMDELETE"),
    ]


def test_nothing_is_bound_without_an_application_or_a_token_and_a_refusal_is_told(harness: Harness) -> None:
    api = harness.process()
    assert harness.by_webhook.subscribe(URL, harness.now, api) is None
    with pytest.raises(CrmRefused, match="set the secret robot_token"):
        replace(harness.adapter, robot_token=()).subscribe(URL, harness.now, api)
    harness.application.is_administrator = False
    with pytest.raises(CrmRefused, match="ACCESS_DENIED"):
        harness.adapter.subscribe(URL, harness.now, api)


# The offline queue


def _deleted(harness: Harness, api: Process, since: datetime) -> list[str]:
    adapter = replace(harness.adapter, offline_events=True)
    return [event.key.partition("@")[0] for event in adapter.changes(since, api) if ":deleted@" in event.key]


def _leads(harness: Harness, count: int) -> list[int]:
    replace(harness.adapter, offline_events=True).subscribe(URL, harness.now, harness.process())
    found = [harness.portal.add(Entity.LEAD, {"title": "x"}, by=1) for _ in range(count)]
    for lead in found:
        harness.portal.delete(Entity.LEAD, lead)
    return found


def test_deletions_come_from_the_offline_queue_and_stay_there_until_they_are_stored(harness: Harness) -> None:
    leads = _leads(harness, 60)
    keys, since = [f"lead:{lead}:deleted" for lead in leads], harness.now - timedelta(hours=1)
    assert harness.application.offline == {"ONCRMLEADDELETE", "ONCRMDEALDELETE"}
    assert _deleted(harness, harness.process(), since) == keys
    assert _deleted(harness, harness.process(), since) == keys, "the run before was not stored: the same `since`"
    assert len(harness.application.queue) == 60
    harness.forward(hours=1)
    assert _deleted(harness, harness.process(), since + timedelta(hours=1)) == []
    assert harness.application.queue == []


def test_a_plan_without_the_extended_mode_gives_them_once(harness: Harness) -> None:
    harness.application.is_extended = False
    leads = _leads(harness, 51)
    assert _deleted(harness, harness.process(), harness.now) == [f"lead:{lead}:deleted" for lead in leads]
    assert _deleted(harness, harness.process(), harness.now) == []


def test_entries_that_name_no_record_and_those_of_other_objects_are_left_out(harness: Harness) -> None:
    _leads(harness, 2)
    harness.application.offline.add("ONCRMCONTACTDELETE")
    contact = harness.portal.add(Entity.CONTACT, {"name": "x"}, by=1)
    harness.portal.delete(Entity.CONTACT, contact)
    assert len(_deleted(harness, harness.process(), harness.now)) == 2
    harness.application.queue[:] = [Row(id=1, at=harness.now, event="ONCRMLEADDELETE", record=None)]
    assert _deleted(harness, harness.process(), harness.now) == []


def test_without_the_setting_or_the_application_the_queue_is_left_alone(harness: Harness) -> None:
    _leads(harness, 1)
    for adapter in (harness.adapter, replace(harness.by_webhook, offline_events=True)):
        assert list(adapter.changes(harness.now, harness.process())) == []
    assert [row.process for row in harness.application.queue] == [None]


# Triggers that are fired


def _push(adapter: Bitrix24, api: Process, **fields: Any) -> tuple[PushOutcome, str | None]:
    name = fields.pop("name", "lead:1")
    (result,) = adapter.push([update(name, **fields)], api)
    return result.outcome, result.reason


def test_a_push_fires_the_trigger_once_for_a_status(harness: Harness) -> None:
    harness.portal.add(Entity.LEAD, {"title": "x"}, by=1)
    harness.portal.triggers["abm-hot"] = (Entity.LEAD, "IN_PROCESS")
    api, fields = harness.process(), {"TRIGGER": "abm-hot", "UF_CRM_ABM_STATUS": "Explicit"}
    assert _push(harness.by_webhook, api, **fields) == (PushOutcome.DONE, None)
    assert harness.portal.stage_of(Entity.LEAD, 1) == "IN_PROCESS"
    harness.portal.move(Entity.LEAD, 1, "PROCESSED", by=1)
    assert _push(harness.by_webhook, api, **fields) == (PushOutcome.DONE, None)
    assert harness.portal.stage_of(Entity.LEAD, 1) == "PROCESSED"
    assert _push(harness.adapter, api, TRIGGER="abm-hot") == (PushOutcome.DONE, None)
    assert harness.tally["rest.calls.crm.automation.trigger"] == 2


def test_a_trigger_that_fails_keeps_the_rest_back_and_stops_no_other(harness: Harness) -> None:
    harness.portal.add(Entity.LEAD, {"title": "x"}, by=1)
    api = harness.process()
    harness.faults.blocked = frozenset({"crm.automation.trigger"})
    outcome, reason = _push(harness.by_webhook, api, TRIGGER="abm-hot", UF_CRM_ABM_STATUS="Explicit")
    assert (outcome, "OPERATION_TIME_LIMIT" in (reason or "")) == (PushOutcome.LATER, True)
    assert harness.portal.find(Entity.LEAD, 1).get("UF_CRM_ABM_STATUS") is None
    harness.faults.blocked = frozenset()
    gone, there = harness.by_webhook.push(
        [update("lead:9", TRIGGER="abm-hot", UF_CRM_ABM_STATUS="x"), update("lead:1", UF_CRM_ABM_STATUS="x")], api
    )
    assert (gone.outcome, there.outcome) == (PushOutcome.GONE, PushOutcome.DONE)
    outcome, reason = _push(harness.by_webhook, api, name="contact:1", TRIGGER="abm-hot")
    assert (outcome, reason) == (PushOutcome.REFUSED, "TRIGGER: only lead and deal have triggers that can be fired")


# Inspection


def _found(harness: Harness, adapter: Bitrix24) -> dict[str, tuple[bool, str]]:
    found: list[InspectionResult] = list(adapter.inspect(URL, harness.process()))
    return {one.topic: (one.is_good, one.text) for one in found}


def test_a_look_tells_who_calls_scopes_operating_time_and_registered_events(harness: Harness) -> None:
    found = _found(harness, harness.adapter)
    user = harness.portal.users[1]
    text = f"the portal answers; calls are made as {user.name} {user.last_name} (employee 1, an administrator)"
    assert found["credentials"] == (True, text)
    assert found["scopes"] == (True, "granted: crm, user_basic")
    assert found["limits"] == (True, "crm.item.list has used 0 s of about 480 s of operating time in ten minutes")
    is_good, text = found["webhooks"]
    assert (is_good, text.startswith(f"not registered for {URL}: ONCRMDEALADD, ")) == (False, True)
    harness.adapter.subscribe(URL, harness.now, harness.process())
    assert _found(harness, harness.adapter)["webhooks"] == (True, f"the application's events are registered for {URL}")
    assert "r0b0t" not in str(found)


def test_an_incoming_webhook_cannot_list_what_is_registered(harness: Harness) -> None:
    assert set(_found(harness, harness.by_webhook)) == {"credentials", "scopes", "limits"}
    closed = replace(harness.by_webhook, robot_token=())
    assert _found(harness, closed)["webhooks"] == (
        False,
        "neither application_tokens nor robot_token is set: every delivery is refused",
    )


def test_missing_scopes_and_bad_credentials_are_told(harness: Harness) -> None:
    harness.portal.webhook_scopes = ("user_brief",)
    is_good, text = _found(harness, harness.by_webhook)["scopes"]
    assert (is_good, text.partition(";")[0]) == (False, "missing: crm, user_basic")
    harness.faults.has_bad_credentials = True
    for adapter in (harness.by_webhook, harness.adapter):
        found = _found(harness, adapter)
        assert (list(found), found["credentials"][0]) == (["credentials"], False)
    harness.faults.has_bad_credentials = False
    harness.faults.blocked = frozenset({"scope"})
    with pytest.raises(CrmUnavailable):
        _found(harness, harness.by_webhook)


def test_a_refused_look_at_records_and_a_portal_without_limits_are_told(harness: Harness) -> None:
    no_right = replace(harness.by_webhook, objects=("dynamic_7",))
    assert _found(harness, no_right)["scopes"][0] is False
    harness.rest.limits_operation = False
    assert _found(harness, replace(harness.by_webhook, objects=()))["limits"] == (
        True,
        "the portal names no operating time: it limits none",
    )
