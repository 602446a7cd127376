"""What reading has in common in most systems."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connector.adapter_kit.read import ids_by_object, present, readable, records_by_id, remembered
from connector.adapter_kit.rest import RecordGone
from connector.core.errors import BadPayload, CrmError, CrmRefused
from connector.core.event import Event, Kind
from tests.adapters.support import FakeApi

AWAY: dict[int, CrmError] = {3: RecordGone("deleted"), 4: CrmRefused("hidden")}


def _single(number: int) -> str | None:
    if error := AWAY.get(number):
        raise error
    return None if number == 5 else f"record {number}"


def test_records_are_read_together_and_those_left_out_one_by_one() -> None:
    calls: list[list[int]] = []

    def many(ids: list[int]) -> dict[int, str]:
        calls.append(ids)
        return {id_: f"row {id_}" for id_ in ids if id_ == 1}

    found = records_by_id([1, 2, 1, 3, 4, 5], many, _single, size=2)
    assert calls == [[1, 2], [3, 4], [5]]
    assert found == {1: "row 1", 2: "record 2", 3: None, 4: AWAY[4], 5: None}
    assert present(found[1]) == "row 1"
    with pytest.raises(RecordGone, match="the record does not exist any more"):
        present(found[3])
    with pytest.raises(CrmRefused, match="hidden"):
        present(found[4])


def test_names_of_records_are_ids_by_object() -> None:
    assert ids_by_object(["lead:7", "deal:1:2", "lead:8", "lead:7"]) == {"lead": ["7", "8"], "deal": ["1:2"]}


def test_a_record_that_cannot_be_read_tells_nothing_and_ends_no_run() -> None:
    event = Event(key="k", at=datetime(2026, 3, 4, tzinfo=UTC), kind=Kind.IDENTIFY)

    def read(mistake: BadPayload | None, *, count: int) -> list[Event]:
        if mistake:
            raise mistake
        return [event] * count

    assert list(readable(read, None, count=2)) == [event, event]
    assert list(readable(read, BadPayload("no time"), count=2)) == []
    with pytest.raises(CrmRefused):
        list(readable(lambda: [_raise()]))


def _raise() -> Event:
    message = "no"
    raise CrmRefused(message)


def test_what_was_read_is_remembered_until_it_is_to_be_fresh() -> None:
    api, counts = FakeApi(answers=[]), iter(range(9))
    numbers = [
        remembered(api, "n", lambda: next(counts), is_fresh=is_fresh) for is_fresh in (False, False, True, False)
    ]
    assert numbers == [0, 0, 1, 1]
