"""What sales ops have yet to map is held with its reason and count; all else goes on, and publishing releases it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import remap
from connector.operations.mappings import held
from connector.runtime.parts import Runtime
from connector.store import connections, deliveries, subjects
from tests.conftest import NOW
from tests.flow.senders import MAPPING, Sender, add_connection, drain
from tests.flow.store_queries import moves, subject_of

WIDER = MAPPING.replace("bad: not_targeted", "bad: not_targeted, odd: project").replace(
    "triggers:", "actions: {brochure_ordered: form_submission}\ntriggers:\n  - {id: fair, on: fair, jump_to: visited}"
)
WIDER = WIDER.replace("owner: {match: email}", "owner: {match: table, table: {kim@example.jp: kim@example.jp}}")
STRICT = MAPPING.replace("owner: {match: email}", "owner: {match: table, table: {lee@example.jp: lee@example.jp}}")
UNMAPPED = {
    "stage: lead / odd": {"type": "stage", "object": "lead", "stage": "odd"},
    "trigger: fair": {"type": "trigger", "trigger": "fair"},
    "action: brochure_ordered": {"type": "action", "action": "brochure_ordered"},
    "owner: kim@example.jp": {"type": "owner", "owner": "kim@example.jp"},
}


def _line(number: int, days: float, **deed: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=days)).isoformat()
    return {"id": f"e{number}", "at": at, "subject": {"id": "L"}, "kind": "lead"} | deed


def _publish(runtime: Runtime, mapping: str) -> None:
    with runtime.database.write() as connection:
        connections.publish(connection, "shop", mapping, author="test", comment="", now=runtime.clock())
    runtime.connections.forget()
    remap(runtime, "shop")
    drain(runtime)


def _delivery(runtime: Runtime, key: str) -> dict[str, Any]:
    with runtime.database.read() as connection:
        rows = {row.key: row for row in deliveries.listed(connection)}
    return {name: getattr(rows[key], name) for name in ("outcome", "tally", "error")}


@pytest.mark.parametrize("reason", UNMAPPED)
def test_what_is_unmapped_is_held_and_released_in_its_place_in_time(runtime: Runtime, reason: str) -> None:
    add_connection(runtime, mapping=STRICT)
    sender = Sender(runtime)
    visit = {"type": "action", "action": "site_access"}
    sender.send(_line(1, 9, **visit), _line(2, 8, **UNMAPPED[reason]), _line(3, 7, **visit), key="mixed")
    sender.send(_line(4, 6, **visit), key="later")
    drain(runtime)
    before = subject_of(runtime, "record", "shop:lead:L")
    assert before.status == "quasi_explicit"
    assert _delivery(runtime, "mixed") == {"outcome": "held", "tally": {"held": 1, "applied": 2}, "error": reason}
    assert _delivery(runtime, "later")["outcome"] == "applied"
    assert [(one["what"], one["reason"], one["count"]) for one in held(runtime)] == [("events", reason, 1)]
    _publish(runtime, WIDER)
    assert list(held(runtime)) == []
    assert _delivery(runtime, "mixed") == {"outcome": "applied", "tally": {"applied": 3}, "error": None}
    add_connection(runtime, "fresh", mapping=WIDER)
    deeds = [_line(1, 9, **visit), _line(2, 8, **UNMAPPED[reason]), _line(3, 7, **visit), _line(4, 6, **visit)]
    Sender(runtime, "fresh").send(*[{**one, "id": f"f{one['id']}"} for one in deeds])
    drain(runtime)
    twin = subject_of(runtime, "record", "fresh:lead:L")
    after = subject_of(runtime, "record", "shop:lead:L")
    assert (after.status, after.since, after.owner) == (twin.status, twin.since, twin.owner)
    assert moves(runtime, after.id) == moves(runtime, twin.id)
    assert (after.status, after.owner) != (before.status, before.owner) or reason.startswith("action")
    assert all(map(is_balanced, balance(runtime).values()))


def test_counts_of_what_is_held_are_by_reason_with_an_example(runtime: Runtime) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    for number in range(3):
        sender.send(_line(number, 5, type="stage", object="lead", stage="odd"), key=f"{number}")
    sender.send(_line(9, 5, type="trigger", trigger="fair"), key="fair")
    drain(runtime)
    found = {one["reason"]: (one["count"], one["example"]) for one in held(runtime, "shop")}
    assert {reason: count for reason, (count, _) in found.items()} == {"stage: lead / odd": 3, "trigger: fair": 1}
    with runtime.database.read() as connection:
        every = {row.id for row in subjects.held_of(connection, subject_of(runtime, "record", "shop:lead:L").id)}
    assert {example for _, example in found.values()} <= every
    assert balance(runtime)["shop"]["held"] == 4


def test_a_subject_of_which_all_is_held_stands_where_it_began_and_moves_when_it_is_released(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(_line(1, 5, type="stage", object="lead", stage="odd"))
    drain(runtime)
    assert subject_of(runtime, "record", "shop:lead:L").status == "not_set"
    _publish(runtime, WIDER)
    found = subject_of(runtime, "record", "shop:lead:L")
    assert (found.status, found.kind, found.since) == ("project", "lead", NOW - timedelta(days=5))


def test_what_a_mapping_ignores_on_purpose_is_not_held(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(_line(1, 5, type="stage", object="lead", stage="odd"), key="odd")
    drain(runtime)
    _publish(runtime, MAPPING.replace("bad: not_targeted", "bad: not_targeted, odd: ignore"))
    assert _delivery(runtime, "odd") == {"outcome": "ignored", "tally": {"ignored": 1}, "error": None}
    assert subject_of(runtime, "record", "shop:lead:L").state is None


def test_a_bad_line_and_a_held_one_of_the_same_delivery_are_both_told(runtime: Runtime) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    bad = {"id": "bad", "type": "action"}
    sender.send(_line(1, 5, type="stage", object="lead", stage="odd"), bad, key="both")
    drain(runtime)
    found = _delivery(runtime, "both")
    assert (found["outcome"], found["tally"]) == ("held", {"held": 1, "dead": 1})
    assert "stage: lead / odd" in found["error"]
    assert "$.events[1]" in found["error"]
    _publish(runtime, WIDER)
    found = _delivery(runtime, "both")
    assert (found["outcome"], found["tally"]) == ("dead", {"dead": 1, "applied": 1})
    assert "$.events[1]" in found["error"]
