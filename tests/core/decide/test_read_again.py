"""What is read again is a fact of its own where its record showed something else of the same instant in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.core.decide.batch import KnownRecord, TranslatedEvent
from connector.core.decide.read_again import back_again
from connector.core.event import Event, Kind, RecordRef, Step
from connector.core.identity import RecordKey
from connector.core.order import order_of

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
READ = AT + timedelta(milliseconds=300)
KEY = RecordKey("crm", "lead", "7")
LAST = order_of(AT, 1, "b", read_at=AT)
RECORD = KnownRecord(id="r", key=KEY, subject="s", stage="B", stage_order=LAST, owner="b@x", owner_order=LAST)


def told(**values: Any) -> TranslatedEvent:
    given = {"at": AT, "kind": Kind.STAGE, "stage": "A", "read_at": READ, "record": RecordRef(object="lead", id="7")}
    event = Event(key="crm:a", **{**given, **values})
    steps = (Step(id="crm:a", at=AT, kind=Kind.JUMP), Step(id="crm:a#x", at=AT, kind=Kind.JUMP))
    return TranslatedEvent(connection="crm", event=event, steps=steps)


def test_a_record_that_was_seen_in_another_stage_in_between_came_back() -> None:
    back = back_again(told(), {KEY: RECORD})
    assert back is not None
    assert back.event.key == f"crm:a~{READ.isoformat()}"
    assert [step.id for step in back.steps] == [back.event.key, f"{back.event.key}#x"]
    assert back_again(told(), {KEY: replace(RECORD, stage="A", pipeline="5")}) is not None
    assert back_again(told(kind=Kind.OWNER, stage=None, owner="7", owner_email="A@x"), {KEY: RECORD}) is not None


@pytest.mark.parametrize(
    ("values", "record"),
    [
        ({"kind": Kind.PROFILE}, RECORD),
        ({"kind": Kind.OWNER, "stage": None, "owner": "7", "owner_email": "B@x"}, RECORD),
        ({"read_at": None}, RECORD),
        ({"read_at": AT}, RECORD),
        ({"sequence": 3}, RECORD),
        ({"record": None}, RECORD),
        ({"at": AT + timedelta(seconds=1)}, RECORD),
        ({}, None),
        ({}, replace(RECORD, stage="A")),
        ({}, replace(RECORD, stage_order=None)),
        ({}, replace(RECORD, stage_order=order_of(AT, 1, "b", sequence=3))),
    ],
)
def test_anything_else_says_what_is_known(values: dict[str, Any], record: KnownRecord | None) -> None:
    assert back_again(told(**values), {KEY: record} if record else {}) is None
