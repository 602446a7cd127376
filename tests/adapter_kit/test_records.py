"""What records of most systems have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import (
    deleted_event,
    digest,
    exact,
    ids_by_object,
    instant_in,
    moment,
    present,
    readable,
    readable_identities,
    records_by_id,
    remembered,
)
from connector.adapter_kit.rest import RecordGone
from connector.core.errors import BadPayload, CrmError, CrmRefused
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
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


AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def test_what_people_typed_identifies_them_where_it_can_be_read() -> None:
    emails = readable_identities(
        IdentityKind.EMAIL, ["A@Example.com", None, "none", "https://u@example.com", Part("b@example.com")]
    )
    phones = readable_identities(IdentityKind.PHONE, ["+81 90 1234 5678", "call me", 7, ""])
    assert [identity.value for identity in emails] == ["a@example.com", "b@example.com"]
    assert list(phones) == [Identity(kind=IdentityKind.PHONE, value="+819012345678")]


def test_times_are_utc_and_without_a_zone_of_the_zone_that_is_given() -> None:
    zone = ZoneInfo("Asia/Tokyo")
    written = ("2026-03-04T14:06:07", "2026-03-04T05:06:07Z", "2026-03-04T06:06:07+01:00")
    assert {moment(instant_in(Part(text), zone)) for text in written} == {"2026-03-04T05:06:07Z"} == {moment(AT)}
    with pytest.raises(BadPayload, match="soon"):
        instant_in(Part("soon"), zone)


def test_a_record_that_is_gone_is_found_by_those_it_was_merged_with() -> None:
    record, other = RecordRef(object="deal", id="7"), Identity(kind=IdentityKind.RECORD, value="deal:8")
    event = deleted_event(record, AT, other, other)
    assert (event.key, event.kind, event.at) == ("deal:7:deleted@2026-03-04T05:06:07.000089Z", Kind.DELETED, AT)
    assert event.identities == (Identity(kind=IdentityKind.RECORD, value="deal:7"), other)


def test_keys_hold_times_as_far_as_they_go_and_contents_whatever_their_order() -> None:
    times = [AT.replace(microsecond=fraction) for fraction in (0, 120_000, 120_001)]
    assert [exact(at) for at in times] == [f"2026-03-04T05:06:07{end}Z" for end in ("", ".120", ".120001")]
    assert digest({"a": 1, "b": [None]}) == digest({"b": [None], "a": 1}) != digest({"a": 1, "b": []})
