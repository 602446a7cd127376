"""The Zoho adapter: callbacks and webhooks become events; reconciliation gives the same keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.zoho import Zoho
from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadPayload, BadSignature, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind
from connector.emulators.zoho.crm import FIRST_CHANNEL, TOKEN
from connector.emulators.zoho.state import CONNECTOR
from tests.adapters.builders import only
from tests.adapters.served import body
from tests.adapters.zoho.fake import (
    KEIKO,
    NOW,
    REN,
    FakeAccount,
    callback,
    connection,
    posted,
    posted_form,
    read_events,
)


def test_a_callback_of_another_channel_is_refused() -> None:
    connection().verify(posted(callback("1")), NOW)
    for channel in (FIRST_CHANNEL - 1, FIRST_CHANNEL + 100):
        with pytest.raises(BadSignature, match="the channel is none of this connection"):
            connection().verify(posted(callback("1", channel_id=channel)), NOW)


def test_a_webhook_is_proven_by_its_own_secret_in_body_header_or_address() -> None:
    adapter = connection()
    adapter.verify(posted_form(lead_id="1", secret="b7d1f0a2c9"), NOW)
    adapter.verify(posted({"module": "Leads", "id": "1", "secret": "b7d1f0a2c9"}), NOW)
    adapter.verify(posted({"module": "Leads", "id": "1"}, secret="b7d1f0a2c9"), NOW)
    adapter.verify(posted({"module": "Leads", "id": "1"}, ("secret", "b7d1f0a2c9")), NOW)
    unread = posted(b"{")
    for wrong in (posted_form(lead_id="1", secret=TOKEN), posted_form(lead_id="1"), posted({"secret": 7}), unread):
        with pytest.raises(BadSignature):
            adapter.verify(wrong, NOW)
    with pytest.raises(BadSignature):
        Zoho(token=("t",)).verify(posted_form(lead_id="1", secret="t"), NOW)


def test_several_ids_in_a_callback_are_read_together_and_a_bad_one_is_a_mistake_of_its_own(
    account: FakeAccount,
) -> None:
    leads = [account.crm.add(f"p{number}@example.com") for number in range(60)]
    adapter, delivery = connection(), posted(callback(*leads, 7, "x"))
    events = adapter.parse(delivery, adapter.fetch([delivery, delivery], account))
    assert {event.record.id for event in events if isinstance(event, Event) and event.record} == set(leads)
    assert [event.path for event in events if isinstance(event, BadPayload)] == ["$.ids[60]", "$.ids[61]"]
    assert account.calls.count("POST coql") == 2
    assert len(adapter.receive(delivery).key) == 64
    assert adapter.receive(delivery).lane == f"Leads:{leads[0]}"


def test_the_key_tells_two_changes_apart_and_is_the_same_for_one() -> None:
    def key(delivery: Delivery) -> str:
        return connection().receive(delivery).key

    assert key(posted(callback("1"))) == f"{FIRST_CHANNEL}:Leads:update:1:1772600400000"
    assert key(posted(callback("1"))) != key(posted(callback("1", server_time=1772600400001)))
    assert key(posted_form(lead_id="1", modified="a")) == key(posted_form(modified="a", lead_id="1", secret="s"))
    assert key(posted_form(lead_id="1", modified="a")) != key(posted_form(lead_id="1", modified="b"))
    assert NOW.isoformat() in key(posted_form(lead_id="1"))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ([], "$"),
        (callback("1", module=7), "$.ids"),
        (callback("1", module="a b"), "$.module"),
        (callback(*["1"] * 1001), "$.ids"),
        (callback("1", server_time="soon"), "$.server_time"),
        (callback("1", server_time=10**15), "$.server_time"),
        ({"module": "Leads", "id": "x"}, "$.id"),
        ({"module": "Leads", "id": "1", "event": 7}, "$.event"),
    ],
)
def test_what_cannot_be_read_names_the_place(body: Any, path: str) -> None:
    with pytest.raises(BadPayload) as caught:
        _raise(connection().parse(posted(json.dumps(body).encode()), {}))
    assert caught.value.path in {path, "$.module"}


def _raise(parts: Sequence[Event | BadPayload]) -> None:
    """Raises the first mistake."""
    for part in parts:
        if isinstance(part, BadPayload):
            raise part


@given(body=st.text())
@settings(max_examples=40)
def test_any_form_is_read_or_refused(body: str) -> None:
    delivery = posted(body.encode(errors="replace"))
    with suppress(BadPayload):
        assert isinstance(connection().receive(delivery).lane, str)
    assert connection().fetch([delivery], FakeAccount()) == {}


def test_an_operation_that_was_never_seen_is_held_and_another_module_ignored(account: FakeAccount) -> None:
    with pytest.raises(UnknownEvent, match="the operation merge is not known"):
        read_events(account, callback("1", operation="merge"))
    assert read_events(account, callback("1", module="Accounts")) == []
    with pytest.raises(CrmUnavailable, match="Leads:1 was not read"):
        connection().parse(posted(callback("1")), {})


def test_a_record_becomes_identity_stage_owner_and_profile(account: FakeAccount) -> None:
    lead = account.crm.add("Ann@Example.com ", owner=REN.id, Mobile="090-1234-5678", Phone="03-1234-5678")
    events = read_events(account, callback(lead))
    assert [(event.kind, event.at) for event in events] == [
        (kind, NOW) for kind in (Kind.IDENTIFY, Kind.STAGE, Kind.OWNER, Kind.PROFILE)
    ]
    assert set(events[0].identities) == {
        Identity(kind=IdentityKind.RECORD, value=f"Leads:{lead}"),
        Identity(kind=IdentityKind.EMAIL, value="ann@example.com"),
        Identity(kind=IdentityKind.PHONE, value="09012345678"),
        Identity(kind=IdentityKind.PHONE, value="0312345678"),
    }
    assert only(events, Kind.STAGE).stage == "Not Contacted"
    assert (only(events, Kind.OWNER).owner, only(events, Kind.OWNER).owner_email) == (REN.id, REN.email)


def test_a_deal_s_contact_finds_its_subject_and_what_is_no_address_nobody(account: FakeAccount) -> None:
    contact = account.crm.shelf.add("Contacts", {"Email": "none", "Mobile": "ext. 7", "Full_Name": "Ann"}).id
    fields = {"Stage": "Qualification", "Pipeline": "Standard", "Contact_Name": {"name": "Ann", "id": contact}}
    deal = account.crm.shelf.add("Deals", fields).id
    bare = account.crm.shelf.add("Deals", {"Stage": None}).id
    events = read_events(account, callback(deal, module="Deals"))
    assert [one.value for one in events[0].identities] == [f"Deals:{deal}", f"Contacts:{contact}"]
    assert (only(events, Kind.STAGE).pipeline, only(events, Kind.PROFILE).data["Contact"]["Full_Name"]) == (None, "Ann")
    assert (
        only(read_events(account, callback(deal, module="Deals"), pipelines="yes"), Kind.STAGE).pipeline == "Standard"
    )
    events = read_events(account, callback(bare, module="Deals"))
    assert [event.kind for event in events] == [Kind.IDENTIFY, Kind.OWNER, Kind.PROFILE]
    assert (events[1].owner, events[1].owner_email) == (None, None)


def test_unrelated_changes_do_not_date_stage_and_owner_anew(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    account.clock.forward(hours=1)
    account.crm.move(lead, "Contacted")
    account.crm.assign(lead, REN.id)
    moved = account.clock.now
    before = {event.key for event in read_events(account, callback(lead))}
    account.clock.forward(hours=1)
    account.crm.shelf.change("Leads", lead, {"ABM_Status": "Explicit"}, by=CONNECTOR)
    after = read_events(account, callback(lead))
    assert (only(after, Kind.STAGE).at, only(after, Kind.OWNER).at) == (moved, moved)
    assert {event.key for event in after} - before == {only(after, Kind.PROFILE).key}
    seen = only(read_events(account, callback(lead), timeline="no"), Kind.STAGE)
    assert (seen.at, seen.is_seen) == (account.clock.now, True)


def test_a_timeline_that_lags_or_is_long_gives_the_present_stage_by_the_newest_change(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    account.clock.forward(hours=1)
    account.crm.move(lead, "Contacted")
    account.crm.record(lead).fields["Lead_Status"] = "Junk Lead"
    account.crm.record(lead).modified += timedelta(minutes=1)
    stage = only(read_events(account, callback(lead)), Kind.STAGE)
    assert (stage.stage, stage.at) == ("Junk Lead", account.crm.record(lead).modified)
    other = account.crm.add("bob@example.com")
    account.clock.forward(hours=1)
    account.crm.shelf.change("Leads", other, {"ABM_Status": "x"})
    adapter, delivery = connection(), posted(callback(other))
    adapter.fetch([delivery], account)
    row = {"id": other, "Created_Time": NOW.isoformat(), "Modified_Time": account.clock.now.isoformat()}
    long = body(200, {"__timeline": [], "info": {"more_records": True}})
    account.answers = [body(200, {"data": [{**row, "Lead_Status": "Contacted", "Owner": None}]}), long]
    assert only(read_events(account, callback(other)), Kind.STAGE).at == account.clock.now


def test_a_timeline_that_is_refused_stops_no_other_record(account: FakeAccount) -> None:
    lead, other = (account.crm.add(f"{who}@example.com") for who in "ab")
    account.clock.forward(hours=1)
    for one in (lead, other):
        account.crm.move(one, "Contacted")
    adapter, delivery = connection(), posted(callback(lead, other))
    adapter.fetch([delivery], account)
    account.memo["people"] = []
    row = {"Created_Time": NOW.isoformat(), "Modified_Time": account.clock.now.isoformat(), "Lead_Status": "Contacted"}
    rows = [{**row, "id": one, "Owner": None} for one in (lead, other)]
    account.answers = [body(200, {"data": rows}), body(400, {"code": "INVALID_DATA", "details": {"api_name": "id"}})]
    stages = [event for event in read_events(account, callback(lead, other)) if event.kind is Kind.STAGE]
    assert [(event.stage, event.is_seen) for event in stages] == [("Contacted", True), ("Contacted", False)]


def test_a_webhook_with_an_event_is_an_action_and_may_name_its_record_in_the_address(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    delivery = posted(b"webinar=12", ("lead_id", lead), ("event", "webinar"), ("secret", "b7d1f0a2c9"))
    adapter = connection()
    events = adapter.parse(delivery, adapter.fetch([delivery], account))
    action = only([event for event in events if isinstance(event, Event)], Kind.ACTION)
    assert (action.name, action.data["webinar"], action.data["Email"]) == ("webinar", "12", "ann@example.com")
    assert "secret" not in action.data
    assert adapter.receive(delivery).reply.status == 202


def test_reconciliation_gives_the_keys_of_the_callbacks_page_by_page_and_deletions(account: FakeAccount) -> None:
    leads = [account.crm.add(f"p{number}@example.com") for number in range(201)]
    account.clock.forward(hours=1)
    for lead in leads[:3]:
        account.crm.move(lead, "Contacted")
    by_webhook = [event.key for event in read_events(account, callback(*leads))]
    gone = account.crm.add("gone@example.com")
    old = account.crm.add("old@example.com")
    account.crm.shelf.delete("Leads", old, at=NOW - timedelta(days=1))
    account.crm.delete(gone)
    by_webhook += [event.key for event in read_events(account, callback(gone, operation="delete"))]
    assert set(by_webhook) == {event.key for event in connection().changes(NOW, account)}
    assert list(connection().changes(account.clock.now + timedelta(hours=1), account)) == []


def test_reconciliation_gives_the_stages_in_between_also_those_of_one_second_in_their_order(
    account: FakeAccount,
) -> None:
    lead = account.crm.add("ann@example.com")
    account.clock.forward(hours=1)
    for stage in ("Contacted", "Junk Lead"):
        account.crm.move(lead, stage)
    account.clock.forward(hours=1)
    account.crm.move(lead, "Contacted")
    account.clock.forward(hours=1)
    for stage in ("Lost Lead", "Contacted"):
        account.crm.move(lead, stage)
    stages = [event for event in connection().changes(NOW, account) if event.kind is Kind.STAGE]
    assert [(event.stage, event.sequence) for event in stages] == [
        ("Contacted", None),
        ("Junk Lead", 1),
        ("Contacted", None),
        ("Lost Lead", None),
        ("Contacted", 1),
    ]
    assert len({event.key for event in stages}) == 5


def test_a_stage_set_and_set_back_within_a_second_is_three_changes_each_as_reconciliation_tells_it(
    account: FakeAccount,
) -> None:
    lead = account.crm.add("ann@example.com")
    account.clock.forward(hours=1)
    told = []
    for stage in ("Contacted", "Junk Lead", "Contacted"):
        account.crm.move(lead, stage)
        told.append(only(read_events(account, callback(lead)), Kind.STAGE))
    assert [(event.stage, event.sequence) for event in told] == [
        ("Contacted", None),
        ("Junk Lead", 1),
        ("Contacted", 2),
    ]
    again = [event for event in connection().changes(NOW + timedelta(minutes=1), account) if event.kind is Kind.STAGE]
    assert again == told


def test_a_field_set_twice_in_a_second_is_two_changes_and_an_owner_given_back_is_three(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com", owner=KEIKO.id)
    account.clock.forward(hours=1)
    profiles = set()
    for company in ("One", "Two"):
        account.crm.shelf.change("Leads", lead, {"Company": company})
        profiles.add(only(read_events(account, callback(lead)), Kind.PROFILE).key)
    owners = []
    for owner in (REN, KEIKO, REN):
        account.crm.assign(lead, owner.id)
        owners.append(only(read_events(account, callback(lead)), Kind.OWNER))
    assert len(profiles) == 2
    assert [(event.owner, event.sequence) for event in owners] == [(REN.id, None), (KEIKO.id, 1), (REN.id, 2)]
    assert len({event.key for event in owners}) == 3


def test_who_set_a_stage_or_an_owner_is_told_by_the_timeline_and_of_a_new_record_by_its_maker(
    account: FakeAccount,
) -> None:
    lead = account.crm.add("ann@example.com", owner=REN.id)
    ours = account.crm.shelf.add("Leads", {"Lead_Status": "Contacted", "Owner": REN.id}, by=CONNECTOR).id

    def writers(record: str, **settings: str) -> list[bool | None]:
        events = read_events(account, callback(record), **settings)
        return [only(events, kind).is_ours for kind in (Kind.STAGE, Kind.OWNER, Kind.PROFILE)]

    assert [writers(lead), writers(ours)] == [[False, False, None], [True, True, None]]
    account.clock.forward(hours=1)
    account.crm.move(lead, "Contacted", by=CONNECTOR)
    account.clock.forward(hours=1)
    account.crm.assign(lead, KEIKO.id, by=REN.id)
    assert writers(lead) == [True, False, None]
    assert writers(lead, timeline="no") == [None, None, None]
    account.memo["us"] = None
    assert writers(lead) == [None, None, None]


def test_what_is_emptied_is_shown_empty_but_for_what_was_never_filled_in_a_new_record(account: FakeAccount) -> None:
    contact = account.crm.shelf.add("Contacts", {"Full_Name": "Ann"}).id
    deal = account.crm.shelf.add("Deals", {"Stage": "Qualification", "Contact_Name": {"id": contact}}).id
    assert "Amount" not in only(read_events(account, callback(deal, module="Deals")), Kind.PROFILE).data
    account.clock.forward(hours=1)
    account.crm.shelf.change("Deals", deal, {"Contact_Name": None})
    data = only(read_events(account, callback(deal, module="Deals")), Kind.PROFILE).data
    assert (data["Amount"], data["Contact_Name"], data["Contact"]) == (None, None, None)


def test_a_record_deleted_twice_is_deleted_when_the_list_says_so_whichever_way_that_is_heard(
    account: FakeAccount,
) -> None:
    lead = account.crm.add("ann@example.com")
    keys = []
    for _ in range(2):
        account.clock.forward(hours=1)
        account.crm.delete(lead)
        told = read_events(account, callback(lead, operation="delete")) + read_events(account, callback(lead))
        assert {(event.kind, event.at) for event in told} == {(Kind.DELETED, account.clock.now)}
        keys += [event.key for event in told]
        account.crm.restore(lead)
    assert len(keys) == 4
    assert len(set(keys)) == 2


def test_a_deletion_that_is_not_listed_is_dated_by_its_callback(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    (event,) = read_events(account, callback(lead, operation="delete"))
    assert event.at == NOW
    adapter, delivery = connection(), posted(callback(lead, operation="delete"))
    account.answers = [body(401, {"code": "OAUTH_SCOPE_MISMATCH"})]
    assert adapter.fetch([delivery], account) == {}
