"""What the AMIS adapter makes of webhooks, and what it polls, reads and writes by Open API v2."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.amis import Amis
from adapters.amis.records import REVENUE, STAGES
from connector.adapter_kit.contract import Adapter, Answer, Delivery, Person, PushOutcome, Reply, Update
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind, RecordRef
from connector.core.mapping import translate
from connector.core.status import STATUSES
from connector.mapping import parse_mapping
from tests.adapters.amis.fake import FakeAmis, good, reply
from tests.adapters.builders import identities, keys, outcomes, update_of, whole

NOW = datetime(2026, 8, 12, 3, 15, 31, tzinfo=UTC)
SINCE = datetime(2026, 8, 12, tzinfo=UTC)
TOKEN = "amis-t0ken"
LAN = "lan.tran@example.vn"
AMIS = Amis(
    client_id="app", client_secret=("s1",), webhook_token=(TOKEN,), owners=(f"{LAN}=Trần Thị Lan", "MINH@x.vn=Lê Minh")
)
MOMENT = "2026-08-12T03:15:30+00:00"
EXPIRED = reply({"success": False, "ErrorCode": "ExpiredToken", "UserMsg": "Token has expired"})


def webhook(body: Any, **headers: str) -> Delivery:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(method="POST", query=(("token", TOKEN),), headers=headers, body=content, received_at=NOW)


def told(word: str | None, **data: Any) -> Delivery:
    return webhook({"event_type": word, "data": data})


@pytest.fixture
def api() -> FakeAmis:
    fake = FakeAmis()
    contact = {"contact_code": "LH1", "account_name": "KH1", "email": "Hoa@Example.vn", "mobile": "0912 345 678"}
    fake.add("Contacts:17", **contact, custom_field1="MQL", custom_field2=None, owner_name="Trần Thị Lan")
    fake.add("Customers:3", account_number="KH1", office_email="info@example.vn", owner_name=None, custom_field2=None)
    fake.add("SaleOrders:9", sale_order_no="DH1", contact_name="LH1", account_name="KH1", revenue_status="Đã ghi")
    return fake


def read(one: Delivery, api: FakeAmis, adapter: Amis = AMIS) -> list[Event]:
    return whole(adapter, one, api)


def update(name: str = "Contacts:17", owner: str | None = None, **fields: Any) -> Update:
    return update_of(name, fields, since=NOW, owner=owner, owner_field="owner_name")


def test_it_keeps_the_contract() -> None:
    assert isinstance(AMIS, Adapter)
    assert (AMIS.takes_updates, Amis().takes_updates) == (True, False)
    assert AMIS.subscribe("https://connector.example", NOW, FakeAmis()) is None


# Webhooks


def test_a_look_whether_the_address_is_there_is_answered_with_200() -> None:
    looks = [AMIS.greet(replace(told("ping"), method=method)) for method in ("GET", "HEAD", "POST")]
    assert looks == [Reply(status=200), Reply(status=200), None]
    assert AMIS.receive(told("ping")).reply == Reply(status=200, body=b'{"success": true}')


def test_a_signing_secret_is_checked_besides_the_token_where_it_is_set() -> None:
    strict = replace(AMIS, signing_secret=("k",))
    body = told("ping").body
    signed = {"x-signature": hmac.new(b"k", body, hashlib.sha256).hexdigest()}
    strict.verify(webhook(body, **signed), NOW)
    for bad in (webhook(body), replace(webhook(body, **signed), query=())):
        with pytest.raises(BadSignature):
            strict.verify(bad, NOW)


def test_a_repeated_webhook_with_a_time_in_it_is_one_and_without_it_is_another() -> None:
    later = datetime(2026, 8, 13, tzinfo=UTC)
    for timed in (told("contact.updated", contact_id=1, modified_date="x"), webhook({"time": 1}), webhook([{"a": 1}])):
        is_same = AMIS.receive(timed).key == AMIS.receive(replace(timed, received_at=later)).key
        assert is_same is (timed.body[:1] == b"{")
    bare = told("contact.updated", contact_id=1)
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


# Records


def test_a_contact_becomes_its_events(api: FakeAmis) -> None:
    events = read(told("contact.updated", contact_id=17), api)
    assert keys(events) == [
        "Contacts:17:identify",
        f"Contacts:17:stage:MQL@{MOMENT}",
        f"Contacts:17:owner:Trần Thị Lan@{MOMENT}",
        f"Contacts:17:profile@{MOMENT}",
    ]
    assert identities(events[0]) == [
        "record:Contacts:17",
        "record:Contacts.code:LH1",
        "email:hoa@example.vn",
        "phone:0912345678",
    ]
    assert (events[1].is_seen, events[2].owner_email) == (True, LAN)


def test_an_order_belongs_to_its_contact_and_without_one_to_its_customer(api: FakeAmis) -> None:
    order = read(told("order.updated", order_id=9), api)
    assert [event.kind for event in order] == [Kind.IDENTIFY, Kind.STAGE, Kind.PROFILE]
    assert identities(order[1]) == ["record:SaleOrders:9", "record:SaleOrders.code:DH1", "record:Contacts.code:LH1"]
    api.rows["SaleOrders:9"]["contact_name"] = " "
    assert identities(read(told("order.updated", order_id=9), api)[1])[-1] == "record:Customers.code:KH1"
    customer = read(told("customer.updated", customer_id=3), api)
    assert (customer[1].owner, "record:Customers.code:KH1" in identities(customer[1])) == (None, True)


def test_a_whole_company_is_one_subject_where_that_is_set(api: FakeAmis) -> None:
    company = replace(AMIS, subjects="company")
    for word, number in (("contact", 17), ("order", 9), ("customer", 3)):
        events = read(told(f"{word}.updated", id=number), api, company)
        assert "record:Customers.code:KH1" in identities(events[0])


def test_the_first_booked_order_counts_as_the_first_and_the_second_as_the_second(api: FakeAmis) -> None:
    source = (Path(__file__).parents[3] / "mappings" / "amis.yaml").read_text()
    rules = parse_mapping(source, "amis.yaml", STATUSES)
    booked = next(event for event in read(told("order.updated", order_id=9), api) if event.kind is Kind.STAGE)
    (step,) = translate(booked, rules)
    assert step.counting is not None
    assert (step.counting.thing, step.counting.statuses) == ("9", ("order", "order"))
    drafts = [replace(booked, stage=stage) for stage in REVENUE if stage != "Đã ghi"]
    assert [translate(draft, rules) for draft in drafts] == [(), (), ()]
    for resource in ("Contacts", "Customers", "aiMarketing"):
        assert all(rules.status_of(resource, None, stage) for stage in STAGES)


def test_deleted_orders_and_records_that_are_gone_have_ended(api: FakeAmis) -> None:
    api.rows["SaleOrders:9"]["is_deleted"] = True
    (order,) = read(told("order.deleted", order_id=9), api)
    (contact,) = read(told("contact.deleted", contact_id=99), api)
    assert (order.key, order.at.isoformat()) == ("SaleOrders:9:deleted", MOMENT)
    assert (contact.kind, contact.at) == (Kind.DELETED, NOW)


def test_a_resource_that_is_not_read_says_nothing_and_one_that_was_not_read_waits() -> None:
    only = replace(AMIS, resources=("Contacts",))
    assert only.parse(told("order.updated", order_id=9), {}) == []
    with pytest.raises(CrmUnavailable):
        AMIS.parse(told("order.updated", order_id=9), {})


def test_times_without_a_zone_are_those_of_the_connection(api: FakeAmis) -> None:
    api.rows["Contacts:17"] |= {"modified_date": "2026-08-12T10:15:30.1234567", "created_date": None}
    assert read(told("contact.updated", id=17), api)[0].at.isoformat() == "2026-08-12T03:15:30.123456+00:00"
    api.rows["Contacts:17"]["modified_date"] = "12/08/2026"
    one = told("contact.updated", id=17)
    (bad,) = AMIS.parse(one, AMIS.fetch([one], api))
    assert isinstance(bad, BadPayload)
    assert bad.path == "$.modified_date"


# What a webhook says itself


def test_a_stage_of_whom_only_an_email_is_known_comes_from_the_webhook() -> None:
    when = "2026-08-12T10:00:00+07:00"
    events = AMIS.parse(told("contact.stage_changed", email="Hoa@example.vn", stage="SQL", time=when), {})
    assert [(event.kind, event.stage, event.is_seen) for event in events if isinstance(event, Event)] == [
        (Kind.STAGE, "SQL", False),
        (Kind.PROFILE, None, False),
    ]
    first = events[0]
    assert isinstance(first, Event)
    assert first.key == "aiMarketing:email:hoa@example.vn:stage:SQL@2026-08-12T03:00:00+00:00"
    assert first.record == RecordRef(object="aiMarketing", id="email:hoa@example.vn")


def test_other_words_are_actions_at_the_time_of_receipt_where_none_is_given() -> None:
    action, stage, profile = AMIS.parse(told("contact.form_submitted", phone="0912345678", giai_doan="Lead"), {})
    assert isinstance(action, Event)
    assert isinstance(stage, Event)
    assert isinstance(profile, Event)
    assert (action.kind, action.name, action.at) == (Kind.ACTION, "contact.form_submitted", NOW)
    assert (stage.stage, stage.is_seen) == ("Lead", True)


def test_an_action_may_say_nothing_of_a_stage() -> None:
    events = AMIS.parse(told("contact.email_opened", email="a@b.vn"), {})
    assert [event.kind for event in events if isinstance(event, Event)] == [Kind.ACTION, Kind.PROFILE]


def test_whoever_is_not_named_at_all_is_told_with_the_path() -> None:
    (bad,) = AMIS.parse(told("contact.updated", name="Hoa"), {})
    assert isinstance(bad, BadPayload)
    assert bad.path == "$.data"


# Polling


def test_polling_gives_the_same_keys_as_webhooks(api: FakeAmis) -> None:
    deliveries = [
        told(f"{word}.updated", id=number) for word, number in (("customer", 3), ("contact", 17), ("order", 9))
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
    assert read(told("contact.updated", id=17), api)[0].kind is Kind.DELETED
    api.answers["GET /Contacts/id"] = [good([]), reply({"ErrorCode": "InvalidParam", "DevMsg": "ids"}, 400)]
    with pytest.raises(CrmRefused, match="GET /Contacts/id: answered 400: InvalidParam: ids"):
        AMIS.fetch([told("contact.updated", id=17)], api)


# Failures and tokens


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (reply({"success": False, "user_msg": "Không có quyền"}), CrmRefused, "answered 200: Không có quyền"),
        (reply({"code": 400, "error_message": "bad"}), CrmRefused, "answered 200: 400: bad"),
        (reply({"ErrorCode": "Exception", "DevMsg": "x"}), CrmUnavailable, "answered 200: Exception: x"),
        (reply({"ErrorCode": "AppIDDisconnect"}, 403), CrmRefused, "the AppID was disconnected"),
        (Answer(status=404, headers={}, body=b"<html>"), CrmRefused, "GET /Contacts: answered 404"),
        (Answer(status=200, headers={}, body=b"<html>"), CrmUnavailable, "is not JSON"),
        (reply("text", 400), CrmRefused, "answered 400"),
    ],
)
def test_a_failure_is_seen_whatever_its_status(api: FakeAmis, answer: Answer, error: type, said: str) -> None:
    api.answers["GET /Contacts"] = [answer]
    with pytest.raises(error) as caught:
        list(replace(AMIS, resources=("Contacts",)).changes(SINCE, api))
    assert said in str(caught.value)


@pytest.mark.parametrize("data", [{"data": [{"id": 5}]}, {"id": 5}])
def test_rows_may_stand_one_level_deeper(api: FakeAmis, data: Any) -> None:
    api.answers["GET /Contacts/id"] = [good(data)]
    assert AMIS.fetch([told("contact.updated", id=5)], api) == {"Contacts:5": {"id": 5}}


def test_an_answer_may_be_a_bare_list_or_hold_no_rows(api: FakeAmis) -> None:
    api.answers["GET /Contacts/id"] = [reply([{"id": 5}]), good("x"), good(None)]
    assert AMIS.fetch([told("contact.updated", id=5)], api) == {"Contacts:5": {"id": 5}}
    assert AMIS.fetch([told("contact.updated", id=5)], api) == {"Contacts:5": None}


def test_a_token_is_fetched_once_and_kept_for_every_process(api: FakeAmis) -> None:
    AMIS.fetch([told("contact.updated", id=17)], api)
    AMIS.fetch([told("contact.updated", id=17)], api)
    assert api.calls[0] == ("POST /Account", {"client_id": "app", "client_secret": "s1"})
    assert (api.lines().count("POST /Account"), api.keeps["access_token"]) == (1, "t1")
    other = FakeAmis()
    other.keeps = dict(api.keeps)
    AMIS.fetch([told("contact.updated", id=17)], other)
    assert "POST /Account" not in other.lines()


@pytest.mark.parametrize("refusal", [EXPIRED, reply({}, 401), reply({"ErrorCode": "InvalidToken"}, 401)])
def test_a_token_that_ran_out_is_fetched_anew_once(api: FakeAmis, refusal: Answer) -> None:
    api.keeps["access_token"] = "old"
    api.answers["GET /Contacts/id"] = [refusal]
    AMIS.fetch([told("contact.updated", id=17)], api)
    assert api.tokens[0] == "Bearer old"
    assert api.keeps["access_token"] != "old"
    api.answers["GET /Contacts/id"] = [EXPIRED, EXPIRED]
    with pytest.raises(CrmRefused, match="ExpiredToken"):
        AMIS.fetch([told("contact.updated", id=17)], api)


def test_a_token_that_another_process_fetched_is_taken(api: FakeAmis) -> None:
    api.memo["access_token"], api.keeps["access_token"] = "old", "new"
    api.answers["GET /Contacts/id"] = [EXPIRED]
    AMIS.fetch([told("contact.updated", id=17)], api)
    assert api.tokens == ["Bearer old", "Bearer new"]


def test_without_a_token_it_is_said_what_to_check_and_no_secret(api: FakeAmis) -> None:
    bad = reply({"success": False, "ErrorCode": "InvalidAppID", "UserMsg": "s1 is wrong"})
    api.answers["POST /Account"] = [bad, reply({"success": True, "data": None})]
    two = replace(AMIS, client_secret=("s1", "s0"))
    with pytest.raises(CrmRefused, match="POST /Account: the answer has no token; check client_id and client_secret"):
        two.fetch([told("contact.updated", id=17)], api)
    api.answers["POST /Account"] = [bad]
    with pytest.raises(CrmRefused) as caught:
        AMIS.fetch([told("contact.updated", id=17)], api)
    assert "InvalidAppID: *** is wrong: check client_id" in str(caught.value)
    with pytest.raises(CrmRefused, match="no client_secret is set"):
        replace(AMIS, client_secret=()).fetch([told("contact.updated", id=17)], api)
    api.answers["POST /Account"] = [reply({"ErrorCode": "Exception"})]
    with pytest.raises(CrmUnavailable):
        AMIS.fetch([told("contact.updated", id=17)], api)
    api.answers["POST /Account"] = [reply([])]
    with pytest.raises(CrmRefused, match="has no token"):
        AMIS.fetch([told("contact.updated", id=17)], api)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"client_id": ""}, "client_id (missing)"),
        ({"resources": ("Leads",)}, "resources (Customers, Contacts, SaleOrders)"),
        ({"subjects": "all"}, "subjects (person or company)"),
        ({"first_page": 2}, "first_page (0 or 1)"),
        ({"pages": 0}, "pages (1 or more)"),
        ({"keys": ("x=y",)}, "keys (event, data, id, stage or time, = and a key)"),
        ({"keys": ("event",)}, "keys (event, data, id, stage or time, = and a key)"),
        ({"owners": ("lan@example.vn",)}, "owners (e-mail=name)"),
        ({"zone": "Mars"}, "zone ('Mars' is no"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(CrmRefused) as caught:
        replace(AMIS, **settings).catalog(FakeAmis())
    assert said in str(caught.value)


# Directories


def test_the_catalogue_has_the_seven_stages_the_states_of_revenue_and_the_owners_of_the_settings(api: FakeAmis) -> None:
    catalog = AMIS.catalog(api)
    assert list(catalog.stages["Contacts"][""]) == list(STAGES)
    assert list(catalog.stages["SaleOrders"][""]) == list(REVENUE)
    assert set(catalog.stages) == {"Customers", "Contacts", "SaleOrders", "aiMarketing"}
    assert catalog.owners[0] == Person(id="Trần Thị Lan", email=LAN, name="Trần Thị Lan")


def test_inspection_says_what_can_be_read_and_what_is_missing(api: FakeAmis) -> None:
    api.answers["GET /SaleOrders"] = [reply({"success": False, "user_msg": "no right"}, 403)]
    found = AMIS.inspect("https://connector.example/webhooks/amis", api)
    assert [(one.topic, one.is_good) for one in found] == [
        ("scopes", True),
        ("fields", False),
        ("scopes", True),
        ("scopes", False),
        ("webhooks", True),
        ("fields", True),
    ]
    assert "Customers show no field custom_field1" in found[1].text
    api.rows.clear()
    bare = replace(AMIS, owners=(), webhook_token=()).inspect("https://connector.example/webhooks/amis", api)
    assert [one.is_good for one in bare] == [True, True, True, False, False]


# Updates


def test_an_update_sends_the_least_as_an_array_and_is_done_when_the_record_shows_it(api: FakeAmis) -> None:
    results = AMIS.push([update(owner=LAN, stage="SQL", custom_field2="Project")], api)
    assert outcomes(results) == [(PushOutcome.DONE, None)]
    body = next(body for line, body in api.calls if line == "PUT /Contacts")
    assert body == [
        {
            "id": 17,
            "form_layout": "Mẫu tiêu chuẩn",
            "custom_field1": "SQL",
            "custom_field2": "Project",
            "owner_name": "Trần Thị Lan",
        }
    ]
    replace(AMIS, form_layout="").push([update(custom_field2="x")], api)
    assert next(body for line, body in reversed(api.calls) if line == "PUT /Contacts") == [
        {"id": 17, "custom_field2": "x"}
    ]


def test_many_updates_are_one_array_per_resource(api: FakeAmis) -> None:
    for number in range(200, 301):
        api.add(f"Contacts:{number}", custom_field2=None)
    updates = [update(f"Contacts:{number}", custom_field2="Latent") for number in range(200, 301)]
    results = AMIS.push([*updates, update("Customers:3", custom_field2="Latent")], api)
    assert set(outcomes(results)) == {(PushOutcome.DONE, None)}
    assert [line for line in api.lines() if line.startswith("PUT")] == ["PUT /Contacts"] * 2 + ["PUT /Customers"]
    assert api.lines().count("GET /Contacts/id") == 3


def test_an_item_that_is_refused_stops_no_other_and_is_said_by_field(api: FakeAmis) -> None:
    api.add("Contacts:18", custom_field2=None)
    api.add("Contacts:19", custom_field2=None)
    info = {"field_name": "email", "error_message": "Đã tồn tại"}
    items = [
        {"success": False, "data": {"id": "17"}, "validate_infos": [info, "?"]},
        {"success": False, "validate_result": [{}]},
        {"success": False, "id": 19, "error_message": "locked"},
        {"success": False},
    ]
    api.answers["PUT /Contacts"] = [reply({"success": False, "code": 400, "results": items})]
    names = ("Contacts:17", "Contacts:18", "Contacts:19", "Contacts:99")
    results = AMIS.push([update(name, owner="who@example.vn", custom_field2="x") for name in names], api)
    unknown = "owner_name: no entry of the setting owners (<e-mail>=<name>) has the e-mail who@example.vn"
    assert outcomes(results) == [
        (PushOutcome.REFUSED, f"email: Đã tồn tại; {unknown}"),
        (PushOutcome.REFUSED, f"?: refused; {unknown}"),
        (PushOutcome.REFUSED, f"locked; {unknown}"),
        (PushOutcome.GONE, "the record does not exist any more"),
    ]


def test_an_item_without_a_reason_and_one_too_many_are_borne(api: FakeAmis) -> None:
    items = [{"success": False, "validate_infos": "x"}, {"success": False}]
    api.answers["PUT /Contacts"] = [reply({"success": True, "results": items})]
    ((outcome, reason),) = outcomes(AMIS.push([update(custom_field2="x")], api))
    assert (outcome, reason) == (PushOutcome.REFUSED, "AMIS refused the record, without a reason")


def test_an_array_that_is_refused_as_a_whole_is_sent_record_by_record(api: FakeAmis) -> None:
    api.add("Contacts:18", custom_field2=None)
    whole = reply({"success": False, "ErrorCode": "InvalidParam", "UserMsg": "custom_field9"})
    api.answers["PUT /Contacts"] = [whole, whole]
    results = AMIS.push([update(custom_field9="x"), update("Contacts:18", custom_field2="x")], api)
    assert outcomes(results) == [
        (PushOutcome.REFUSED, "PUT /Contacts: answered 200: InvalidParam: custom_field9"),
        (PushOutcome.DONE, None),
    ]


def test_what_was_reported_and_not_saved_is_refused_with_the_field(api: FakeAmis) -> None:
    api.is_deaf = True
    ((outcome, reason),) = outcomes(AMIS.push([update(custom_field2="Latent", custom_field1="MQL", nothing="")], api))
    assert outcome is PushOutcome.REFUSED
    assert (reason or "").split("; ") == [
        "custom_field2 shows nothing in place of 'Latent'",
        "nothing is not shown: AMIS CRM has no such field, and ignores it",
    ]
    assert outcomes(AMIS.push([update(custom_field2="")], api)) == [(PushOutcome.DONE, None)]


@pytest.mark.parametrize("name", ["SaleOrders:9", "aiMarketing:email:a@b.vn", "Leads:1"])
def test_what_cannot_be_written_is_refused_without_a_call(api: FakeAmis, name: str) -> None:
    ((outcome, reason),) = outcomes(AMIS.push([update(name, custom_field2="x")], api))
    assert (outcome, api.calls) == (PushOutcome.REFUSED, [])
    assert reason == f"{name} cannot be written: only customers and contacts of AMIS CRM can"


def test_an_update_of_nothing_but_a_known_owner_or_of_nothing(api: FakeAmis) -> None:
    results = AMIS.push([update(owner="minh@x.vn"), update("Customers:3")], api)
    assert outcomes(results) == [(PushOutcome.DONE, None)] * 2
    assert api.rows["Contacts:17"]["owner_name"] == "Lê Minh"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (CrmUnavailable("away", 7.0), PushOutcome.LATER),
        (reply({"success": False, "ErrorCode": "DBAmisNotConnectDBACT"}), PushOutcome.LATER),
        (CrmRefused("PUT: the request cannot be sent"), PushOutcome.REFUSED),
    ],
)
def test_an_array_that_nobody_took_is_tried_again_or_refused(api: FakeAmis, answer: Any, outcome: PushOutcome) -> None:
    api.answers["PUT /Contacts"] = [answer]
    results = AMIS.push([update(custom_field2="x"), update("Customers:3", custom_field2="x")], api)
    assert [result.outcome for result in results] == [outcome, PushOutcome.DONE]
