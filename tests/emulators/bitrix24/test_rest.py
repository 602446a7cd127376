"""The REST methods answer in the reference's bodies: keys, types, errors, paging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.emulators.bitrix24.fields import Entity, custom_item_name
from tests.emulators.bitrix24.harness import SECRET, Harness, payload

LEAD = {"title": "Demo request: Halden & Sons", "name": "Ingrid", "stageId": "NEW", "assignedById": 11}
PAST = datetime(2025, 12, 1, 9, 30, 0, 123456, tzinfo=UTC)


def kinds(record: dict[str, Any], sample: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The keys whose value has another type than in the sample; emptiness differs from record to record."""
    found = {}
    for name, value in sample.items():
        mine = record.get(name)
        if value is not None and mine is not None and type(value) is not type(mine):
            found[name] = (type(value).__name__, type(mine).__name__)
    return found


def test_a_lead_has_the_keys_and_types_of_the_recorded_one(harness: Harness) -> None:
    sample = payload("05-crm-lead-get.response.json")
    lead = harness.portal.add(
        Entity.LEAD, LEAD | {"UF_CRM_1769000412": "tier-1"}, by=11, email="i@example.com", at=PAST
    )
    harness.portal.change(
        Entity.LEAD, lead, {"fm": {"n0": {"typeId": "PHONE", "value": "+47555"}}, "opportunity": "12500"}, by=11
    )
    answer = harness.call("crm.lead.get", ID=lead)
    mine = answer["result"]
    assert set(sample["result"]) ^ set(mine) == {"UF_CRM_ABM_STATUS", "UF_CRM_ABM_SINCE"}
    assert kinds(mine, sample["result"]) == {}
    assert set(answer["time"]) == set(sample["time"])
    assert mine["OPPORTUNITY"] == "12500.00"
    assert mine["DATE_CLOSED"] == ""
    assert mine["COMPANY_ID"] is None
    assert mine["DATE_CREATE"] == "2025-12-01T11:30:00+02:00"
    assert mine["EMAIL"] == [{"ID": "9001", "VALUE_TYPE": "WORK", "VALUE": "i@example.com", "TYPE_ID": "EMAIL"}]


def test_a_deal_has_the_keys_and_types_of_the_recorded_one(harness: Harness) -> None:
    sample = payload("06-crm-item-get-deal.response.json")["result"]["item"]
    deal = harness.portal.add(
        Entity.DEAL,
        {"title": "Licence", "categoryId": 5, "stageId": "C5:PREPARATION", "closedate": "2026-04-30", "observers": [3]},
        by=14,
    )
    mine = harness.call("crm.item.get", entityTypeId=2, id=deal)["result"]["item"]
    assert set(sample) ^ set(mine) == {"parentId1044", "ufCrmAbmStatus", "ufCrmAbmSince"}
    assert kinds(mine, sample) == {}
    assert [mine[name] for name in ("stageSemanticId", "closed", "categoryId", "observers")] == ["P", "N", 5, [3]]
    assert mine["closedate"] == "2026-04-30T00:00:00+03:00"
    assert mine["updatedTime"] == "2026-03-26T10:16:05+02:00"


def test_text_is_escaped_as_php_does(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, {"title": "Halden & Sons [/B]"}, by=11)
    text = harness.post("crm.lead.get", id=lead).text
    assert '"Halden \\u0026 Sons [\\/B]"' in text


def test_the_stage_directory_is_the_recorded_one(harness: Harness) -> None:
    sample = payload("07-crm-status-list-deal-stage-5.response.json")
    answer = harness.call("crm.status.list", filter={"ENTITY_ID": "DEAL_STAGE_5"}, order={"SORT": "ASC"})
    for name in ("result", "total"):
        assert answer[name] == sample[name]


