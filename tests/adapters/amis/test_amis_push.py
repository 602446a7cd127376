"""The AMIS adapter's updates: arrays, items that are refused, what was reported and not saved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.adapter_kit.contract import PushOutcome, Update
from connector.core.errors import CrmRefused, CrmUnavailable
from tests.adapters.amis.fake import AMIS, LAN, NOW, FakeAmis, reply
from tests.adapters.builders import outcomes, update_of


def update(name: str = "Contacts:17", owner: str | None = None, **fields: Any) -> Update:
    return update_of(name, fields, since=NOW, owner=owner, owner_field="owner_name")


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
