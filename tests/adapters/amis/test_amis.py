"""The AMIS adapter: what webhooks say, records as events, polling with the same keys."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.amis import Amis
from adapters.amis.records import REVENUE, STAGES
from connector.adapter_kit.contract import Adapter, Delivery, Reply, persons_of
from connector.adapter_kit.records import digest, exact
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind, RecordRef
from connector.core.mapping import translate
from connector.core.status import STATUSES
from connector.mapping import parse_mapping
from tests.adapters.amis.fake import AMIS, LAN, NOW, SINCE, FakeAmis, good, notice, reply, webhook
from tests.adapters.builders import identities, keys, whole

MOMENT = "2026-08-12T03:15:30+00:00"


def read(one: Delivery, api: FakeAmis, adapter: Amis = AMIS) -> list[Event]:
    return whole(adapter, one, api)


def test_it_keeps_the_contract() -> None:
    assert isinstance(AMIS, Adapter)
    assert (AMIS.takes_updates, Amis().takes_updates) == (True, False)
    assert AMIS.subscribe("https://connector.example", NOW, FakeAmis()) is None


def test_a_look_whether_the_address_is_there_is_answered_with_200() -> None:
    looks = [AMIS.greet(replace(notice("ping"), method=method)) for method in ("GET", "HEAD", "POST")]
    assert looks == [Reply(status=200), Reply(status=200), None]
    assert AMIS.receive(notice("ping")).reply == Reply(status=200, body=b'{"success": true}')


def test_a_signing_secret_is_checked_besides_the_token_where_it_is_set() -> None:
    strict = replace(AMIS, signing_secret=("k",))
    body = notice("ping").body
    signed = {"x-signature": hmac.new(b"k", body, hashlib.sha256).hexdigest()}
    strict.verify(webhook(body, **signed), NOW)
    for bad in (webhook(body), replace(webhook(body, **signed), query=())):
        with pytest.raises(BadSignature):
            strict.verify(bad, NOW)


def test_a_repeated_webhook_with_a_time_in_it_is_one_and_without_it_is_another() -> None:
    later = datetime(2026, 8, 13, tzinfo=UTC)
    for timed in (
        notice("contact.updated", contact_id=1, modified_date="x"),
        webhook({"time": 1}),
        webhook([{"a": 1}]),
    ):
        is_same = AMIS.receive(timed).key == AMIS.receive(replace(timed, received_at=later)).key
        assert is_same is (timed.body[:1] == b"{")
    bare = notice("contact.updated", contact_id=1)
    assert AMIS.receive(bare).key != AMIS.receive(replace(bare, received_at=later)).key
    for body in (b"1", b"{"):
        with pytest.raises(BadPayload):
            AMIS.receive(webhook(body))


@pytest.mark.parametrize(
    ("body", "lane"),
    [
        ({"event_type": "customer.updated", "data": {"customer_id": 3}}, "Customers:3"),
        ({"event": "contacts_created", "Data": [{"id": "17"}]}, "Contacts:17"),
        ({"EventType": "sale_order.updated", "data": {"id": 9}}, "SaleOrders:9"),
        ({"event_type": "ORDER.CREATED", "order_id": 9}, "SaleOrders:9"),
        ([{"sale_order_no": "DH1", "id": 9}], "SaleOrders:9"),
        ({"account_number": "KH1", "id": 3}, "Customers:3"),
        ({"stage": "MQL", "email": "a@b.vn"}, ""),
        ({"event_type": "lead.updated", "data": {"id": 17, "email": "a@b.vn"}}, ""),
        ({"event_type": "ping"}, ""),
        ({"event_type": "stock.updated", "data": {"id": 1}}, ""),
        ({"event_type": "contact.updated", "data": {"id": ""}}, ""),
    ],
)
def test_the_lane_is_the_record_in_any_form(body: Any, lane: str) -> None:
    assert AMIS.receive(webhook(body)).lane == lane


def test_further_keys_are_a_setting() -> None:
    mine = replace(AMIS, keys=("event=su_kien", "data=du_lieu", "id=ma"))
    assert mine.receive(webhook({"su_kien": "contact.updated", "du_lieu": {"ma": 17}})).lane == "Contacts:17"


@pytest.mark.parametrize("body", [{"event_type": "stock.updated", "data": {}}, {"data": {"id": 1}}, {}])
def test_an_event_that_nobody_knows_is_held(body: Any) -> None:
    with pytest.raises(UnknownEvent):
        AMIS.parse(webhook(body), {})
    assert AMIS.fetch([webhook(body)], FakeAmis()) == {}


@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_the_contracts_errors_are_raised(body: bytes) -> None:
    for method in (AMIS.receive, lambda one: AMIS.parse(one, {})):
        try:
            method(webhook(body))
        except (BadPayload, UnknownEvent):
            continue


def test_a_contact_becomes_its_events(api: FakeAmis) -> None:
    events = read(notice("contact.updated", contact_id=17), api)
    assert keys(events) == [
        "Contacts:17:identify",
        f"Contacts:17:stage:MQL@{MOMENT}",
        f"Contacts:17:owner:Trần Thị Lan@{MOMENT}",
        f"Contacts:17:profile@{MOMENT}:{digest(events[3].data)}",
    ]
    assert identities(events[0]) == [
        "record:Contacts:17",
        "record:Contacts.code:LH1",
        "email:hoa@example.vn",
        "phone:0912345678",
    ]
    assert (events[1].is_seen, events[2].owner_email) == (True, LAN)


def test_two_changes_of_one_time_are_two(api: FakeAmis) -> None:
    first = keys(read(notice("contact.updated", contact_id=17), api))
    api.rows["Contacts:17"]["title"] = "Two"
    second = keys(read(notice("contact.updated", contact_id=17), api))
    assert first[:3] == second[:3]
    assert first[3] != second[3]
    clicked = {"email": "hoa@example.vn", "time": "2026-08-12T10:14:00+07:00"}
    told = [AMIS.parse(notice("contact.email_clicked", **clicked, link=link), {}) for link in ("a", "b", "a")]
    actions = [keys([one for one in events if isinstance(one, Event)])[0] for events in told]
    assert (len(set(actions)), actions[0]) == (2, actions[2])


def test_what_is_emptied_is_shown_empty_but_for_what_was_never_filled_in_a_new_record(api: FakeAmis) -> None:
    api.rows["Contacts:17"] |= {"mobile": None, "title": ""}
    data = read(notice("contact.updated", contact_id=17), api)[3].data
    assert (data["mobile"], data["title"]) == (None, "")
    api.rows["Contacts:17"]["modified_date"] = api.rows["Contacts:17"]["created_date"]
    assert not {"mobile", "title"} & set(read(notice("contact.updated", contact_id=17), api)[3].data)


def test_a_contact_is_a_person_and_where_companies_are_subjects_the_company_is() -> None:
    assert persons_of(AMIS) == {"Contacts"}
    assert persons_of(replace(AMIS, subjects="company")) == {"Customers"}


def test_an_order_belongs_to_its_contact_and_without_one_to_its_customer(api: FakeAmis) -> None:
    order = read(notice("order.updated", order_id=9), api)
    assert [event.kind for event in order] == [Kind.IDENTIFY, Kind.STAGE, Kind.PROFILE]
    assert identities(order[1]) == ["record:SaleOrders:9", "record:SaleOrders.code:DH1", "record:Contacts.code:LH1"]
    api.rows["SaleOrders:9"]["contact_name"] = " "
    assert identities(read(notice("order.updated", order_id=9), api)[1])[-1] == "record:Customers.code:KH1"
    customer = read(notice("customer.updated", customer_id=3), api)
    assert (customer[1].owner, "record:Customers.code:KH1" in identities(customer[1])) == (None, True)


def test_a_whole_company_is_one_subject_where_that_is_set(api: FakeAmis) -> None:
    company = replace(AMIS, subjects="company")
    for word, number in (("contact", 17), ("order", 9), ("customer", 3)):
        events = read(notice(f"{word}.updated", id=number), api, company)
        assert "record:Customers.code:KH1" in identities(events[0])


def test_the_first_booked_order_counts_as_the_first_and_the_second_as_the_second(api: FakeAmis) -> None:
    source = (Path(__file__).parents[3] / "mappings" / "amis.yaml").read_text()
    rules = parse_mapping(source, "amis.yaml", STATUSES)
    booked = next(event for event in read(notice("order.updated", order_id=9), api) if event.kind is Kind.STAGE)
    (step,) = translate(booked, rules)
    assert step.counting is not None
    assert (step.counting.thing, step.counting.statuses) == ("9", ("order", "order"))
    drafts = [replace(booked, stage=stage) for stage in REVENUE if stage != "Đã ghi"]
    assert [translate(draft, rules) for draft in drafts] == [(), (), ()]
    for resource in ("Contacts", "Customers", "aiMarketing"):
        assert all(rules.status_of(resource, None, stage) for stage in STAGES)


def test_deleted_orders_and_records_that_are_gone_have_ended(api: FakeAmis) -> None:
    api.rows["SaleOrders:9"]["is_deleted"] = True
    (order,) = read(notice("order.deleted", order_id=9), api)
    (contact,) = read(notice("contact.deleted", contact_id=99), api)
    assert (order.key, order.at.isoformat()) == (f"SaleOrders:9:deleted@{exact(order.at)}", MOMENT)
    assert (contact.kind, contact.at) == (Kind.DELETED, NOW)


def test_a_resource_that_is_not_read_says_nothing_and_one_that_was_not_read_waits() -> None:
    only = replace(AMIS, resources=("Contacts",))
    assert only.parse(notice("order.updated", order_id=9), {}) == []
    with pytest.raises(CrmUnavailable):
        AMIS.parse(notice("order.updated", order_id=9), {})


def test_times_without_a_zone_are_those_of_the_connection(api: FakeAmis) -> None:
    api.rows["Contacts:17"] |= {"modified_date": "2026-08-12T10:15:30.1234567", "created_date": None}
    assert read(notice("contact.updated", id=17), api)[0].at.isoformat() == "2026-08-12T03:15:30.123456+00:00"
    api.rows["Contacts:17"]["modified_date"] = "12/08/2026"
    one = notice("contact.updated", id=17)
    (bad,) = AMIS.parse(one, AMIS.fetch([one], api))
    assert isinstance(bad, BadPayload)
    assert bad.path == "$.modified_date"


def test_a_stage_of_whom_only_an_email_is_known_comes_from_the_webhook() -> None:
    when = "2026-08-12T10:00:00+07:00"
    events = AMIS.parse(notice("contact.stage_changed", email="Hoa@example.vn", stage="SQL", time=when), {})
    assert [(event.kind, event.stage, event.is_seen) for event in events if isinstance(event, Event)] == [
        (Kind.STAGE, "SQL", False),
        (Kind.PROFILE, None, False),
    ]
    first = events[0]
    assert isinstance(first, Event)
    assert first.key == "aiMarketing:email:hoa@example.vn:stage:SQL@2026-08-12T03:00:00+00:00"
    assert first.record == RecordRef(object="aiMarketing", id="email:hoa@example.vn")


def test_other_words_are_actions_at_the_time_of_receipt_where_none_is_given() -> None:
    action, stage, profile = AMIS.parse(notice("contact.form_submitted", phone="0912345678", giai_doan="Lead"), {})
    assert isinstance(action, Event)
    assert isinstance(stage, Event)
    assert isinstance(profile, Event)
    assert (action.kind, action.name, action.at) == (Kind.ACTION, "contact.form_submitted", NOW)
    assert (stage.stage, stage.is_seen) == ("Lead", True)


def test_an_action_may_say_nothing_of_a_stage() -> None:
    events = AMIS.parse(notice("contact.email_opened", email="a@b.vn"), {})
    assert [event.kind for event in events if isinstance(event, Event)] == [Kind.ACTION, Kind.PROFILE]


def test_whoever_is_not_named_at_all_is_told_with_the_path() -> None:
    (bad,) = AMIS.parse(notice("contact.updated", name="Hoa"), {})
    assert isinstance(bad, BadPayload)
    assert bad.path == "$.data"


def test_polling_gives_the_same_keys_as_webhooks(api: FakeAmis) -> None:
    deliveries = [
        notice(f"{word}.updated", id=number) for word, number in (("customer", 3), ("contact", 17), ("order", 9))
    ]
    assert keys(list(AMIS.changes(SINCE, api))) == [key for one in deliveries for key in keys(read(one, api))]
    first = next(call for line, call in api.calls if line == "GET /Customers")
    assert first == {"page": "0", "pageSize": "100", "orderBy": "modified_date", "isDescending": "true"}


def test_polling_ends_at_the_first_older_record_beyond_the_overlap(api: FakeAmis) -> None:
    for number in range(100, 350):
        api.add(f"Contacts:{number}", modified_date=f"2026-08-12T10:{'15' if number < 220 else '04'}:30+07:00")
    api.add("Contacts:400", modified_date=None, created_date=None)
    api.add("Contacts:401", id=None)
    since = datetime(2026, 8, 12, 3, 15, 0, tzinfo=UTC)
    found = list(AMIS.changes(since, api))
    assert api.lines().count("GET /Contacts") == 2
    assert len({event.record for event in found if event.record and event.record.object == "Contacts"}) == 121
    few = list(replace(AMIS, overlap_minutes=-5, pages=1, resources=("Contacts",)).changes(since, api))
    assert 0 < len({event.record for event in few}) <= 100


def test_a_system_without_a_page_0_is_read_once_and_the_same_page_again_is_an_error(api: FakeAmis) -> None:
    for number in range(100, 250):
        api.add(f"Contacts:{number}")
    api.numbers_from = 1
    contacts = replace(AMIS, resources=("Contacts",))
    assert len({event.record for event in contacts.changes(SINCE, api)}) == 151
    page = good([{"id": number, "modified_date": "2026-08-12T10:15:30+07:00"} for number in range(100)])
    api.answers["GET /Contacts"] = [page, page, page]
    with pytest.raises(CrmUnavailable, match="check the setting first_page"):
        list(contacts.changes(SINCE, api))


def test_nothing_to_poll_is_no_page(api: FakeAmis) -> None:
    api.rows.clear()
    assert list(AMIS.changes(SINCE, api)) == []


def test_what_a_batch_leaves_out_is_asked_for_alone(api: FakeAmis) -> None:
    api.hidden = {17}
    one = webhook([{"event_type": "contact.updated", "data": [{"id": 17}, {"id": 98}]}])
    assert [event.kind for event in read(one, api)][-1] is Kind.DELETED
    api.answers["GET /Contacts/id"] = [good([]), reply({"ErrorCode": "NotFound"}, 404)]
    assert read(notice("contact.updated", id=17), api)[0].kind is Kind.DELETED
    api.answers["GET /Contacts/id"] = [good([]), reply({"ErrorCode": "InvalidParam", "DevMsg": "ids"}, 400)]
    with pytest.raises(CrmRefused, match="GET /Contacts/id: answered 400: InvalidParam: ids"):
        AMIS.fetch([notice("contact.updated", id=17)], api)
