"""The Zoho adapter: channels that are renewed, records that are looked up, blueprints, pushes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.zoho import Zoho
from adapters.zoho.client import failure_of, is_address
from connector.adapter_kit.contract import Delivery, PushOutcome, Update
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind
from connector.emulators.zoho.crm import FIRST_CHANNEL, TOKEN
from connector.emulators.zoho.state import CONNECTOR, USERS
from tests.adapters.builders import only, update_of, whole
from tests.adapters.served import body
from tests.adapters.support import FakeApi, answer
from tests.adapters.zoho.fake import NOW, URL, FakeAccount, connection

KEIKO, REN, MIO = USERS[:3]
HOOK = "https://connector.example/webhooks/zoho"


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount()


def _delivery(body: bytes | Mapping[str, Any], *query: tuple[str, str], **headers: str) -> Delivery:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(method="POST", query=query, headers=headers, body=content, received_at=NOW)


def _form(**values: str) -> Delivery:
    return _delivery(urlencode(values).encode())


def _callback(*ids: Any, module: Any = "Leads", operation: str = "update", **more: Any) -> dict[str, Any]:
    return {
        "server_time": 1772600400000,
        "module": module,
        "ids": list(ids),
        "operation": operation,
        "channel_id": str(FIRST_CHANNEL),
        "token": TOKEN,
        **more,
    }


def _read(account: FakeAccount, body: Mapping[str, Any], **more: Any) -> list[Event]:
    adapter, delivery = connection(**more), _delivery(body)
    return whole(adapter, delivery, account)


def _update(record_id: str, module: str = "Leads", *, owner: str | None = None, **fields: Any) -> Update:
    field = "Owner" if owner else None
    return update_of(f"{module}:{record_id}", fields, since=NOW, owner=owner, owner_field=field)


def _push(account: FakeAccount, *updates: Update, **more: Any) -> list[tuple[PushOutcome, str | None]]:
    return [(one.outcome, one.reason) for one in connection(**more).push(updates, account)]


# What comes in


def test_a_callback_of_another_channel_is_refused() -> None:
    connection().verify(_delivery(_callback("1")), NOW)
    for channel in (FIRST_CHANNEL - 1, FIRST_CHANNEL + 100):
        with pytest.raises(BadSignature, match="the channel is none of this connection"):
            connection().verify(_delivery(_callback("1", channel_id=channel)), NOW)


def test_a_webhook_is_proven_by_its_own_secret_in_body_header_or_address() -> None:
    adapter = connection()
    adapter.verify(_form(lead_id="1", secret="b7d1f0a2c9"), NOW)
    adapter.verify(_delivery({"module": "Leads", "id": "1", "secret": "b7d1f0a2c9"}), NOW)
    adapter.verify(_delivery({"module": "Leads", "id": "1"}, secret="b7d1f0a2c9"), NOW)
    adapter.verify(_delivery({"module": "Leads", "id": "1"}, ("secret", "b7d1f0a2c9")), NOW)
    unread = _delivery(b"{")
    for wrong in (_form(lead_id="1", secret=TOKEN), _form(lead_id="1"), _delivery({"secret": 7}), unread):
        with pytest.raises(BadSignature):
            adapter.verify(wrong, NOW)
    with pytest.raises(BadSignature):
        Zoho(token=("t",)).verify(_form(lead_id="1", secret="t"), NOW)


def test_several_ids_in_a_callback_are_read_together_and_a_bad_one_is_a_mistake_of_its_own(
    account: FakeAccount,
) -> None:
    leads = [account.crm.add(f"p{number}@example.com") for number in range(60)]
    adapter, delivery = connection(), _delivery(_callback(*leads, 7, "x"))
    events = adapter.parse(delivery, adapter.fetch([delivery, delivery], account))
    assert {event.record.id for event in events if isinstance(event, Event) and event.record} == set(leads)
    assert [event.path for event in events if isinstance(event, BadPayload)] == ["$.ids[60]", "$.ids[61]"]
    assert account.calls.count("POST coql") == 2
    assert len(adapter.receive(delivery).key) == 64
    assert adapter.receive(delivery).lane == f"Leads:{leads[0]}"


def test_the_key_tells_two_changes_apart_and_is_the_same_for_one() -> None:
    def key(delivery: Delivery) -> str:
        return connection().receive(delivery).key

    assert key(_delivery(_callback("1"))) == f"{FIRST_CHANNEL}:Leads:update:1:1772600400000"
    assert key(_delivery(_callback("1"))) != key(_delivery(_callback("1", server_time=1772600400001)))
    assert key(_form(lead_id="1", modified="a")) == key(_form(modified="a", lead_id="1", secret="s"))
    assert key(_form(lead_id="1", modified="a")) != key(_form(lead_id="1", modified="b"))
    assert NOW.isoformat() in key(_form(lead_id="1"))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ([], "$"),
        (_callback("1", module=7), "$.ids"),
        (_callback("1", module="a b"), "$.module"),
        (_callback(*["1"] * 1001), "$.ids"),
        (_callback("1", server_time="soon"), "$.server_time"),
        (_callback("1", server_time=10**15), "$.server_time"),
        ({"module": "Leads", "id": "x"}, "$.id"),
        ({"module": "Leads", "id": "1", "event": 7}, "$.event"),
    ],
)
def test_what_cannot_be_read_names_the_place(body: Any, path: str) -> None:
    with pytest.raises(BadPayload) as caught:
        _raise(connection().parse(_delivery(json.dumps(body).encode()), {}))
    assert caught.value.path in {path, "$.module"}


def _raise(parts: Sequence[Event | BadPayload]) -> None:
    """Raises the first mistake."""
    for part in parts:
        if isinstance(part, BadPayload):
            raise part


@given(body=st.text())
@settings(max_examples=40)
def test_any_form_is_read_or_refused(body: str) -> None:
    delivery = _delivery(body.encode(errors="replace"))
    with suppress(BadPayload):
        assert isinstance(connection().receive(delivery).lane, str)
    assert connection().fetch([delivery], FakeAccount()) == {}


def test_an_operation_that_was_never_seen_is_held_and_another_module_ignored(account: FakeAccount) -> None:
    with pytest.raises(UnknownEvent, match="the operation merge is not known"):
        _read(account, _callback("1", operation="merge"))
    assert _read(account, _callback("1", module="Accounts")) == []
    with pytest.raises(CrmUnavailable, match="Leads:1 was not read"):
        connection().parse(_delivery(_callback("1")), {})


def test_a_record_becomes_identity_stage_owner_and_profile(account: FakeAccount) -> None:
    lead = account.crm.add("Ann@Example.com ", owner=REN.id, Mobile="090-1234-5678", Phone="03-1234-5678")
    events = _read(account, _callback(lead))
    assert [(event.kind, event.at) for event in events] == [
        (kind, NOW) for kind in (Kind.IDENTIFY, Kind.STAGE, Kind.OWNER, Kind.PROFILE)
    ]
    assert set(events[0].identities) == {
        Identity(kind=IdentityKind.RECORD, value=f"Leads:{lead}"),
        Identity(kind=IdentityKind.EMAIL, value="ann@example.com"),
        Identity(kind=IdentityKind.PHONE, value="09012345678"),
    }
    assert only(events, Kind.STAGE).stage == "Not Contacted"
    assert (only(events, Kind.OWNER).owner, only(events, Kind.OWNER).owner_email) == (REN.id, REN.email)


def test_a_deal_s_contact_finds_its_subject_and_what_is_no_address_nobody(account: FakeAccount) -> None:
    contact = account.crm.shelf.add("Contacts", {"Email": "none", "Mobile": "ext. 7", "Full_Name": "Ann"}).id
    fields = {"Stage": "Qualification", "Pipeline": "Standard", "Contact_Name": {"name": "Ann", "id": contact}}
    deal = account.crm.shelf.add("Deals", fields).id
    bare = account.crm.shelf.add("Deals", {"Stage": None}).id
    events = _read(account, _callback(deal, module="Deals"))
    assert [one.value for one in events[0].identities] == [f"Deals:{deal}", f"Contacts:{contact}"]
    assert (only(events, Kind.STAGE).pipeline, only(events, Kind.PROFILE).data["Contact"]["Full_Name"]) == (None, "Ann")
    assert only(_read(account, _callback(deal, module="Deals"), pipelines="yes"), Kind.STAGE).pipeline == "Standard"
    events = _read(account, _callback(bare, module="Deals"))
    assert [event.kind for event in events] == [Kind.IDENTIFY, Kind.OWNER, Kind.PROFILE]
    assert (events[1].owner, events[1].owner_email) == (None, None)


def test_unrelated_changes_do_not_date_stage_and_owner_anew(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    account.clock.forward(hours=1)
    account.crm.move(lead, "Contacted")
    account.crm.assign(lead, REN.id)
    moved = account.clock.now
    before = {event.key for event in _read(account, _callback(lead))}
    account.clock.forward(hours=1)
    account.crm.shelf.change("Leads", lead, {"ABM_Status": "Explicit"}, by=CONNECTOR)
    after = _read(account, _callback(lead))
    assert (only(after, Kind.STAGE).at, only(after, Kind.OWNER).at) == (moved, moved)
    assert {event.key for event in after} - before == {only(after, Kind.PROFILE).key}
    seen = only(_read(account, _callback(lead), timeline="no"), Kind.STAGE)
    assert (seen.at, seen.is_seen) == (account.clock.now, True)


def test_a_timeline_that_lags_or_is_long_gives_the_present_stage_by_the_newest_change(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    account.clock.forward(hours=1)
    account.crm.move(lead, "Contacted")
    account.crm.record(lead).fields["Lead_Status"] = "Junk Lead"
    account.crm.record(lead).modified += timedelta(minutes=1)
    stage = only(_read(account, _callback(lead)), Kind.STAGE)
    assert (stage.stage, stage.at) == ("Junk Lead", account.crm.record(lead).modified)
    other = account.crm.add("bob@example.com")
    account.clock.forward(hours=1)
    account.crm.shelf.change("Leads", other, {"ABM_Status": "x"})
    adapter, delivery = connection(), _delivery(_callback(other))
    adapter.fetch([delivery], account)
    row = {"id": other, "Created_Time": NOW.isoformat(), "Modified_Time": account.clock.now.isoformat()}
    long = body(200, {"__timeline": [], "info": {"more_records": True}})
    account.answers = [body(200, {"data": [{**row, "Lead_Status": "Contacted", "Owner": None}]}), long]
    assert only(_read(account, _callback(other)), Kind.STAGE).at == account.clock.now


def test_a_timeline_that_is_refused_stops_no_other_record(account: FakeAccount) -> None:
    lead, other = (account.crm.add(f"{who}@example.com") for who in "ab")
    account.clock.forward(hours=1)
    for one in (lead, other):
        account.crm.move(one, "Contacted")
    adapter, delivery = connection(), _delivery(_callback(lead, other))
    adapter.fetch([delivery], account)
    account.memo["users"] = []
    row = {"Created_Time": NOW.isoformat(), "Modified_Time": account.clock.now.isoformat(), "Lead_Status": "Contacted"}
    rows = [{**row, "id": one, "Owner": None} for one in (lead, other)]
    account.answers = [body(200, {"data": rows}), body(400, {"code": "INVALID_DATA", "details": {"api_name": "id"}})]
    stages = [event for event in _read(account, _callback(lead, other)) if event.kind is Kind.STAGE]
    assert [(event.stage, event.is_seen) for event in stages] == [("Contacted", True), ("Contacted", False)]


def test_a_webhook_with_an_event_is_an_action_and_may_name_its_record_in_the_address(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    delivery = _delivery(b"webinar=12", ("lead_id", lead), ("event", "webinar"), ("secret", "b7d1f0a2c9"))
    adapter = connection()
    events = adapter.parse(delivery, adapter.fetch([delivery], account))
    action = only([event for event in events if isinstance(event, Event)], Kind.ACTION)
    assert (action.name, action.data["webinar"], action.data["Email"]) == ("webinar", "12", "ann@example.com")
    assert "secret" not in action.data
    assert adapter.receive(delivery).reply.status == 202


# Reconciliation


def test_reconciliation_gives_the_keys_of_the_callbacks_page_by_page_and_deletions(account: FakeAccount) -> None:
    leads = [account.crm.add(f"p{number}@example.com") for number in range(201)]
    account.clock.forward(hours=1)
    for lead in leads[:3]:
        account.crm.move(lead, "Contacted")
    told = [event.key for event in _read(account, _callback(*leads))]
    gone = account.crm.add("gone@example.com")
    old = account.crm.add("old@example.com")
    account.crm.shelf.delete("Leads", old, at=NOW - timedelta(days=1))
    account.crm.delete(gone)
    told += [event.key for event in _read(account, _callback(gone, operation="delete"))]
    assert set(told) == {event.key for event in connection().changes(NOW, account)}
    assert list(connection().changes(account.clock.now + timedelta(hours=1), account)) == []


def test_reconciliation_gives_the_stages_in_between_and_of_one_second_only_the_last(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    account.clock.forward(hours=1)
    for stage in ("Contacted", "Junk Lead"):
        account.crm.move(lead, stage)
    account.clock.forward(hours=1)
    account.crm.move(lead, "Contacted")
    account.clock.forward(hours=1)
    for stage in ("Lost Lead", "Contacted"):
        account.crm.move(lead, stage)
    stages = [event.stage for event in connection().changes(NOW, account) if event.kind is Kind.STAGE]
    assert stages == ["Junk Lead", "Contacted"]


# What goes out


def test_updates_are_batches_of_a_hundred_without_the_customer_s_rules(account: FakeAccount) -> None:
    leads = [account.crm.add(f"p{number}@example.com", owner=KEIKO.id) for number in range(101)]
    updates = [_update(lead, owner=REN.email, ABM_Status="Explicit") for lead in leads]
    assert set(_push(account, *updates)) == {(PushOutcome.DONE, None)}
    assert {account.crm.owner_of(lead) for lead in leads} == {REN.id}
    assert account.calls.count("PUT Leads") == 2
    assert account.crm.rest.triggered == 0
    _push(account, _update(leads[0], ABM_Status="x"), trigger=("workflow",))
    assert account.crm.rest.triggered == 1


def test_one_record_s_failure_stops_no_other(account: FakeAccount) -> None:
    good, wrong, locked = (account.crm.add(f"{who}@example.com") for who in "abc")
    deal = account.crm.shelf.add("Deals", {"Stage": "Qualification"}).id
    account.crm.rest.locked.add(locked)
    pushed = _push(
        account,
        _update(good, Lead_Status="Contacted"),
        _update(wrong, Nonsense="x"),
        _update(locked, Lead_Status="Contacted"),
        _update("4876876000009999999", Lead_Status="Contacted"),
        _update(deal, "Deals", Stage="Closed Won"),
        _update("x", Lead_Status="Contacted"),
        _update(good, "Accounts", Lead_Status="Contacted"),
        _update(deal, "Leads"),
    )
    expected = ["done", "refused", "later", "gone", "done", "refused", "refused", "done"]
    assert [outcome.value for outcome, _ in pushed] == expected
    assert pushed[1][1] == "INVALID_DATA: Nonsense: invalid data"


def test_a_stage_under_a_blueprint_is_reached_by_its_transition_and_the_rest_is_written(account: FakeAccount) -> None:
    account.crm.rest.blueprints = {"Leads": {"Not Contacted": ("Contacted", "Lost Lead"), "Junk Lead": ()}}
    moved, alone, stuck, unmet = (account.crm.add(f"{who}@example.com") for who in "abcd")
    dead = account.crm.add("e@example.com", stage="Junk Lead")
    pushed = _push(
        account,
        _update(moved, Lead_Status="Contacted", ABM_Status="Explicit"),
        _update(alone, Lead_Status="Contacted"),
        _update(stuck, Lead_Status="Junk Lead", ABM_Status="Explicit"),
        _update(unmet, Lead_Status="Lost Lead", ABM_Status="Explicit"),
        _update(dead, Lead_Status="Contacted"),
        _update(dead, "Deals", Stage="x"),
    )
    assert [outcome.value for outcome, _ in pushed] == ["done", "done", "refused", "refused", "refused", "gone"]
    assert [account.crm.stage_of(lead) for lead in (moved, alone)] == ["Contacted"] * 2
    assert [account.crm.status_of(lead) for lead in (moved, stuck, unmet)] == ["Explicit"] * 3
    assert "whose transitions lead to 'Contacted', 'Lost Lead' from here" in (pushed[2][1] or "")
    assert "Lead_Status: MANDATORY_NOT_FOUND: Reason" in (pushed[3][1] or "")
    assert "lead to nothing from here" in (pushed[4][1] or "")


def test_a_stage_that_a_blueprint_holds_and_that_is_there_already_is_done(account: FakeAccount) -> None:
    account.crm.rest.blueprints = {"Leads": {"Not Contacted": ("Contacted",)}}
    lead = account.crm.add("ann@example.com")
    assert _push(account, _update(lead, Lead_Status="Not Contacted")) == [(PushOutcome.DONE, None)]


def test_a_blueprint_that_cannot_be_asked_is_tried_later(account: FakeAccount) -> None:
    account.crm.rest.blueprints = {"Leads": {"Not Contacted": ("Contacted",)}}
    lead = account.crm.add("ann@example.com")
    _push(account, _update(lead, ABM_Status="x"))
    said = {"data": [{"code": "RECORD_IN_BLUEPRINT", "details": {}}]}
    account.answers = [body(400, said), CrmUnavailable("busy", 3.0)]
    [pushed] = connection().push([_update(lead, Lead_Status="Contacted")], account)
    assert (pushed.outcome, pushed.reason, pushed.retry_after) == (PushOutcome.LATER, "busy", 3.0)


def test_an_owner_that_nobody_or_several_are_is_refused_and_the_rest_written(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com", owner=KEIKO.id)
    for email in ("nobody@example.jp", MIO.email):
        [(outcome, reason)] = _push(account, _update(lead, owner=email, ABM_Status=email))
        assert (outcome, reason) == (PushOutcome.REFUSED, f"Owner: no active user has the e-mail {email}")
        assert account.crm.status_of(lead) == email
    account.memo["users"] = [{"id": str(place), "email": "a@b.c", "status": "active"} for place in (1, 2)]
    assert _push(account, _update(lead, owner="a@b.c"))[0][1] == "Owner: more than one active user has the e-mail a@b.c"


def test_a_system_that_reports_what_it_did_not_save_is_found_out(account: FakeAccount) -> None:
    account.crm.faults.lying = 1.0
    lead = account.crm.add("ann@example.com", owner=KEIKO.id)
    [(outcome, reason)] = _push(account, _update(lead, owner=REN.email, ABM_Status="Explicit"))
    assert outcome is PushOutcome.REFUSED
    assert reason == f"ABM_Status shows nothing in place of 'Explicit'; Owner shows '{KEIKO.id}' in place of '{REN.id}'"


@pytest.mark.parametrize(
    ("shown", "wanted", "is_same"),
    [
        (True, True, True),
        (None, "", True),
        ("x", None, False),
        (12500, "12500.0", True),
        ("2026-03-04T14:30:05+09:00", "2026-03-04T05:30:05+00:00", True),
        ("2026-03-04T14:30:05+09:00", "2026-03-04", False),
        ("2026-03-04T14:30:05", "2026-03-04T15:30:05", False),
        ("a", "b", False),
    ],
)
def test_a_value_is_the_same_in_any_form_that_zoho_gives_it(
    account: FakeAccount, shown: Any, wanted: Any, *, is_same: bool
) -> None:
    lead = account.crm.add("ann@example.com", ABM_Status=shown)
    account.crm.faults.lying = 1.0
    assert (_push(account, _update(lead, ABM_Status=wanted))[0][0] is PushOutcome.DONE) is is_same


def test_what_passes_by_itself_is_tried_later(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    update = _update(lead, ABM_Status="Explicit")
    _push(account, update)
    good = body(200, {"data": [{"code": "SUCCESS"}]})
    for answers, reason, pause in (
        ([CrmUnavailable("no answer", 7.0)], "no answer", 7.0),
        ([body(400, {"code": "LIMIT_EXCEEDED"})], "LIMIT_EXCEEDED: the credits of 24 hours are used up", 900.0),
        ([body(200, [])], "Zoho answered for another number of records than were sent", None),
        ([good, CrmUnavailable("no answer")], "written, but not read back: no answer", None),
        ([good, body(200, {"data": []})], "written, but the record was not shown afterwards", None),
    ):
        account.answers = [*answers]
        [pushed] = connection().push([update], account)
        assert (pushed.outcome, pushed.reason, pushed.retry_after) == (PushOutcome.LATER, reason, pause)
    other = account.crm.add("bob@example.com")
    account.answers = [
        body(207, {"data": [{"code": "SUCCESS"}, {"code": "NOT_ALLOWED"}]}),
        CrmUnavailable("no answer"),
    ]
    outcomes = [one.outcome for one in connection().push([update, _update(other, ABM_Status="x")], account)]
    assert outcomes == [PushOutcome.LATER, PushOutcome.REFUSED]


def test_an_error_is_judged_by_its_code() -> None:
    assert failure_of({"code": "RECORD_LOCKED"}).outcome is PushOutcome.LATER
    assert failure_of({"code": "INVALID_DATA", "details": {"api_name": "id"}}).outcome is PushOutcome.GONE
    assert failure_of(7).reason == "no error code"
    assert isinstance(failure_of({"code": "INTERNAL_ERROR"}).error(), CrmUnavailable)
    assert isinstance(failure_of({"code": "NO_PERMISSION", "details": 7}).error(), CrmRefused)


# Tokens, channels, settings


def test_an_access_token_lives_for_an_hour_and_is_renewed_once_for_all_processes(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    _read(account, _callback(lead))
    account.clock.forward(hours=2)
    account.calls.clear()
    _read(account, _callback(lead))
    assert account.calls.count("POST /oauth/v2/token") == 1
    account.memo["access_token"] = "1000.exampleaccesstoken1"
    account.calls.clear()
    _read(account, _callback(lead))
    account.memo.clear()
    _read(account, _callback(lead))
    assert account.calls.count("POST /oauth/v2/token") == 0


def test_a_token_is_taken_of_zoho_only_and_sent_to_zoho_only(account: FakeAccount) -> None:
    with pytest.raises(CrmRefused, match=r"no access token \(invalid_code\): check data_center") as caught:
        connection(refresh_token=("1000.wrong",)).catalog(account)
    assert "1000.wrong" not in str(caught.value)
    for content, said in (
        (b'{"access_token": "t", "api_domain": "https://evil.example"}', "no address of Zoho"),
        (b"[]", r"no access token \(200\)"),
        (b"", r"no access token \(200\)"),
    ):
        with pytest.raises(CrmRefused, match=said):
            connection().catalog(FakeApi(answers=[answer(200, content)]))


def test_a_refresh_token_that_is_replaced_is_kept() -> None:
    given = {"access_token": "t", "api_domain": "https://www.zohoapis.eu", "refresh_token": "1000.next"}
    api = FakeApi(answers=[answer(200, json.dumps(given).encode()), answer(401, b'{"code":"INVALID_TOKEN"}')])
    api.answers += [answer(200, json.dumps(given).encode()), answer(401, b'{"code":"INVALID_TOKEN"}')]
    with pytest.raises(CrmRefused, match="INVALID_TOKEN: check data_center and refresh_token"):
        connection(api_url="https://sandbox.zohoapis.eu/").catalog(api)
    assert [call["data"]["refresh_token"] for call in api.calls if "data" in call] == [
        "1000.examplerefreshtoken",
        "1000.next",
    ]
    assert api.calls[1]["url"].startswith("https://sandbox.zohoapis.eu/crm/v8/settings")


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://www.zohoapis.com.au", True),
        ("https://sandbox.zohoapis.jp", True),
        ("https://accounts.zohocloud.ca/", True),
        ("http://127.0.0.1:8080", True),
        ("http://www.zohoapis.com", False),
        ("https://www.zohoapis.com.evil.example", False),
        ("https://", False),
        ("http://[", False),
    ],
)
def test_tokens_go_to_zoho_s_addresses_only(url: str, *, is_good: bool) -> None:
    assert is_address(url) is is_good


def test_channels_are_made_renewed_in_time_and_made_anew_when_they_lapsed(account: FakeAccount) -> None:
    again = connection().subscribe(HOOK, account.clock.now, account)
    assert again == NOW + timedelta(days=1)
    channels = account.crm.channels.by_id
    assert {number: channel.events for number, channel in channels.items()} == {
        FIRST_CHANNEL: ("Leads.all",),
        FIRST_CHANNEL + 1: ("Deals.all",),
    }
    assert {channel.expiry for channel in channels.values()} == {NOW + timedelta(days=7, hours=-1)}
    account.clock.now = again
    account.calls.clear()
    connection().subscribe(HOOK, account.clock.now, account)
    assert account.calls[-1] == "PUT actions/watch"
    assert {channel.expiry for channel in channels.values()} == {again + timedelta(days=7, hours=-1)}
    account.clock.forward(days=8)
    connection().subscribe(HOOK, account.clock.now, account)
    assert account.calls[-1] == "POST actions/watch"
    assert {channel.hears for channel in channels.values()}
    assert {channel.expiry > account.clock.now for channel in channels.values()} == {True}


def test_channels_that_zoho_refuses_are_an_error_in_its_words(account: FakeAccount) -> None:
    for secret in ((), ("x" * 51,)):
        with pytest.raises(CrmRefused, match="set the secret `token` to a text of 1 to 50 characters"):
            connection(token=secret).subscribe(HOOK, NOW, account)
    with pytest.raises(CrmRefused, match="MANDATORY_NOT_FOUND: notify_url"):
        connection().subscribe("", NOW, account)
    lapsed = {"watch": [{"code": "NOT_SUBSCRIBED"}, {"code": "SUCCESS"}]}
    bodies: list[Any] = [{"code": "OAUTH_SCOPE_MISMATCH"}, {"watch": [{"code": "OAUTH_SCOPE_MISMATCH"}]}, []]
    for said in bodies:
        account.answers = [body(401, said)]
        with pytest.raises(CrmRefused):
            connection().subscribe(HOOK, NOW, account)
        account.answers = [body(207, lapsed), body(400, said)]
        with pytest.raises(CrmRefused):
            connection().subscribe(HOOK, NOW, account)


def test_a_look_at_the_connection_says_how_its_channels_stand(account: FakeAccount) -> None:
    findings = connection().inspect(HOOK, account)
    assert [(one.topic, one.is_good) for one in findings] == [
        *(("credentials", True), ("webhooks", False), ("webhooks", False))
    ]
    connection().subscribe(HOOK, account.clock.now, account)
    findings = connection().inspect(HOOK, account)
    assert "Leads is told by channel 1000000067001 until 2026-03-11" in findings[1].text
    assert "change channel_id" in connection().inspect(f"{HOOK}-2", account)[1].text
    account.answers = [
        body(200, {"users": [{"full_name": "Connector", "email": "c@example.jp"}]}),
        body(401, {"code": "OAUTH_SCOPE_MISMATCH"}),
    ]
    scopes = connection().inspect(HOOK, account)[-1]
    assert (scopes.topic, scopes.is_good) == ("scopes", False)
    account.answers = [body(403, {"code": "NO_PERMISSION"})]
    with pytest.raises(CrmRefused, match="lacks the right"):
        connection().inspect(HOOK, account)


def test_credits_are_said_when_half_of_them_are_used() -> None:
    users = answer(200, b'{"users": [{"full_name": "C", "email": "c"}]}', {"X-API-CREDITS-REMAINING": "400"})
    api = FakeApi(answers=[users, answer(204)], memo={"access_token": "t", "api_domain": URL})
    findings = connection(modules=("Leads",)).inspect(HOOK, api)
    assert [one.topic for one in findings] == ["credentials", "limits", "webhooks"]
    assert "400 are left" in findings[1].text


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"data_center": "us"}, "data_center (com, eu"),
        ({"accounts_url": "https://evil.example"}, "accounts_url"),
        ({"api_url": "https://evil.example"}, "api_url"),
        ({"client_id": ""}, "client_id, client_secret and refresh_token"),
        ({"modules": ("Lead",)}, "modules (Leads, Contacts, Deals)"),
        ({"more_fields": ("Budget",)}, "more_fields"),
        ({"pipelines": "maybe"}, "pipelines and timeline (yes or no)"),
        ({"trigger": ("everything",)}, "trigger (approval"),
    ],
)
def test_settings_that_cannot_be_used_are_named(account: FakeAccount, settings_: dict[str, Any], said: str) -> None:
    with pytest.raises(CrmRefused) as caught:
        connection(**settings_).catalog(account)
    assert said in str(caught.value)


def test_further_fields_are_read_of_the_module_they_belong_to(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com", ABM_Status="Latent")
    events = _read(account, _callback(lead), more_fields=("Leads.ABM_Status", "Leads.ABM_Since"))
    assert only(events, Kind.PROFILE).data["ABM_Status"] == "Latent"


def test_the_catalogue_has_stages_users_and_fields(account: FakeAccount) -> None:
    catalog = connection(modules=("Leads", "Deals", "Contacts")).catalog(account)
    assert list(catalog.stages["Leads"][""])[:2] == ["Not Contacted", "Contacted"]
    assert "Closed Won" in catalog.stages["Deals"][""]
    assert [(one.id, one.email, one.is_active) for one in catalog.owners][2] == (MIO.id, MIO.email, False)
    assert catalog.fields["Contacts"]["ABM_Status"] == "ABM Status"
    assert "Closed Won" in connection(pipelines="yes").catalog(account).stages["Deals"]["Standard"]


def test_lists_are_read_to_their_last_page() -> None:
    pages = [
        {"users": [{"id": "1", "full_name": "A", "status": "active"}], "info": {"more_records": more}}
        for more in (True, False)
    ]
    fields = answer(200, b'{"fields": []}')
    api = FakeApi(answers=[fields, *(answer(200, json.dumps(page).encode()) for page in pages)])
    api.memo |= {"access_token": "t", "api_domain": URL}
    assert len(connection(modules=("Leads",)).catalog(api).owners) == 2
    assert [call["params"]["page"] for call in api.calls[1:]] == ["1", "2"]


def test_updates_are_taken_only_with_credentials() -> None:
    assert connection().takes_updates
    assert not Zoho(token=("t",)).takes_updates
    assert connection().greet(_form()) is None
    assert isinstance(NOW, datetime)
