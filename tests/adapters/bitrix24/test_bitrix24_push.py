"""The Bitrix24 adapter's updates: batches, read back, errors by code and text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.adapter_kit.contract import Pushed, PushOutcome
from connector.core.errors import CrmRefused, CrmUnavailable
from tests.adapters.bitrix24.fake import (
    BITRIX,
    LINH,
    MAREK,
    FakePortal,
    reply,
    update,
)
from tests.adapters.builders import outcomes

NO_FIELD = "UF_CRM_UNKNOWN is not shown: the portal has no such field, and ignores it"


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
    results = small.push(updates, portal)
    assert outcomes(results) == [(PushOutcome.LATER, "busy")] * 2
    assert portal.answers == []


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
