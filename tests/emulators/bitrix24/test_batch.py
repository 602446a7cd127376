"""A batch answers 200 whatever happens inside, keyed by command, with PHP's empty lists."""

from __future__ import annotations

from connector.emulators.bitrix24.fields import Entity
from tests.emulators.bitrix24.harness import Harness, payload


def test_one_command_of_three_fails_and_the_rest_is_the_recorded_shape(harness: Harness) -> None:
    sample = payload("08-batch-one-failed.response.json")
    deal = harness.portal.add(Entity.DEAL, {"title": "x", "assignedById": 14}, by=14)
    answer = harness.call(
        "batch",
        halt=0,
        cmd={
            "deal": f"crm.item.list?entityTypeId=2&filter[id]={deal}&select[]=id&select[]=categoryId&select[]=stageId"
            "&select[]=assignedById&select[]=updatedTime",
            "lead": "crm.lead.get?id=99",
            "owner": "user.get?FILTER[ID]=$result[deal][items][0][assignedById]",
        },
    )
    mine, theirs = answer["result"], sample["result"]
    assert {name: mine[name] for name in ("result_error", "result_total", "result_next")} == {
        name: theirs[name] for name in ("result_error", "result_total", "result_next")
    }
    assert set(mine["result"]["deal"]["items"][0]) == set(theirs["result"]["deal"]["items"][0])
    assert mine["result"]["owner"][0]["EMAIL"] == "marek.dvorak@example.com"
    assert set(mine["result_time"]) == {"deal", "owner"}
    assert set(mine["result_time"]["deal"]) == set(theirs["result_time"]["deal"])
    assert set(answer["time"]) == set(sample["time"])


def test_updates_by_nested_query_strings_are_saved(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, {"title": "x"}, by=11)
    fields = "fields%5BstageId%5D=JUNK&fields%5BUF_CRM_ABM_STATUS%5D=%E6%BD%9C%E5%9C%A8"
    command = f"crm.item.update?entityTypeId=1&id={lead}&useOriginalUfNames=Y&{fields}"
    answer = harness.call("batch", cmd=[command])
    assert answer["result"]["result"][0]["item"]["UF_CRM_ABM_STATUS"] == "潜在"
    assert answer["result"]["result_error"] == []
    assert harness.portal.stage_of(Entity.LEAD, lead) == "JUNK"


def test_halt_stops_at_the_first_error(harness: Harness) -> None:
    result = harness.call("batch", halt=1, cmd=["crm.lead.get?id=99", "profile"])["result"]
    assert result["result"] == []
    assert result["result_error"] == [{"error": "", "error_description": "Not found"}]


def test_the_fifty_first_command_and_a_nested_batch_fail_alone(harness: Harness) -> None:
    result = harness.call("batch", cmd={"a": "batch?cmd[]=profile", **{str(n): "profile" for n in range(50)}})["result"]
    assert {key: error["error"] for key, error in result["result_error"].items()} == {
        "a": "ERROR_BATCH_METHOD_NOT_ALLOWED",
        "49": "ERROR_BATCH_LENGTH_EXCEEDED",
    }
    assert len(result["result"]) == 49


def test_a_reference_to_nothing_is_empty_text(harness: Harness) -> None:
    result = harness.call("batch", cmd={"a": "profile", "b": "crm.lead.get?id=0$result[a][NOTHING]$result[x][y]"})
    assert result["result"]["result_error"]["b"]["error_description"] == "ID is not defined or invalid"


def test_next_offsets_are_given_per_command(harness: Harness) -> None:
    for _ in range(60):
        harness.portal.add(Entity.LEAD, {"title": "x"}, by=11)
    result = harness.call("batch", cmd={"all": "crm.item.list?entityTypeId=1&start=junk"})["result"]
    assert (result["result_next"], result["result_total"]) == ({"all": 50}, {"all": 60})
