"""What records of most systems have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event, instant_in, moment, one_a_second, readable_identities
from connector.core.errors import BadPayload
from connector.core.event import Identity, IdentityKind, Kind, RecordRef

AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def test_what_people_typed_identifies_them_where_it_can_be_read() -> None:
    emails = readable_identities(
        IdentityKind.EMAIL, ["A@Example.com", None, "none", "https://u@example.com", Part("b@example.com")]
    )
    phones = readable_identities(IdentityKind.PHONE, ["+81 90 1234 5678", "1234", 7, ""])
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
    event = deleted_event(record, AT, other, other, mark="@1")
    assert (event.key, event.kind, event.at) == ("deal:7:deleted@1", Kind.DELETED, AT)
    assert event.identities == (Identity(kind=IdentityKind.RECORD, value="deal:7"), other)


def test_of_the_stages_of_one_second_the_last_counts_and_none_stands_twice() -> None:
    stages = [("a", "2026-03-04T05:06:07.1Z"), ("b", "2026-03-04T05:06:07.9Z"), ("b", "2026-03-04T05:06:09Z")]
    assert one_a_second([*stages, ("a", "2026-03-04T05:07:00Z")]) == [
        ["b", "2026-03-04T05:06:07.9Z"],
        ["a", "2026-03-04T05:07:00Z"],
    ]