def test_a_deleted_lead_is_not_found_in_either_family(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11)
    harness.portal.delete(Entity.LEAD, lead)
    sample = payload("10-error-lead-not-found.400.json")
    assert harness.error("crm.lead.get", id=lead) == (400, sample["error"], sample["error_description"])
    assert harness.error("crm.item.get", entityTypeId=1, id=lead) == (400, "NOT_FOUND", "Element not found")
    assert harness.events[-1] == ("ONCRMLEADDELETE", Entity.LEAD, lead)


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("crm.item.get", {"entityTypeId": 1044, "id": 1}, (400, "NOT_FOUND", "Smart process not found")),
        ("crm.item.get", {"entityTypeId": 1}, (400, "100", "Could not find value for parameter {id}")),
        ("crm.lead.get", {"id": "x"}, (400, "", "ID is not defined or invalid")),
        ("crm.nothing", {}, (404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
        (
            "crm.category.list",
            {"entityTypeId": 1},
            (400, "ENTITY_TYPE_NOT_SUPPORTED", "Entity type LEAD is not supported"),
        ),
        (
            "crm.stagehistory.list",
            {"entityTypeId": 3},
            (400, "ENTITY_TYPE_NOT_SUPPORTED", "Entity type CONTACT is not supported"),
        ),
        (
            "crm.item.list",
            {"entityTypeId": 1, "filter": {"STATUS_ID": "NEW"}},
            (400, "INVALID_ARG_VALUE", "Invalid filter: field 'STATUS_ID' is not allowed in filter"),
        ),
        (
            "crm.item.list",
            {"entityTypeId": 1, "filter": {">=updatedTime": "2026-03-26T10:15:02 02:00x"}},
            (400, "INVALID_ARG_VALUE", "Invalid filter: field 'updatedTime' has invalid value"),
        ),
        (
            "crm.item.list",
            {"entityTypeId": 1, "order": {"nothing": "ASC"}},
            (400, "INVALID_ARG_VALUE", "Invalid order: field 'nothing' is not allowed in order"),
        ),
        (
            "crm.item.list",
            {"entityTypeId": 1, "order": {"id": "UP"}},
            (
                400,
                "INVALID_ARG_VALUE",
                "Invalid order: allowed sort directions are ASC, DESC. But got 'UP' for field 'id'",
            ),
        ),
        ("crm.automation.trigger", {}, (400, "", "Target is not set.")),
        ("crm.automation.trigger", {"target": "LEAD-1"}, (400, "", "Incorrect target format.")),
        ("crm.automation.trigger", {"target": "LEAD_99"}, (400, "", "Target is not found.")),
    ],
)
def test_mistakes_get_the_documented_error(
    harness: Harness, method: str, params: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    harness.portal.add(Entity.LEAD, LEAD, by=11)
    assert harness.error(method, **params) == expected


def test_a_wrong_secret_or_user_is_refused(harness: Harness) -> None:
    for path in ("/rest/1/wrong/profile", f"/rest/2/{SECRET}/profile"):
        response = harness.client.post(path)
        assert (response.status_code, (response.json or {})["error"]) == (401, "INVALID_CREDENTIALS")
    assert harness.client.get(f"/rest/{SECRET}/profile").status_code == 404
    assert harness.client.get("/rest/profile").status_code == 401


def test_forms_and_get_work_as_json_does(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11)
    got = harness.client.get(f"/rest/1/{SECRET}/crm.item.get.json?entityTypeId=1&id={lead}").json
    posted = harness.client.post(f"/rest/1/{SECRET}/crm.item.get/", data={"entityTypeId": "1", "id": str(lead)}).json
    assert got is not None
    assert posted is not None
    assert got["result"] == posted["result"] == harness.call("crm.item.get", entityTypeId=1, id=lead)["result"]


def test_an_update_moves_the_stage_and_dates_it_by_the_portal(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11, at=PAST)
    harness.clock.forward(seconds=60)
    item = harness.call(
        "crm.item.update",
        entityTypeId=1,
        id=lead,
        useOriginalUfNames="Y",
        fields={"stageId": "JUNK", "assignedById": "14", "UF_CRM_ABM_STATUS": "Not targeted"},
    )["result"]["item"]
    assert (item["stageId"], item["assignedById"], item["UF_CRM_ABM_STATUS"]) == ("JUNK", 14, "Not targeted")
    assert item["movedTime"] == item["updatedTime"] == item["dateClosed"] == "2026-03-26T10:17:05+02:00"
    assert (item["updatedBy"], item["movedBy"], item["createdBy"]) == (1, 1, 11)
    assert harness.events[-1] == ("ONCRMLEADUPDATE", Entity.LEAD, lead)
    assert [(it.origin, it.after) for it in harness.portal.writes][-1] == (
        "rest",
        {"stageId": "JUNK", "assignedById": 14, "UF_CRM_ABM_STATUS": "Not targeted"},
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"STATUS_ID": "JUNK", "nothing": "x", "updatedTime": "2020-01-01", "id": 7},
        {"UF_CRM_ABM_STATUS": "Latent"},
        {"stageId": "NEW", "assignedById": "11"},
        {"fm": {"n0": {"value": "no-type@example.com"}}},
        {},
    ],
)
def test_unknown_names_and_equal_values_are_not_saved(harness: Harness, fields: dict[str, Any]) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11, at=PAST)
    before, events = harness.call("crm.item.get", entityTypeId=1, id=lead)["result"], list(harness.events)
    after = harness.call("crm.item.update", entityTypeId=1, id=lead, fields=fields)["result"]
    assert after == before
    assert harness.events == events


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"stageId": "C5:NEW"}, "stageId"),
        ({"categoryId": 7}, "categoryId"),
        ({"categoryId": 5, "stageId": "WON"}, "stageId"),
        ({"assignedById": 999}, "assignedById"),
        ({"assignedById": "Marek"}, "assignedById"),
        ({"title": ["x"]}, "title"),
    ],
)
def test_values_that_a_field_does_not_take_are_refused(harness: Harness, fields: dict[str, Any], name: str) -> None:
    deal = harness.portal.add(Entity.DEAL, {"title": "x"}, by=14)
    assert harness.error("crm.item.update", entityTypeId=2, id=deal, fields=fields) == (
        400,
        "CRM_FIELD_ERROR_VALUE_NOT_VALID",
        f'Invalid value for field "{name}"',
    )
    assert harness.error("crm.item.update", entityTypeId=2, id=deal, fields={"observers": 3})[1] == "100"


