"""What the Bitrix24 adapter asks the portal for: records in few requests, what changed, the catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.bitrix24.client import Portal
from connector.adapter_kit.contract import Person
from connector.core.errors import CrmRefused, CrmUnavailable
from connector.core.event import Kind, RecordRef
from tests.adapters.bitrix24.fake import (
    BITRIX,
    LINH,
    MAREK,
    NOW,
    TIMES,
    URL,
    FakePortal,
    delivery,
    event,
    read,
    reply,
    robot,
)


def test_records_are_fetched_once_each_in_few_requests(portal: FakePortal) -> None:
    deliveries = [event("ONCRMLEADADD"), event("ONCRMLEADUPDATE"), robot(), event("ONCRMDEALUPDATE", 4821)]
    fetched = BITRIX.fetch(deliveries, portal)
    assert list(fetched) == ["lead:1907", "deal:4821", "contact:642", "contact:655", "user:11", "user:14", "us"]
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
    from_webhooks = [
        *read(BITRIX, event("ONCRMLEADUPDATE"), portal),
        *read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal),
    ]
    by_key = {one.key: one for one in changes}
    assert [one.key for one in changes if one.kind in {Kind.STAGE, Kind.DELETED}] == [
        "lead:1907:stage:NEW@2026-03-24T14:02:11Z",
        "lead:1907:stage:IN_PROCESS@2026-03-26T08:16:02Z",
        "lead:5:deleted@2026-03-24T14:02:11Z",
        "lead:1907:stage:IN_PROCESS@2026-03-26T08:16:02Z",
        "deal:4821:stage:C5:NEW@2026-03-24T14:02:11Z",
        "deal:4821:stage:C5:PREPARATION@2026-03-26T08:16:02Z",
    ]
    assert [by_key[one.key] for one in from_webhooks] == from_webhooks
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


def test_stages_of_files_and_mappings_are_those_of_events() -> None:
    written = [
        ("lead", "NEW", "", ("NEW", "")),
        ("deal", "NEW", "", ("NEW", "0")),
        ("deal", "NEW", "7", ("NEW", "7")),
        ("deal", "C7:NEW", "", ("NEW", "7")),
        ("dynamic_1044", "DT1044_12:NEW", "", ("NEW", "12")),
        ("deal", "", "7", ("", "")),
    ]
    assert [BITRIX.told_stage(*words) for *words, _ in written] == [expected for *_, expected in written]
