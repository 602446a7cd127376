"""The portal fails as it is told to, the same way for the same seed, and counts it."""

from __future__ import annotations

from connector.emulators.bitrix24.fields import Entity
from tests.emulators.bitrix24.harness import SECRET, Harness, payload


def codes(harness: Harness, count: int = 40) -> list[int]:
    return [harness.post("profile").status_code for _ in range(count)]


def test_too_many_requests_is_the_recorded_answer(harness: Harness) -> None:
    harness.faults.query_limit = 1.0
    response = harness.post("profile")
    assert response.status_code == 503
    assert response.json == payload("09-error-query-limit-exceeded.503.json")


def test_shares_hit_some_requests_and_the_same_ones_again(harness: Harness) -> None:
    harness.faults.query_limit = 0.3
    first = codes(harness)
    harness.tally.counts.clear()
    assert set(first) == {200, 503}
    assert codes(harness) == first
    harness.tally.counts.clear()
    harness.faults.seed = 1
    assert codes(harness) != first


def test_a_lost_answer_has_done_the_work_and_a_server_error_has_not(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, {"title": "x"}, by=11)
    harness.faults.server_error = 1.0
    assert harness.post("crm.item.update", entityTypeId=1, id=lead, fields={"stageId": "JUNK"}).status_code == 502
    assert harness.portal.stage_of(Entity.LEAD, lead) == "NEW"
    harness.faults.server_error, harness.faults.lost_answer = 0.0, 1.0
    answer = harness.post("crm.item.update", entityTypeId=1, id=lead, fields={"stageId": "JUNK"})
    assert (answer.status_code, answer.is_json) == (502, False)
    assert harness.portal.stage_of(Entity.LEAD, lead) == "JUNK"


def test_a_lying_update_shows_what_it_does_not_save(harness: Harness) -> None:
    lead = harness.portal.add(Entity.LEAD, {"title": "x"}, by=11)
    harness.faults.lying = 1.0
    item = harness.call("crm.item.update", entityTypeId=1, id=lead, fields={"stageId": "JUNK"})["result"]["item"]
    assert item["stageId"] == "JUNK"
    assert harness.portal.stage_of(Entity.LEAD, lead) == "NEW"
    assert harness.tally["rest.faults.lying"] == 1


def test_a_slow_answer_comes_after_the_work(harness: Harness) -> None:
    harness.faults.slow, harness.faults.slow_seconds = 1.0, 0.01
    assert harness.post("profile").status_code == 200
    assert harness.tally["rest.faults.slow"] == 1


def test_the_bucket_takes_fifty_and_two_a_second(harness: Harness) -> None:
    harness.faults.is_rate_limited = True
    assert codes(harness, 51) == [200] * 50 + [503]
    harness.clock.forward(seconds=1)
    assert codes(harness, 3) == [200, 200, 503]


def test_a_blocked_method_fails_alone_also_inside_a_batch(harness: Harness) -> None:
    harness.faults.blocked = frozenset({"crm.item.update"})
    assert harness.error("crm.item.update", entityTypeId=1, id=1)[:2] == (429, "OPERATION_TIME_LIMIT")
    result = harness.call("batch", cmd={"a": "crm.item.update?id=1", "b": "profile"})["result"]
    assert result["result_error"]["a"]["error"] == "OPERATION_TIME_LIMIT"
    assert result["result"]["b"]["ID"] == "1"


def test_credentials_can_go_bad_and_the_portal_can_move(harness: Harness) -> None:
    harness.faults.has_bad_credentials = True
    assert harness.error("profile")[:2] == (401, "INVALID_CREDENTIALS")
    harness.faults.moved_to = "https://new.example.com"
    response = harness.post("profile")
    assert response.status_code == 302
    assert response.headers["Location"].startswith(f"https://new.example.com/rest/1/{SECRET}/profile")


def test_calls_and_errors_are_counted_by_name(harness: Harness) -> None:
    harness.call("batch", cmd=["profile", "profile", "crm.lead.get?id=9"])
    harness.post("crm.lead.get", id=9)
    assert harness.tally.snapshot() == {
        "rest.calls.batch": 1,
        "rest.calls.crm.lead.get": 2,
        "rest.calls.profile": 2,
        "rest.errors.Not found": 1,
        "rest.requests": 2,
    }


def test_a_body_that_is_no_json_is_no_parameters(harness: Harness) -> None:
    path = f"/rest/1/{SECRET}/crm.item.get"
    response = harness.client.post(path, data=b"{", content_type="application/json")
    assert (response.json or {})["error"] == "100"