def test_multi_fields_are_added_changed_and_deleted(harness: Harness) -> None:
    new = {"n0": {"typeId": "EMAIL", "value": "a@example.com", "valueType": "HOME"}}
    item = harness.call("crm.item.add", entityTypeId=1, fields={"title": "x", "fm": new})["result"]["item"]
    number = item["fm"][0]["id"]
    assert (item["emailHome"], item["email"], item["hasEmail"]) == ("a@example.com", "a@example.com", "Y")
    changed = {str(number): {"typeId": "EMAIL", "value": "b@example.com"}}
    item = harness.call("crm.item.update", entityTypeId=1, id=item["id"], fields={"fm": changed})["result"]["item"]
    assert item["fm"] == [{"id": number, "valueType": "WORK", "value": "b@example.com", "typeId": "EMAIL"}]
    gone = {str(number): {"typeId": "EMAIL", "value": ""}}
    item = harness.call("crm.item.update", entityTypeId=1, id=item["id"], fields={"fm": gone})["result"]["item"]
    assert (item["fm"], item["hasEmail"]) == ([], "N")


def test_lists_come_in_pages_of_fifty(harness: Harness) -> None:
    for number in range(120):
        harness.portal.add(Entity.LEAD, {"title": str(number)}, by=11)
    first = harness.call("crm.item.list", entityTypeId=1, order={"id": "DESC"}, select=["id"])
    assert (len(first["result"]["items"]), first["next"], first["total"]) == (50, 50, 120)
    assert first["result"]["items"][0] == {"id": 120}
    last = harness.call("crm.item.list", entityTypeId=1, start=100)
    assert (len(last["result"]["items"]), "next" in last, last["total"]) == (20, False, 120)
    walked = harness.call("crm.item.list", entityTypeId=1, start=-1, order={"id": "ASC"}, filter={">id": 100})
    assert (len(walked["result"]["items"]), "total" in walked, "next" in walked) == (20, False, False)


