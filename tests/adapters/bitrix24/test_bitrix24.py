"""What the Bitrix24 adapter makes of deliveries, and what it reads from and writes to a portal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bitrix24 import Bitrix24
from adapters.bitrix24.client import Portal, query
from adapters.bitrix24.records import new_name, old_name
from adapters.bitrix24.webhook import EVENTS, IGNORED, TRIGGERS
from connector.adapter_kit.contract import Adapter, Answer, Delivery, Person, Pushed, PushOutcome, Reply, Update
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.core.mapping import translate
from connector.mapping import load_mapping
from tests.adapters.bitrix24.fake import TIMES, URL, FakePortal, reply
from tests.adapters.builders import outcomes, update_of, whole

NOW = datetime(2026, 3, 26, 8, 16, 5, 250_000, tzinfo=UTC)
TOKEN, OLDER, ROBOT, MEMBER = "k4w8zq1n6t0x5p2v", "u2e6g9s3k8d1q7w4", "r0b0tr0b0t", "7f3c9a51d20e4b6c"
BITRIX = Bitrix24(webhook_url=(URL,), application_tokens=(TOKEN, OLDER), robot_token=(ROBOT,), contacts="all")
MAREK = {"ID": "14", "ACTIVE": True, "NAME": "Marek", "LAST_NAME": "Dvorak", "EMAIL": "Marek.Dvorak@example.com"}
NO_FIELD = "UF_CRM_UNKNOWN is not shown: the portal has no such field, and ignores it"
LINH = {"ID": "11", "ACTIVE": True, "NAME": "Linh", "LAST_NAME": "Nguyen", "EMAIL": "linh.nguyen@example.com"}


def delivery(query: dict[str, str] | None = None, **form: Any) -> Delivery:
    pairs = {name.replace("__", "[", 1).replace("__", "][") + "]" * ("__" in name): it for name, it in form.items()}
    return Delivery(
        method="POST",
        query=tuple((query or {}).items()),
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(pairs).encode(),
        received_at=NOW,
    )


def event(word: str, number: object = 1907, token: str = TOKEN, **form: Any) -> Delivery:
    form |= {"auth__member_id": MEMBER, "auth__application_token": token}
    return delivery(event=word, data__FIELDS__ID=number, ts="1774512963", **form)


def robot(document: str = "LEAD_1907", **query: str) -> Delivery:
    return delivery(
        {"token": ROBOT, **query},
        document_id__0="crm",
        document_id__1="CCrmDocumentLead",
        document_id__2=document,
        auth__member_id=MEMBER,
    )


@pytest.fixture
def portal() -> FakePortal:
    fake = FakePortal()
    fake.users = [LINH, MAREK]
    fake.add(
        "lead:1907",
        stageId="IN_PROCESS",
        companyTitle="Halden & Sons",
        searchContent="everything",
        fm=[
            {"id": 9016, "typeId": "EMAIL", "valueType": "WORK", "value": " Ingrid.Halden@Example.com "},
            {"id": 9015, "typeId": "PHONE", "valueType": "WORK", "value": "+47 55 50 12 34"},
            {"id": 9017, "typeId": "PHONE", "valueType": "WORK", "value": "214"},
            {"id": 9018, "typeId": "EMAIL", "valueType": "WORK", "value": "none"},
        ],
    )
    fake.add("contact:642", name="Ann", email="ann@example.com")
    fake.add("contact:655", name="Bo", fm={"1": {"id": 1, "typeId": "EMAIL", "value": "bo@example.com"}})
    fake.add(
        "deal:4821",
        stageId="C5:PREPARATION",
        categoryId=5,
        leadId=1880,
        contactIds=[642, 655],
        assignedById=14,
        opportunity=48000,
    )
    return fake


def read(adapter: Bitrix24, one: Delivery, portal: FakePortal) -> list[Event]:
    return whole(adapter, one, portal)


def update(name: str = "lead:1907", owner: str | None = None, **fields: Any) -> Update:
    return update_of(name, fields, since=NOW, owner=owner, owner_field="ASSIGNED_BY_ID")


def test_it_keeps_the_contract() -> None:
    assert isinstance(BITRIX, Adapter)
    assert set(Bitrix24.SETTINGS) == {
        "webhook_url",
        "application_tokens",
        "robot_token",
        "client_id",
        "client_secret",
        "refresh_token",
        "portal_url",
        "oauth_server",
        "offline_events",
        "member_id",
        "objects",
        "contacts",
        "read_by",
        "batch",
        "rate",
    }
    assert all(
        getattr(Bitrix24(), name) == (setting.default or ())
        for name, setting in Bitrix24.SETTINGS.items()
        if setting.is_secret
    )
    assert BITRIX.greet(robot()) is None
    assert BITRIX.receive(robot()).reply == Reply(status=202, body=b'{"accepted": 1}')


# Verification


@pytest.mark.parametrize(
    "good",
    [
        event("ONCRMLEADUPDATE"),
        event("ONCRMLEADUPDATE", token=OLDER),
        robot(),
        delivery(event="ONCRMLEADUPDATE", auth__application_token=TOKEN),
        delivery({"token": ROBOT}),
    ],
)
def test_a_delivery_with_one_of_the_tokens_is_authentic(good: Delivery) -> None:
    BITRIX.verify(good, NOW)
    replace(BITRIX, member_id=MEMBER).verify(good, NOW)


@pytest.mark.parametrize(
    "bad",
    [
        event("ONCRMLEADUPDATE", token="wrong"),
        event("ONCRMLEADUPDATE", token=""),
        event("ONCRMLEADUPDATE", token=ROBOT),
        delivery({"token": ROBOT}, event="ONCRMLEADUPDATE"),
        delivery({"token": ROBOT}, event="ONCRMLEADUPDATE", auth="text"),
        delivery({"token": ROBOT}, event="", auth__application_token__x=TOKEN),
        delivery({"token": "wrong"}),
        delivery(auth__application_token=TOKEN),
        replace(robot(), body=b"\xff=\xff"),
    ],
)
def test_any_doubt_is_a_bad_signature(bad: Delivery) -> None:
    with pytest.raises(BadSignature):
        BITRIX.verify(bad, NOW)


def test_without_tokens_nothing_is_authentic() -> None:
    for one in (event("ONCRMLEADUPDATE", token=""), event("ONCRMLEADUPDATE"), robot(), delivery({"token": ""})):
        with pytest.raises(BadSignature):
            Bitrix24(webhook_url=(URL,)).verify(one, NOW)


def test_the_portal_must_be_the_right_one_when_its_member_id_is_set() -> None:
    strict = replace(BITRIX, member_id="another")
    for one in (event("ONCRMLEADUPDATE"), robot()):
        with pytest.raises(BadSignature):
            strict.verify(one, NOW)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_whatever_the_bytes_only_the_contracts_errors_are_raised(body: bytes, token: str) -> None:
    garbage = Delivery(method="POST", query=(("token", token),), headers={}, body=body, received_at=NOW)
    with pytest.raises(BadSignature):
        BITRIX.verify(garbage, NOW)
    for method in (BITRIX.receive, lambda one: BITRIX.parse(one, {})):
        try:
            method(garbage)
        except (BadPayload, UnknownEvent):
            continue


# What a delivery is about


def test_two_changes_in_one_second_have_two_keys() -> None:
    first, second = event("ONCRMLEADUPDATE"), replace(event("ONCRMLEADUPDATE"), received_at=datetime.now(UTC))
    assert BITRIX.receive(first).key == (
        "ONCRMLEADUPDATE:lead:1907:7f3c9a51d20e4b6c:1774512963:2026-03-26T08:16:05.250000+00:00"
    )
    assert BITRIX.receive(first).key != BITRIX.receive(second).key
    assert BITRIX.receive(robot()).key == "ROBOT:lead:1907:7f3c9a51d20e4b6c::2026-03-26T08:16:05.250000+00:00"
    assert BITRIX.receive(delivery(event="ONAPPTEST")).key == "ONAPPTEST:-:::2026-03-26T08:16:05.250000+00:00"


def test_a_key_is_never_longer_than_the_contract_allows() -> None:
    longest = event("ONCRMDYNAMICITEMUPDATE_" + "9" * 18, 2**62, data__FIELDS__ENTITY_TYPE_ID=2**62)
    body = longest.body.replace(MEMBER.encode(), b"m" * 60)
    assert len(BITRIX.receive(replace(longest, body=body)).key) <= 255
    assert "mmm" not in BITRIX.receive(replace(longest, body=longest.body.replace(MEMBER.encode(), b"m" * 61))).key


@pytest.mark.parametrize(
    ("one", "lane"),
    [
        (event("onCrmLeadUpdate"), "lead:1907"),
        (event("ONCRMDEALMOVETOCATEGORY", "4821"), "deal:4821"),
        (event("ONCRMDYNAMICITEMUPDATE", 77, data__FIELDS__ENTITY_TYPE_ID=1044), "dynamic_1044:77"),
        (event("ONCRMDYNAMICITEMUPDATE_1044", 77), "dynamic_1044:77"),
        (event("ONCRMDYNAMICITEMUPDATE_31", 7, data__FIELDS__ENTITY_TYPE_ID=31), "smart_invoice:7"),
        (robot("DEAL_4821"), "deal:4821"),
        (robot("DYNAMIC_1044_77"), "dynamic_1044:77"),
        (robot("SMART_INVOICE_7"), "smart_invoice:7"),
        (event("ONCRMCOMPANYADD", 3), ""),
        (event("ONCRMLEADUPDATE_5"), ""),
    ],
)
def test_the_lane_is_the_record(one: Delivery, lane: str) -> None:
    assert BITRIX.receive(one).lane == lane


@pytest.mark.parametrize(
    ("one", "path"),
    [
        (event("ONCRMLEADUPDATE", "many"), "$.data.FIELDS.ID"),
        (event("ONCRMLEADUPDATE", 0), "$.data.FIELDS.ID"),
        (delivery(event="ONCRMLEADUPDATE"), "$.data"),
        (event("ONCRMDYNAMICITEMUPDATE"), "$.data.FIELDS.ENTITY_TYPE_ID"),
        (event("ONCRMDYNAMICITEMUPDATE_X"), "$.event"),
        (delivery(), "$.document_id"),
        (delivery(document_id__0="crm", document_id__1="CCrmDocumentLead"), "$.document_id"),
        (robot("LEAD"), "$.document_id"),
        (robot("LEAD_0"), "$.document_id"),
    ],
)
def test_a_delivery_that_cannot_be_read_names_the_place(one: Delivery, path: str) -> None:
    for method in (BITRIX.receive, lambda one: BITRIX.parse(one, {})):
        with pytest.raises(BadPayload) as caught:
            method(one)
        assert caught.value.path == path
    assert BITRIX.fetch([one], FakePortal()) == {}


# Fetch


def test_records_are_fetched_once_each_in_few_requests(portal: FakePortal) -> None:
    deliveries = [event("ONCRMLEADADD"), event("ONCRMLEADUPDATE"), robot(), event("ONCRMDEALUPDATE", 4821)]
    fetched = BITRIX.fetch(deliveries, portal)
    assert list(fetched) == ["lead:1907", "deal:4821", "contact:642", "contact:655", "user:11", "user:14"]
    assert portal.sizes == [2, 3]
    assert fetched["user:14"] == MAREK
    BITRIX.fetch(deliveries, portal)
    assert portal.sizes == [2, 3, 2, 1]


def test_nothing_is_fetched_for_deliveries_that_need_no_record(portal: FakePortal) -> None:
    deliveries = [event("ONCRMLEADDELETE"), event("ONCRMCOMPANYADD", 3), event("ONCRMCONTACTADD", 642), delivery()]
    assert BITRIX.fetch(deliveries, portal) == {}
    assert portal.urls == []


def test_a_record_that_a_list_leaves_out_is_asked_for_by_itself(portal: FakePortal) -> None:
    portal.hidden = {"lead:1907"}
    fetched = BITRIX.fetch([event("ONCRMLEADUPDATE"), event("ONCRMLEADUPDATE", 5)], portal)
    assert fetched["lead:1907"]["stageId"] == "IN_PROCESS"
    assert fetched["lead:5"] is None


def test_a_portal_with_odd_lists_is_read_record_by_record(portal: FakePortal) -> None:
    single = replace(BITRIX, read_by="get")
    deliveries = [event("ONCRMLEADUPDATE"), event("ONCRMDEALUPDATE", 4821)]
    assert single.fetch(deliveries, portal) == BITRIX.fetch(deliveries, portal)
    assert single.fetch(deliveries, portal)["contact:642"]["name"] == "Ann"
    assert set(portal.methods()[:6]) == {"crm.item.get", "user.get"}


def test_more_records_than_fit_into_a_command_are_asked_for_by_several(portal: FakePortal) -> None:
    for number in range(1, 1200):
        portal.add(f"lead:{number}", stageId="NEW")
    fetched = BITRIX.fetch([event("ONCRMLEADUPDATE", number) for number in range(1, 1200)], portal)
    assert len([name for name in fetched if name.startswith("lead:")]) == 1199
    assert portal.sizes == [20, 4, 1]


def test_a_record_that_cannot_be_read_stops_only_its_own_delivery(portal: FakePortal) -> None:
    portal.hidden = {"lead:5", "lead:6"}
    portal.errors = {"crm.item.get 5": ("INTERNAL_SERVER_ERROR", "oops"), "crm.item.get 6": ("ACCESS_DENIED", "")}
    deliveries = [event("ONCRMLEADUPDATE", number) for number in (1907, 5, 6)]
    fetched = BITRIX.fetch(deliveries, portal)
    assert len(BITRIX.parse(deliveries[0], fetched)) == 4
    with pytest.raises(CrmUnavailable, match=r"crm\.item\.get: INTERNAL_SERVER_ERROR: oops"):
        BITRIX.parse(deliveries[1], fetched)
    with pytest.raises(CrmRefused, match="lacks the right"):
        BITRIX.parse(deliveries[2], fetched)
    with pytest.raises(CrmUnavailable, match="lead:1907 was not read"):
        BITRIX.parse(deliveries[0], {})


def test_an_owner_who_cannot_be_looked_up_has_no_email(portal: FakePortal) -> None:
    portal.errors = {"user.get": ("insufficient_scope", "The request requires higher privileges")}
    owner = read(BITRIX, event("ONCRMLEADUPDATE"), portal)[2]
    assert (owner.owner, owner.owner_email) == ("11", None)


def test_another_employee_than_the_owner_is_not_taken_for_the_owner(portal: FakePortal) -> None:
    portal.answers = [
        reply({"result": {"result": {"c0": {"items": [portal.items["lead:1907"]]}}}}),
        reply({"result": {"result": {"c0": [MAREK]}}}),
    ]
    assert BITRIX.fetch([event("ONCRMLEADUPDATE")], portal)["user:11"] is None


# Events


def test_a_lead_is_its_identity_stage_owner_and_profile(portal: FakePortal) -> None:
    events = read(BITRIX, event("ONCRMLEADUPDATE"), portal)
    identities = (
        Identity(kind=IdentityKind.RECORD, value="lead:1907"),
        Identity(kind=IdentityKind.EMAIL, value="ingrid.halden@example.com"),
        Identity(kind=IdentityKind.PHONE, value="+4755501234"),
    )
    common: dict[str, Any] = {
        "record": RecordRef(object="lead", id="1907"),
        "is_lead": True,
        "identities": identities,
    }
    created, moved = datetime(2026, 3, 24, 14, 2, 11, tzinfo=UTC), datetime(2026, 3, 26, 8, 16, 2, tzinfo=UTC)
    assert events[:3] == [
        Event(key="lead:1907:identify", at=created, kind=Kind.IDENTIFY, **common),
        Event(
            key="lead:1907:stage:IN_PROCESS@2026-03-26T08:16:02Z",
            at=moved,
            kind=Kind.STAGE,
            stage="IN_PROCESS",
            **common,
        ),
        Event(
            key="lead:1907:owner:11@2026-03-26T08:16:02Z",
            at=moved,
            kind=Kind.OWNER,
            owner="11",
            owner_email="linh.nguyen@example.com",
            **common,
        ),
    ]
    profile = events[3]
    assert replace(profile, data={}) == Event(
        key="lead:1907:profile@2026-03-26T08:16:02Z", at=moved, kind=Kind.PROFILE, **common
    )
    assert profile.data["COMPANY_TITLE"] == profile.data["companyTitle"] == "Halden & Sons"
    assert profile.data["STATUS_ID"] == profile.data["stageId"] == "IN_PROCESS"
    assert profile.data["EMAIL"][0]["VALUE"] == " Ingrid.Halden@Example.com "
    assert profile.data["ASSIGNED_BY_ID"] == 11
    assert not {"searchContent", "UF_CRM_ABM_STATUS", "CONTACTS"} & set(profile.data)


def test_a_deal_is_found_by_its_lead_and_its_contacts(portal: FakePortal) -> None:
    events = read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal)
    assert [(one.kind, one.value) for one in events[0].identities] == [
        ("record", "deal:4821"),
        ("record", "contact:642"),
        ("record", "contact:655"),
        ("record", "lead:1880"),
        ("email", "ann@example.com"),
        ("email", "bo@example.com"),
    ]
    assert (events[1].key, events[1].stage, events[1].pipeline) == (
        "deal:4821:stage:C5:PREPARATION@2026-03-26T08:16:02Z",
        "PREPARATION",
        "5",
    )
    assert [row["VALUE"] for row in events[3].data["EMAIL"]] == ["ann@example.com", "bo@example.com"]
    assert [row["NAME"] for row in events[3].data["CONTACTS"]] == ["Ann", "Bo"]


def test_the_first_contact_alone_can_be_chosen_to_find_a_deal(portal: FakePortal) -> None:
    first = replace(BITRIX, contacts="first")
    found = [one.value for one in read(first, event("ONCRMDEALUPDATE", 4821), portal)[0].identities]
    assert found == ["deal:4821", "contact:642", "lead:1880", "ann@example.com"]


def test_a_contact_that_cannot_be_read_still_links_the_deal(portal: FakePortal) -> None:
    del portal.items["contact:642"], portal.items["contact:655"]
    portal.items["deal:4821"] |= {"contactIds": [], "contactId": 642, "leadId": 0, "assignedById": 0}
    events = read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal)
    assert [one.value for one in events[0].identities] == ["deal:4821", "contact:642"]
    assert (events[2].key, events[2].owner) == ("deal:4821:owner:nobody@2026-03-26T08:16:02Z", None)


@pytest.mark.parametrize(
    ("stage", "category", "bare", "pipeline"),
    [
        ("WON", 0, "WON", "0"),
        ("WON", None, "WON", "0"),
        ("C5:WON", 5, "WON", "5"),
        ("C9:UC_NYL06U", 9, "UC_NYL06U", "9"),
    ],
)
def test_a_stage_is_named_without_its_pipeline(
    portal: FakePortal, stage: str, category: int | None, bare: str, pipeline: str
) -> None:
    portal.items["deal:4821"] |= {"stageId": stage, "categoryId": category}
    found = read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal)[1]
    assert (found.stage, found.pipeline) == (bare, pipeline)


def test_smart_processes_and_contacts_are_read_when_they_are_among_the_objects(portal: FakePortal) -> None:
    portal.add("dynamic_1044:77", stageId="DT1044_12:SUCCESS", categoryId=12)
    wide = replace(BITRIX, objects=("lead", " Deal", "1044", "contact"))
    item = event("ONCRMDYNAMICITEMUPDATE", 77, data__FIELDS__ENTITY_TYPE_ID=1044)
    stage = read(wide, item, portal)[1]
    assert (stage.record, stage.stage, stage.pipeline) == (RecordRef(object="dynamic_1044", id="77"), "SUCCESS", "12")
    assert [one.kind for one in read(wide, event("ONCRMCONTACTUPDATE", 642), portal)] == [
        Kind.IDENTIFY,
        Kind.OWNER,
        Kind.PROFILE,
    ]
    assert read(BITRIX, item, portal) == read(BITRIX, event("ONCRMCONTACTUPDATE", 642), portal) == []


@pytest.mark.parametrize("word", sorted(word for word, (_, is_gone) in EVENTS.items() if is_gone))
def test_a_deleted_record_is_told_as_such(word: str, portal: FakePortal) -> None:
    wide = replace(BITRIX, objects=("lead", "deal", "contact", "1044"))
    one = event(word, 5, data__FIELDS__ENTITY_TYPE_ID=1044)
    record = EVENTS[word][0].replace("dynamic", "dynamic_1044")
    assert read(wide, one, portal) == [
        Event(
            key=f"{record}:5:deleted",
            at=NOW,
            kind=Kind.DELETED,
            record=RecordRef(object=record, id="5"),
            is_lead=True,
            identities=(Identity(kind=IdentityKind.RECORD, value=f"{record}:5"),),
        )
    ]


def test_an_updated_record_that_is_gone_by_now_is_deleted(portal: FakePortal) -> None:
    assert [one.kind for one in read(BITRIX, event("ONCRMLEADUPDATE", 5), portal)] == [Kind.DELETED]


@pytest.mark.parametrize("word", sorted(IGNORED))
def test_what_moves_nobody_is_ignored_on_purpose(word: str, portal: FakePortal) -> None:
    assert read(BITRIX, event(word.lower(), 3), portal) == []


@pytest.mark.parametrize("word", ["ONCRMINVOICEADD", "ONCRMLEADUPDATE_5", "ONCRM", "ONCRMDYNAMIC"])
def test_an_unknown_event_is_held(word: str) -> None:
    with pytest.raises(UnknownEvent, match=word):
        BITRIX.parse(event(word), {})


def test_a_record_without_a_readable_time_is_a_bad_payload(portal: FakePortal) -> None:
    portal.items["lead:1907"] |= {"createdTime": "", "updatedTime": None}
    with pytest.raises(BadPayload, match=r"\$\.createdTime"):
        read(BITRIX, event("ONCRMLEADUPDATE"), portal)


def test_a_record_that_never_moved_entered_its_stage_when_it_was_made(portal: FakePortal) -> None:
    portal.items["lead:1907"]["movedTime"] = ""
    assert read(BITRIX, event("ONCRMLEADUPDATE"), portal)[1].at == datetime(2026, 3, 24, 14, 2, 11, tzinfo=UTC)


# Robots


def test_a_robot_without_a_trigger_is_an_update(portal: FakePortal) -> None:
    assert read(BITRIX, robot(), portal) == read(BITRIX, event("ONCRMLEADUPDATE"), portal)


@pytest.mark.parametrize("word", sorted(TRIGGERS))
def test_a_robot_tells_which_trigger_fired(word: str, portal: FakePortal) -> None:
    one = robot(event=f" {word.upper()} ", form_id="12", page="https://example.com/price")
    action = read(BITRIX, one, portal)[-1]
    assert (action.key, action.at, action.kind, action.name, action.page) == (
        f"lead:1907:{word}@2026-03-26T08:16:05.250000+00:00",
        NOW,
        Kind.ACTION,
        word,
        "https://example.com/price",
    )
    assert (action.data["form_id"], action.data["COMPANY_TITLE"]) == ("12", "Halden & Sons")
    assert "token" not in action.data
    assert action.identities == read(BITRIX, robot(), portal)[0].identities


def test_a_trigger_that_is_not_in_the_table_is_held(portal: FakePortal) -> None:
    with pytest.raises(UnknownEvent, match="'form_submited' in the robot's address is none of incoming_email"):
        read(BITRIX, robot(event="form_submited"), portal)


def test_a_robot_on_an_object_that_is_not_read_is_ignored(portal: FakePortal) -> None:
    assert read(BITRIX, robot("COMPANY_3", event="visit"), portal) == []


# Changes


def history(number: int, owner: int, stage: str, at: str, category: int | None = None) -> dict[str, Any]:
    row = {"ID": number, "OWNER_ID": owner, "CREATED_TIME": at}
    return {**row, "STATUS_ID": stage} if category is None else {**row, "STAGE_ID": stage, "CATEGORY_ID": category}


def test_changes_have_the_keys_that_webhooks_give(portal: FakePortal) -> None:
    portal.history = [
        history(1, 1907, "NEW", TIMES["createdTime"]),
        history(2, 1907, "PROCESSED", "2026-03-26T08:16:02+00:00"),
        history(3, 1907, "IN_PROCESS", "2026-03-26T08:16:02+00:00"),
        history(4, 4821, "C5:NEW", TIMES["createdTime"], 5),
        history(5, 5, "NEW", TIMES["createdTime"]),
    ]
    changes = list(BITRIX.changes(NOW, portal))
    told = [*read(BITRIX, event("ONCRMLEADUPDATE"), portal), *read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal)]
    by_key = {one.key: one for one in changes}
    assert [one.key for one in changes if one.kind in {Kind.STAGE, Kind.DELETED}] == [
        "lead:1907:stage:NEW@2026-03-24T14:02:11Z",
        "lead:1907:stage:IN_PROCESS@2026-03-26T08:16:02Z",
        "lead:5:deleted",
        "lead:1907:stage:IN_PROCESS@2026-03-26T08:16:02Z",
        "deal:4821:stage:C5:NEW@2026-03-24T14:02:11Z",
        "deal:4821:stage:C5:PREPARATION@2026-03-26T08:16:02Z",
    ]
    assert [by_key[one.key] for one in told] == told
    asked = [values["filter"] for method, values in portal.commands if method == "crm.stagehistory.list"]
    assert asked[0] == {">=CREATED_TIME": "2026-03-26T08:16:05+00:00", ">ID": 0}


def test_changes_go_page_by_page_in_bounded_memory(portal: FakePortal) -> None:
    for number in range(1, 121):
        portal.add(f"lead:{number}", stageId="NEW")
    portal.history = [history(number, number, "NEW", TIMES["createdTime"]) for number in range(1, 101)]
    leads = replace(BITRIX, objects=("lead",))
    changes = leads.changes(NOW, portal)
    next(changes)
    assert portal.methods().count("crm.stagehistory.list") == 1
    assert len(list(changes)) == 99 + 121 * 4
    assert portal.methods().count("crm.stagehistory.list") == 3


def test_changes_pass_over_what_cannot_be_read(portal: FakePortal) -> None:
    portal.history = [history(1, 5, "NEW", TIMES["createdTime"])]
    portal.errors = {"crm.item.get 5": ("ACCESS_DENIED", "Access denied")}
    portal.items["lead:1907"] |= {"createdTime": "", "updatedTime": ""}
    assert list(replace(BITRIX, objects=("lead",)).changes(NOW, portal)) == []
    assert {one.record for one in replace(BITRIX, objects=("contact",), read_by="get").changes(NOW, portal)} == {
        RecordRef(object="contact", id="642"),
        RecordRef(object="contact", id="655"),
    }
    assert "crm.stagehistory.list" not in portal.methods()[-5:]


def test_a_record_deleted_while_it_is_read_alone_is_passed_over(portal: FakePortal) -> None:
    portal.errors = {"crm.item.get 642": ("NOT_FOUND", "")}
    found = replace(BITRIX, objects=("contact",), read_by="get").changes(NOW, portal)
    assert {one.record for one in found} == {RecordRef(object="contact", id="655")}


def test_a_portal_that_repeats_a_page_does_not_hold_the_run_for_ever(portal: FakePortal) -> None:
    page = [{"id": 0, **TIMES} for _ in range(50)]
    portal.answers = [reply({"result": {"items": page}}), reply({"result": {"result": [], "result_error": []}})]
    with pytest.raises(CrmUnavailable, match="the same page again"):
        list(Portal(api=portal, url=URL).pages("crm.item.list", {"filter": {}}, "id"))


# Push


def test_a_batch_is_written_and_read_back_in_one_request(portal: FakePortal) -> None:
    updates = [
        update(STATUS_ID="PROCESSED", UF_CRM_ABM_STATUS="Latent", owner="marek.dvorak@example.com"),
        update("deal:4821", UF_CRM_ABM_STATUS="Latent"),
    ]
    portal.users = [{**MAREK, "EMAIL": "marek.dvorak@example.com"}]
    results = BITRIX.push(updates, portal)
    assert results == [Pushed(key=one.key, outcome=PushOutcome.DONE) for one in updates]
    assert portal.items["lead:1907"]["stageId"] == "PROCESSED"
    assert portal.items["lead:1907"]["assignedById"] == "14"
    assert portal.sizes == [1, 4]
    assert portal.methods()[1:] == ["crm.item.update", "crm.item.update", "crm.item.list", "crm.item.list"]
    BITRIX.push(updates[:1], portal)
    assert portal.sizes == [1, 4, 2]


def test_a_stage_is_written_as_the_records_pipeline_calls_it(portal: FakePortal) -> None:
    portal.add("deal:1", stageId="NEW", categoryId=0)
    portal.add("dynamic_1044:77", stageId="DT1044_12:NEW", categoryId=12)
    results = BITRIX.push(
        [
            update("deal:4821", STAGE_ID="WON"),
            update("deal:1", STAGE_ID="WON"),
            update("dynamic_1044:77", STAGE_ID="SUCCESS", ufCrmAbmStatus="Latent"),
        ],
        portal,
    )
    assert [result.outcome for result in results] == [PushOutcome.DONE] * 3
    stages = [portal.items[name]["stageId"] for name in ("deal:4821", "deal:1", "dynamic_1044:77")]
    assert stages == ["C5:WON", "WON", "DT1044_12:SUCCESS"]
    assert [result.outcome for result in BITRIX.push([update("deal:4821", STAGE_ID="C5:LOSE")], portal)] == [
        PushOutcome.DONE
    ]
    assert [result.outcome for result in BITRIX.push([update("deal:1", STAGE_ID="NEW", CATEGORY_ID=5)], portal)] == [
        PushOutcome.DONE
    ]
    assert portal.items["deal:1"]["stageId"] == "C5:NEW"


def test_a_write_that_changed_nothing_is_refused_with_what_the_field_shows(portal: FakePortal) -> None:
    portal.is_deaf = True
    results = BITRIX.push([update(STATUS_ID="JUNK", UF_CRM_UNKNOWN="x")], portal)
    assert outcomes(results) == [
        (
            PushOutcome.REFUSED,
            f"STATUS_ID shows 'IN_PROCESS' in place of 'JUNK'; {NO_FIELD}",
        )
    ]


@pytest.mark.parametrize(
    ("code", "text", "outcome"),
    [
        ("NOT_FOUND", "Element not found", PushOutcome.GONE),
        ("", "Not found", PushOutcome.GONE),
        ("", "not found.", PushOutcome.GONE),
        ("QUERY_LIMIT_EXCEEDED", "Too many requests", PushOutcome.LATER),
        ("internal_server_error", "", PushOutcome.LATER),
        ("CRM_FIELD_ERROR_REQUIRED", "Fill in the amount", PushOutcome.REFUSED),
        ("Status is not found.", "", PushOutcome.REFUSED),
        (100, "Bad parameter", PushOutcome.REFUSED),
    ],
)
def test_an_error_of_one_record_is_decided_by_code_and_text(
    portal: FakePortal, code: Any, text: str, outcome: PushOutcome
) -> None:
    portal.add("lead:5", stageId="NEW")
    portal.errors = {"crm.item.update 5": (code, text)}
    results = BITRIX.push([update("lead:5", STATUS_ID="JUNK"), update(STATUS_ID="JUNK")], portal)
    assert [result.outcome for result in results] == [outcome, PushOutcome.DONE]
    assert results[0].reason == ": ".join(part for part in ("crm.item.update", str(code), text) if part)


def test_a_blocked_method_is_tried_again_when_the_portal_frees_it(portal: FakePortal) -> None:
    portal.add("lead:5", stageId="NEW")
    portal.errors = {"crm.item.update 5": ("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.")}
    first, second = update("lead:5", STATUS_ID="JUNK"), update(STATUS_ID="JUNK")
    assert BITRIX.push([first], portal)[0].retry_after == 10
    assert [result.retry_after for result in BITRIX.push([second, first], portal)] == [None, 30]


def test_an_unknown_owner_is_refused_and_the_rest_is_written(portal: FakePortal) -> None:
    portal.users = [{**LINH, "EMAIL": "gone@example.com", "ACTIVE": False}, {"ID": "3", "EMAIL": None}]
    results = BITRIX.push(
        [
            update(owner="gone@example.com", STATUS_ID="JUNK"),
            update("deal:4821", owner="nobody@example.com"),
            replace(update("deal:4821", owner="nobody@example.com"), owner_field=None),
        ],
        portal,
    )
    assert outcomes(results) == [
        (PushOutcome.REFUSED, "ASSIGNED_BY_ID: no active employee of the portal has the e-mail gone@example.com"),
        (PushOutcome.REFUSED, "ASSIGNED_BY_ID: no active employee of the portal has the e-mail nobody@example.com"),
        (PushOutcome.DONE, None),
    ]
    assert portal.items["lead:1907"]["stageId"] == "JUNK"


def test_without_the_scope_for_users_a_push_with_an_owner_says_so(portal: FakePortal) -> None:
    portal.errors = {"user.get": ("insufficient_scope", "")}
    with pytest.raises(CrmRefused, match="needs the scopes crm and user_basic"):
        BITRIX.push([update(owner="a@example.com")], portal)


def test_an_object_that_cannot_be_written_is_refused(portal: FakePortal) -> None:
    results = BITRIX.push([update("company:3", TITLE="x")], portal)
    assert outcomes(results) == [(PushOutcome.REFUSED, "records of the object 'company' cannot be written")]
    assert portal.urls == []


def test_a_failed_read_back_is_tried_again(portal: FakePortal) -> None:
    portal.errors = {"crm.item.list": ("QUERY_LIMIT_EXCEEDED", "Too many requests")}
    results = BITRIX.push([update(STATUS_ID="JUNK")], portal)
    assert outcomes(results) == [(PushOutcome.LATER, "written, but the record was not shown afterwards")]


def test_record_by_record_half_of_a_batch_reads_back(portal: FakePortal) -> None:
    for number in range(1, 6):
        portal.add(f"lead:{number}", stageId="NEW")
    single = replace(BITRIX, read_by="get", batch=4)
    results = single.push([update(f"lead:{number}", STATUS_ID="JUNK") for number in range(1, 6)], portal)
    assert [result.outcome for result in results] == [PushOutcome.DONE] * 5
    assert portal.sizes == [4, 4, 2]


def test_when_the_portal_goes_away_in_the_middle_the_rest_comes_later(portal: FakePortal) -> None:
    updates = [update(STATUS_ID="JUNK"), update("deal:4821", UF_CRM_ABM_STATUS="x")]
    small = replace(BITRIX, read_by="get", batch=2)
    written = {"result": {"c0": {"item": {}}, "c1": {"item": {"id": 1907, "stageId": "JUNK"}}}}
    portal.answers = [reply({"result": written}), CrmUnavailable("busy", 7.0)]
    results = small.push(updates, portal)
    assert results == [
        Pushed(key="key of lead:1907", outcome=PushOutcome.DONE),
        Pushed(key="key of deal:4821", outcome=PushOutcome.LATER, reason="busy", retry_after=7.0),
    ]
    portal.answers = [CrmUnavailable("busy", 7.0)]
    with pytest.raises(CrmUnavailable):
        small.push(updates, portal)


@pytest.mark.parametrize(
    ("shown", "wanted", "is_done"),
    [
        (12500, "12500.00", True),
        ("2026-03-26T02:00:00+02:00", "2026-03-26", True),
        ("2026-03-26T02:00:00+02:00", "2026-03-26T00:00:00+00:00", True),
        ("2026-03-26T02:00:00+02:00", "2026-03-26T02:00:00+00:00", False),
        ("2026-03-27T02:00:00+02:00", "2026-03-26", False),
        (" tier-1", "tier-1", True),
        ("tier-1", "tier-2", False),
        (0, None, True),
        ("x", "", False),
        ("Y", True, True),
        ("1", False, False),
        ([2, 1], ["1", "2"], True),
        ("1", ["1"], False),
        (None, "Latent", False),
    ],
)
def test_one_value_may_be_written_in_several_ways(
    portal: FakePortal, shown: Any, wanted: Any, *, is_done: bool
) -> None:
    portal.is_deaf = True
    portal.items["lead:1907"]["UF_CRM_ABM_STATUS"] = shown
    [result] = BITRIX.push([update(UF_CRM_ABM_STATUS=wanted)], portal)
    assert (result.outcome is PushOutcome.DONE) is is_done


# Catalogue


def test_the_catalogue_has_stages_by_pipeline_employees_and_fields(portal: FakePortal) -> None:
    names = ["STATUS", "SOURCE", "DEAL_STAGE", "DEAL_STAGE_5", "SMART_INVOICE_STAGE_9", "DYNAMIC_1044_STAGE_12"]
    portal.types = [{"ID": name} for name in names]
    portal.statuses = {
        "STATUS": [{"STATUS_ID": "NEW", "NAME": "Unassigned"}],
        "DEAL_STAGE": [{"STATUS_ID": "WON", "NAME": "Won"}],
        "DEAL_STAGE_5": [{"STATUS_ID": "C5:WON", "NAME": "Deal won"}],
        "DYNAMIC_1044_STAGE_12": [{"STATUS_ID": "DT1044_12:NEW", "NAME": "Start"}],
    }
    portal.users = [LINH, *({"ID": str(number), "ACTIVE": False} for number in range(100, 160))]
    catalog = replace(BITRIX, objects=("lead", "deal", "1044")).catalog(portal)
    assert catalog.stages == {
        "lead": {"": {"NEW": "Unassigned"}},
        "deal": {"0": {"WON": "Won"}, "5": {"WON": "Deal won"}},
        "dynamic_1044": {"12": {"NEW": "Start"}},
    }
    assert catalog.owners[0] == Person(id="11", email="linh.nguyen@example.com", name="Linh Nguyen")
    assert (len(catalog.owners), catalog.owners[-1].is_active) == (61, False)
    assert catalog.fields["lead"] == {
        "STATUS_ID": "Stage",
        "UF_CRM_ABM_STATUS": "ABM status",
        "TRIGGER": "Fires an automation trigger, by its code",
    }
    assert "TRIGGER" not in catalog.fields["dynamic_1044"]
    assert catalog.fields["deal"]["STAGE_ID"] == "Stage"


def test_a_catalogue_without_the_right_to_read_it_is_refused(portal: FakePortal) -> None:
    portal.errors = {"crm.item.fields": ("ACCESS_DENIED", "Access denied")}
    with pytest.raises(CrmRefused, match="lacks the right"):
        BITRIX.catalog(portal)


# The shipped mapping


def test_the_shipped_mapping_knows_every_trigger_and_the_default_stages(portal: FakePortal) -> None:
    rules = load_mapping(Path(__file__).parents[3] / "mappings" / "bitrix24.yaml")
    assert set(rules.actions) == set(TRIGGERS)
    assert set(rules.stages["lead"][""]) == {"NEW", "IN_PROCESS", "PROCESSED", "CONVERTED", "JUNK"}
    profile = read(BITRIX, event("ONCRMLEADUPDATE"), portal)[3]
    [step] = translate(profile, rules)
    assert {name: field.value for name, field in step.fields.items()} == {
        "email": "ingrid.halden@example.com",
        "phone": "+4755501234",
        "company": "Halden & Sons",
    }


def test_a_captured_request_stands_for_every_word_of_the_tables() -> None:
    names = {path.stem for path in (Path(__file__).parent / "payloads").glob("*.http")}
    triggers = {f"robot-trigger-{word.replace('_', '-')}" for word in TRIGGERS}
    assert {word.lower() for word in (*EVENTS, *IGNORED)} | triggers <= names


# Settings and calls


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (
            "webhook_url",
            [(), ("",), ("http://example.com/rest/1/s/",), ("https://example.com/rest/s/",), ("https://[",)],
        ),
        ("objects", [("company",), ("lead", "1044x"), ("",)]),
        ("contacts", ["none"]),
        ("read_by", [""]),
        ("batch", [0, 1, 51]),
    ],
)
def test_a_wrong_setting_is_named(name: str, values: list[Any], portal: FakePortal) -> None:
    for value in values:
        with pytest.raises(CrmRefused, match=f"settings cannot be used: {name}"):
            replace(BITRIX, **{name: value}).push([update(STATUS_ID="NEW")], portal)


def test_a_portal_on_loopback_may_go_without_encryption(portal: FakePortal) -> None:
    local = replace(BITRIX, webhook_url=("http://127.0.0.1:8080/rest/1/s3cr3t",))
    assert len(read(local, event("ONCRMLEADUPDATE"), portal)) == 4
    assert portal.urls[0] == "http://127.0.0.1:8080/rest/1/s3cr3t/batch"


def moved(location: str) -> Answer:
    return Answer(status=302, headers={"LOCATION": location}, body=b"<html>Moved</html>")


def test_a_renamed_portal_is_followed_and_remembered(portal: FakePortal) -> None:
    portal.answers = [moved("https://renamed.bitrix24.com/rest/")]
    assert len(read(BITRIX, event("ONCRMLEADUPDATE"), portal)) == 4
    there = "https://renamed.bitrix24.com/rest/1/s3cr3ts3cr3t/batch"
    assert portal.urls == [f"{URL}batch", there, there]


@pytest.mark.parametrize("location", ["http://renamed.bitrix24.com/", "/login", "https://["])
def test_the_secret_address_is_not_sent_where_it_could_be_read(location: str, portal: FakePortal) -> None:
    portal.answers = [moved(location)]
    with pytest.raises(CrmUnavailable, match="status 302 is not JSON"):
        BITRIX.fetch([event("ONCRMLEADUPDATE")], portal)
    assert portal.urls == [f"{URL}batch"]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            reply({"error": "INVALID_CREDENTIALS", "error_description": "Invalid request credentials"}, 401),
            CrmRefused,
            "make a new incoming webhook",
        ),
        (reply({"error": "QUERY_LIMIT_EXCEEDED", "error_description": ""}), CrmUnavailable, "QUERY_LIMIT_EXCEEDED"),
        (reply([1]), CrmUnavailable, "neither a result nor an error"),
        (reply({}), CrmUnavailable, "neither a result nor an error"),
    ],
)
def test_an_error_of_the_whole_call_is_raised(
    answer: Answer, error: type[Exception], text: str, portal: FakePortal
) -> None:
    portal.answers = [answer]
    with pytest.raises(error, match=text):
        BITRIX.fetch([event("ONCRMLEADUPDATE")], portal)


def test_a_command_without_an_answer_is_tried_again(portal: FakePortal) -> None:
    portal.answers = [reply({"result": {"result": [], "result_error": []}})]
    [failure] = Portal(api=portal, url=URL).batch([("profile", {})])
    assert (failure.outcome, failure.reason) == (
        PushOutcome.LATER,
        "profile: the portal left the command out of its answer",
    )


def test_parameters_are_written_as_php_does() -> None:
    parameters = {"fields": {"A": [1, "x&y"], "B": None, "C": [], "D": True, "E": False}, "filter": {"@id": ["7"]}}
    assert query(parameters) == urlencode(
        {
            "fields[A][0]": "1",
            "fields[A][1]": "x&y",
            "fields[B]": "",
            "fields[C]": "",
            "fields[D]": "1",
            "fields[E]": "0",
            "filter[@id][0]": "7",
        }
    )


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("companyTitle", "COMPANY_TITLE"),
        ("createdTime", "DATE_CREATE"),
        ("updatedBy", "MODIFY_BY_ID"),
        ("utmSource", "UTM_SOURCE"),
        ("assignedById", "ASSIGNED_BY_ID"),
        ("UF_CRM_1769000999", "UF_CRM_1769000999"),
    ],
)
def test_fields_go_by_their_old_and_new_names(new: str, old: str) -> None:
    assert (old_name("deal", new), new_name(old), new_name(new)) == (old, new, new)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("ufCrm_1769000999", "UF_CRM_1769000999"),
        ("ufCrm2_1639669411830", "UF_CRM_2_1639669411830"),
        ("ufCrmAbmStatus", "UF_CRM_ABM_STATUS"),
    ],
)
def test_custom_fields_keep_their_original_names(new: str, old: str) -> None:
    assert (old_name("lead", new), new_name(new)) == (old, old)
