"""The Bitrix24 adapter: who a delivery is from, what it is about, and what it is taken as."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bitrix24 import Bitrix24
from connector.adapter_kit.contract import Adapter, Delivery, Reply
from connector.core.errors import BadPayload, BadSignature, UnknownEvent
from tests.adapters.bitrix24.fake import (
    BITRIX,
    MEMBER,
    NOW,
    OLDER,
    ROBOT,
    TOKEN,
    URL,
    FakePortal,
    delivery,
    event,
    robot,
)


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