def test_lists_show_multi_fields_only_with_a_star(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11, email="i@example.com")
    params = {"entityTypeId": 1, "filter": {"@id": [lead]}}
    (named,) = harness.call("crm.item.list", select=["id", "fm", "emailWork"], **params)["result"]["items"]
    (every,) = harness.call("crm.item.list", select=["*"], **params)["result"]["items"]
    (none,) = harness.call("crm.item.list", **params)["result"]["items"]
    assert named == {"id": lead}
    assert every["fm"][0]["value"] == every["emailWork"] == "i@example.com"
    assert "fm" not in none
    assert none["title"] == LEAD["title"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"@id": ["1", 3]}, [1, 3]),
        ({"id": 2}, [2]),
        ({">=updatedTime": "2025-12-02T11:30:00+02:00"}, [2, 3]),
        ({">updatedTime": "2025-12-02T11:30:00"}, [3]),
        ({"<=updatedTime": "2025-12-01T09:30:00+00:00"}, [1]),
        ({"<id": 2}, [1]),
        ({"!id": 2}, [1, 3]),
        ({"!@stageId": ["NEW"]}, [2]),
        ({"stageId": ["JUNK", "PROCESSED"]}, [2]),
        ({"%title": "LEAD 3"}, [3]),
        ({"!=title": "lead 3", "assignedById": 11}, [1, 2]),
        ({"0": {"logic": "OR", "0": {"id": 1}, "1": {"title": "lead 3"}}}, [1, 3]),
        ({"companyTitle": ""}, []),
    ],
)
def test_lists_are_filtered(harness: Harness, wanted: dict[str, Any], expected: list[int]) -> None:
    for number in (1, 2, 3):
        values = {"title": f"lead {number}", "stageId": "JUNK" if number == 2 else "NEW"}
        harness.portal.add(Entity.LEAD, values, by=11, at=PAST + timedelta(days=number - 1))
    answer = harness.call("crm.item.list", entityTypeId=1, filter=wanted, order={"companyTitle": "ASC", "id": "ASC"})
    assert [item["id"] for item in answer["result"]["items"]] == expected


def test_the_stage_history_has_each_move_at_its_instant(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11, at=PAST)
    harness.portal.move(Entity.LEAD, lead, "IN_PROCESS", by=11, at=PAST + timedelta(days=1))
    harness.portal.move(Entity.LEAD, lead, "JUNK", by=11, at=PAST + timedelta(days=2))
    params = {"entityTypeId": 1, "order": {"ID": "ASC"}}
    answer = harness.call("crm.stagehistory.list", filter={">CREATED_TIME": "2025-12-01T11:30:00+02:00"}, **params)
    assert answer["total"] == 2
    assert answer["result"]["items"][1] == {
        "ID": 3,
        "TYPE_ID": 3,
        "OWNER_ID": lead,
        "CREATED_TIME": "2025-12-03T11:30:00+02:00",
        "STATUS_SEMANTIC_ID": "F",
        "STATUS_ID": "JUNK",
    }
    chosen = harness.call("crm.stagehistory.list", filter={"OWNER_ID": lead}, select=["STATUS_ID"], **params)
    assert chosen["result"]["items"] == [{"STATUS_ID": "NEW"}, {"STATUS_ID": "IN_PROCESS"}, {"STATUS_ID": "JUNK"}]


def test_a_deal_in_another_funnel_raises_no_update_and_loses_its_old_history(harness: Harness) -> None:
    deal = harness.portal.add(Entity.DEAL, {"title": "x"}, by=14)
    harness.portal.move(Entity.DEAL, deal, "PREPARATION", by=14)
    item = harness.call("crm.item.update", entityTypeId=2, id=deal, fields={"categoryId": 5})["result"]["item"]
    assert (item["categoryId"], item["stageId"]) == (5, "C5:NEW")
    assert harness.events[-1] == ("ONCRMDEALMOVETOCATEGORY", Entity.DEAL, deal)
    rows = harness.call("crm.stagehistory.list", entityTypeId=2)["result"]["items"]
    assert [(row["TYPE_ID"], row["STAGE_ID"], row["CATEGORY_ID"]) for row in rows] == [(5, "C5:NEW", 5)]
    assert harness.call("crm.deal.get", id=deal)["result"]["CATEGORY_ID"] == "5"
    item = harness.call("crm.item.update", entityTypeId=2, id=deal, fields={"categoryId": "0"})["result"]["item"]
    assert (item["categoryId"], item["stageId"]) == (0, "NEW")


def test_employees_are_found_by_id_and_mail(harness: Harness) -> None:
    (user,) = harness.call("user.get", FILTER={"EMAIL": "marek.dvorak@example.com", "UNKNOWN": 1})["result"]
    assert (user["ID"], user["ACTIVE"], user["TIMESTAMP_X"]) == ("14", True, {})
    found = harness.call("user.get", filter={"ID": [11, 17]})
    assert [it["ACTIVE"] for it in found["result"]] == [True, False]
    assert found["total"] == 2
    assert [it["ID"] for it in harness.call("user.get", FILTER={"ACTIVE": "false"})["result"]] == ["17"]
    assert harness.call("profile")["result"]["ID"] == "1"


