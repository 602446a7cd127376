"""The HubSpot adapter: batches of ids and workflows become events, by webhook and by reconciliation alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadPayload, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind
from connector.emulators.hubspot.crm import PORTAL
from tests.adapters.builders import keys
from tests.adapters.hubspot.fake import DANA, NOW, Account, delivery, happened
from tests.adapters.served import body


def changed(record: str, name: str, value: str, at: datetime = NOW) -> dict[str, Any]:
    return happened(record, "contact.propertyChange", at) | {"propertyName": name, "propertyValue": value}


def read(account: Account, *events: Mapping[str, Any]) -> list[Event | BadPayload]:
    one = delivery(*events)
    return list(account.adapter.parse(one, account.adapter.fetch([one], account.api)))


def test_a_batch_is_read_by_one_call_and_each_fact_counts_once(account: Account) -> None:
    first, second = account.crm.add("a@x.example", owner="61844207"), account.crm.add("b@x.example")
    events = read(
        account,
        changed(first, "lifecyclestage", "subscriber"),
        changed(first, "hubspot_owner_id", "61844207"),
        changed(second, "email", "b@x.example"),
    )
    assert account.api.calls.count("POST /crm/objects/2026-09/contacts/batch/read") == 1
    assert len(keys(events)) == len(set(keys(events))) == 7
    owner = next(event for event in events if isinstance(event, Event) and event.kind is Kind.OWNER)
    assert (owner.owner, owner.owner_email) == ("61844207", DANA)


def test_reconciliation_gives_the_same_keys_as_the_webhooks_even_if_their_clocks_differ(account: Account) -> None:
    record = account.crm.add("a@x.example", owner="61844311")
    account.clock.forward(minutes=1)
    account.crm.move(record, "opportunity")
    at = account.clock()
    by_webhook = read(
        account,
        changed(record, "lifecyclestage", "subscriber"),
        changed(record, "lifecyclestage", "opportunity", at + timedelta(seconds=2)),
    )
    account.clock.forward(minutes=1)
    found = list(account.adapter.changes(NOW - timedelta(days=1), account.api))
    assert set(keys(found)) == set(keys(by_webhook))


def test_a_change_that_the_history_does_not_have_any_more_keeps_its_own_time(account: Account) -> None:
    record = account.crm.add("a@x.example")
    events = read(account, changed(record, "lifecyclestage", "customer", NOW + timedelta(hours=1)))
    assert f"contact:{record}:lifecyclestage:customer@2026-01-01T13:00:00.000Z" in keys(events)


def test_a_person_in_charge_who_was_taken_away_is_nobody(account: Account) -> None:
    record = account.crm.add("a@x.example", owner="61844207")
    account.clock.forward(minutes=1)
    account.crm.shelf.change("contact", record, {"hubspot_owner_id": ""})
    events = read(account, changed(record, "hubspot_owner_id", "", account.clock()))
    owners = [event for event in events if isinstance(event, Event) and event.kind is Kind.OWNER]
    assert [(event.owner, event.owner_email) for event in owners] == [(None, None)]


def test_a_stranger_in_charge_is_asked_for_once_and_stays_unknown(account: Account) -> None:
    record = account.crm.add("a@x.example", owner="999")
    for _ in range(2):
        events = read(account, changed(record, "hubspot_owner_id", "999"))
    assert [event.owner_email for event in events if isinstance(event, Event) and event.owner] == [None]
    assert account.api.calls.count("GET /crm/owners/2026-09") == 2 * 3
    account.api.memo.clear()
    account.api.instead["/owners/2026-09"] = [body(403, {"message": "scope"})]
    assert read(account, changed(record, "hubspot_owner_id", "999"))


def test_the_stage_of_contacts_may_be_the_lead_status(account: Account) -> None:
    account.adapter = replace(account.adapter, contact_stage="hs_lead_status")
    record = account.crm.add("a@x.example", hs_lead_status="OPEN")
    events = read(account, changed(record, "hs_lead_status", "OPEN"), changed(record, "lifecyclestage", "subscriber"))
    assert [event.stage for event in events if isinstance(event, Event) and event.kind is Kind.STAGE] == ["OPEN"]


@pytest.mark.parametrize(("contacts", "known"), [("first", 1), ("all", 2)])
def test_a_deal_is_of_its_oldest_contact_or_of_all(account: Account, contacts: str, known: int) -> None:
    account.adapter = replace(account.adapter, contacts=contacts)
    people = [account.crm.add(f"{who}@x.example") for who in "ab"]
    deal = account.crm.deal(people[1], "150112001", pipeline="81230044")
    account.crm.rest.contacts_of[deal].append(people[0])
    lonely = account.crm.shelf.add("deal", {"dealstage": "closedwon", "pipeline": "default"}).id
    events = read(account, happened(deal, "deal.creation"), happened(lonely, "deal.creation"))
    stages = [event for event in events if isinstance(event, Event) and event.kind is Kind.STAGE]
    assert [(event.stage, event.pipeline) for event in stages] == [("150112001", "81230044"), ("closedwon", "default")]
    read(account, happened(lonely, "deal.restore"))
    assert account.api.calls.count("GET /crm/pipelines/2026-09/deals") == 1
    emails = [one.value for one in stages[0].identities if one.kind == "email"]
    assert emails == ["a@x.example", "b@x.example"][:known]


def test_a_contact_of_a_deal_that_cannot_be_read_is_left_out(account: Account) -> None:
    deal = account.crm.deal("77", "closedwon")
    events = read(account, happened(deal, "deal.creation"))
    assert {one.kind for event in events if isinstance(event, Event) for one in event.identities} == {"record"}


def test_records_that_are_gone_or_merged_are_told_apart(account: Account) -> None:
    first, second, gone = (account.crm.add(f"{who}@x.example") for who in "abc")
    survivor = account.crm.merge(first, second)
    account.crm.delete(gone)
    events = read(account, changed(first, "lifecyclestage", "subscriber"), happened(gone, "contact.restore"))
    deleted = [
        event.record.id for event in events if isinstance(event, Event) and event.record and event.kind is Kind.DELETED
    ]
    assert deleted == [first, gone]
    assert {event.record.id for event in events if isinstance(event, Event) and event.record} == {first, gone, survivor}
    account.api.instead["/batch/read"] = [
        body(200, {"results": [account.crm.rest._row(account.crm.record(survivor), {"hs_merged_object_ids"}, set())]})
    ]
    assert any(
        key.startswith(f"contact:{second}:deleted@") for key in keys(read(account, happened(second, "contact.restore")))
    )


def test_what_is_of_another_account_or_object_is_ignored(account: Account) -> None:
    account.adapter = replace(account.adapter, portal_id=str(PORTAL), objects=("contact",))
    assert read(account, happened("1", "contact.creation") | {"portalId": 7}, happened("1", "deal.creation")) == []
    assert account.api.calls == []


def test_a_record_that_was_not_read_is_tried_later(account: Account) -> None:
    with pytest.raises(CrmUnavailable, match="contact:1 was not read"):
        account.adapter.parse(delivery(happened("1", "contact.creation")), {})


def test_an_unknown_event_alone_holds_the_delivery_and_beside_others_is_shown(account: Account) -> None:
    with pytest.raises(UnknownEvent, match=r"contact\.odd"):
        account.adapter.parse(delivery(happened("1", "contact.odd")), {})
    deleted, wrong = account.adapter.parse(
        delivery(happened("1", "contact.deletion"), happened("1", "contact.odd")), {}
    )
    assert isinstance(deleted, Event)
    assert str(wrong) == "$[1]: the event contact.odd is not known"


def test_a_body_that_is_no_batch_is_refused(account: Account) -> None:
    for content, match in ((b"7", "a list"), (b"[" + b"1," * 1000 + b"1]", "at most 1000"), (b"{}", "hs_object_id")):
        one = replace(delivery(), body=content)
        with pytest.raises(BadPayload, match=match):
            [_raised(part) for part in account.adapter.parse(one, {})]
        with suppress(BadPayload):
            assert account.adapter.receive(one).lane == ""
        assert account.adapter.fetch([one], account.api) == {}


def _raised(part: Event | BadPayload) -> Event:
    if isinstance(part, BadPayload):
        raise part
    return part


def test_an_impossible_time_is_named(account: Account) -> None:
    (wrong,) = account.adapter.parse(delivery(happened("1", "contact.deletion") | {"occurredAt": 10**15}), {})
    assert str(wrong).startswith("$[0].occurredAt: is 1000000000000000; it must be milliseconds since 1970")


def test_a_retry_is_the_same_delivery_and_another_value_another(account: Account) -> None:
    one = changed("1", "lifecyclestage", "lead")
    key = account.adapter.receive(delivery(one)).key
    assert account.adapter.receive(delivery(one | {"attemptNumber": 3})).key == key
    assert account.adapter.receive(delivery(one | {"propertyValue": "customer"})).key != key
    assert account.adapter.receive(delivery(one)).lane == "contact:1"


def _workflow(content: Mapping[str, Any], received_at: datetime = NOW, **query: str) -> Delivery:
    return Delivery(
        method="POST",
        query=tuple(query.items()),
        headers={},
        body=json.dumps(content).encode(),
        received_at=received_at,
    )


def test_a_workflow_counts_once_by_the_records_last_change_or_else_by_its_receipt(account: Account) -> None:
    dated = {"vid": 1, "properties": {"lastmodifieddate": {"value": "1"}}}
    later = NOW + timedelta(hours=1)
    for content, is_same in ((dated, True), ({"id": 1, "updatedAt": "x"}, True), ({"id": 1}, False)):
        both = {account.adapter.receive(_workflow(content, at, event="a")).key for at in (NOW, later)}
        assert (len(both) == 1) is is_same


@pytest.mark.parametrize(
    ("content", "query", "record"),
    [
        ({"vid": 5}, {}, "contact:5"),
        ({"objectId": 5, "properties": {"dealstage": "x"}}, {}, "deal:5"),
        ({"properties": {"hs_object_id": {"value": "5"}}}, {}, "contact:5"),
        ({"id": "5"}, {"object": "deal"}, "deal:5"),
    ],
)
def test_a_workflow_names_its_record_in_several_ways(
    account: Account, content: Mapping[str, Any], query: Mapping[str, str], record: str
) -> None:
    assert account.adapter.receive(_workflow(content, NOW, **query)).lane == record


def test_a_workflow_without_a_word_only_reads_the_record_anew(account: Account) -> None:
    record = account.crm.add("a@x.example")
    one = _workflow({"vid": int(record)})
    events = account.adapter.parse(one, account.adapter.fetch([one], account.api))
    assert [event.kind for event in events if isinstance(event, Event)] == [Kind.IDENTIFY, Kind.STAGE, Kind.PROFILE]


@pytest.mark.parametrize("most", [100, 10_000])
@pytest.mark.parametrize("apart", [0, 1, 100])
def test_reconciliation_goes_on_beyond_what_one_search_gives(account: Account, most: int, apart: int) -> None:
    account.crm.rest.most_found = most
    for number in range(230):
        account.crm.add(f"{number}@x.example", at=NOW + timedelta(milliseconds=number * apart // 100))
    account.clock.forward(minutes=5)
    source = replace(account.adapter._source(account.api), most_found=most)
    found = keys(list(source.changes(("contact", "deal"), NOW)))
    assert len({key for key in found if key.endswith(":identify")}) == 230


def test_a_record_that_cannot_be_read_does_not_end_reconciliation(account: Account) -> None:
    account.crm.add("a@x.example")
    account.clock.forward(minutes=5)
    row: dict[str, Any] = {"id": "1", "properties": {}, "createdAt": "soon", "updatedAt": None}
    account.api.instead["contacts/batch/read"] = [body(200, {"results": [row]})]
    account.api.instead["contacts/search"] = [body(200, {"results": [{"id": "1"}, {"id": "404"}]})]
    assert list(account.adapter.changes(NOW, account.api)) == []