def test_directories_and_fields_are_described(harness: Harness) -> None:
    types = {row["ID"]: row for row in harness.call("crm.status.entity.types")["result"]}
    assert types["DEAL_STAGE_5"]["SEMANTIC_INFO"]["FINAL_UNSUCCESS_FIELD"] == "C5:LOSE"
    assert (types["DEAL_STAGE_5"]["PREFIX"], types["DEAL_STAGE_5"]["CATEGORY_ID"]) == ("C5", "5")
    assert types["STATUS"]["ENTITY_TYPE_ID"] == 1
    assert types["SMART_INVOICE_STAGE_9"]["SEMANTIC_INFO"] == []
    categories = harness.call("crm.category.list", entityTypeId=2)
    assert [(it["id"], it["isDefault"]) for it in categories["result"]["categories"]] == [(5, "N"), (0, "Y")]
    fields = harness.call("crm.item.fields", entityTypeId=1)["result"]["fields"]
    assert (fields["stageId"]["statusType"], fields["createdTime"]["isReadOnly"]) == ("STATUS", True)
    assert fields["assignedById"]["upperName"] == "ASSIGNED_BY_ID"
    original = harness.call("crm.item.fields", entityTypeId=1, useOriginalUfNames="Y")["result"]["fields"]
    assert fields["ufCrmAbmStatus"]["upperName"] == "UF_CRM_ABM_STATUS"
    assert original["UF_CRM_ABM_STATUS"]["isDynamic"]


def test_an_incoming_trigger_moves_the_stage_when_its_code_is_known(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11)
    harness.portal.triggers["worked"] = (Entity.LEAD, "PROCESSED")
    for code, stage in (("other", "NEW"), ("worked", "PROCESSED")):
        assert harness.call("crm.automation.trigger", target=f"LEAD_{lead}", code=code)["result"] is True
        assert harness.portal.stage_of(Entity.LEAD, lead) == stage


def test_contacts_have_no_stage(harness: Harness) -> None:
    contact = harness.portal.add(
        Entity.CONTACT, {"name": "Ben", "export": "1", "photo": ""}, by=3, email="b@example.com"
    )
    shown = harness.call("crm.contact.get", id=contact)["result"]
    assert (shown["NAME"], shown["EXPORT"], shown["EMAIL"][0]["VALUE"]) == ("Ben", "Y", "b@example.com")
    assert harness.events == [("ONCRMCONTACTADD", Entity.CONTACT, contact)]
    assert harness.portal.history == []


def test_a_date_field_gives_back_a_midnight_timestamp(harness: Harness) -> None:
    harness.portal.customs[Entity.LEAD]["UF_CRM_SINCE"] = "date"
    lead = harness.portal.add(Entity.LEAD, {**LEAD, "UF_CRM_SINCE": "2026-03-26"}, by=11)
    item = harness.call("crm.item.get", entityTypeId=1, id=lead)["result"]["item"]
    assert item["ufCrmSince"] == "2026-03-26T00:00:00+02:00"


def test_an_older_write_after_a_newer_one_shows_in_the_log(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11)
    for since in ("2026-03-01", "2026-03-05", "2026-03-02"):
        harness.call(
            "crm.item.update",
            entityTypeId=1,
            id=lead,
            useOriginalUfNames="Y",
            fields={"UF_CRM_ABM_SINCE": since},
        )
    last = harness.portal.writes[-1]
    assert last.origin == "rest"
    assert (last.before, last.after) == ({"UF_CRM_ABM_SINCE": "2026-03-05"}, {"UF_CRM_ABM_SINCE": "2026-03-02"})


def test_a_person_hands_a_record_over_in_the_past(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, LEAD, by=11, at=PAST)
    assert harness.portal.assign(Entity.LEAD, lead, 3, by=14, at=PAST + timedelta(hours=1))
    item = harness.call("crm.item.get", entityTypeId=1, id=lead)["result"]["item"]
    assert (item["assignedById"], item["updatedBy"]) == (3, 14)
    assert (item["updatedTime"], item["movedTime"]) == ("2025-12-01T12:30:00+02:00", "2025-12-01T11:30:00+02:00")


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ("UF_CRM_1769000999", "ufCrm_1769000999"),
        ("UF_CRM_2_1639669411830", "ufCrm2_1639669411830"),
        ("UF_CRM_ABM_STATUS", "ufCrmAbmStatus"),
    ],
)
def test_custom_fields_have_a_second_name(original: str, expected: str) -> None:
    assert custom_item_name(original) == expected
