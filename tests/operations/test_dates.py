"""Dates as people write them: each form is read, and an order of day and month that is open is never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.errors import WrongSetting
from connector.mapping.date_order import PATTERNS, DateOrder, order_of
from connector.operations.imports.dates import order_in, read_time, readings
from tests.hypothesis_profile import examples

TOKYO = ZoneInfo("Asia/Tokyo")
YMD, DMY, MDY = DateOrder


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("2026-03-04", "2026-03-04 00:00:00"),
        ("2026-03-04 14:05", "2026-03-04 14:05:00"),
        ("2026-03-04T05:05:06Z", "2026-03-04 14:05:06"),
        ("2026/3/4", "2026-03-04 00:00:00"),
        ("2026/11/20", "2026-11-20 00:00:00"),
        ("2026.3.4 14:05:06", "2026-03-04 14:05:06"),
        ("2026年3月4日", "2026-03-04 00:00:00"),
        ("2026年3月4日 10時05分", "2026-03-04 10:05:00"),
        ("2026年3月4日(水) 午後2時5分6秒", "2026-03-04 14:05:06"),
        ("2026年3月4日 下午2点5分", "2026-03-04 14:05:00"),
        ("２０２６／０３／０４　１４：０５", "2026-03-04 14:05:00"),
        ("2026/3/4 10:05 +0700", "2026-03-04 12:05:00"),
        ("2026/3/4 10:05 UTC", "2026-03-04 19:05:00"),
        ("20260304", "2026-03-04 00:00:00"),
    ],
)
def test_a_date_that_says_its_order_is_read_whatever_the_order_of_the_file(text: str, local: str) -> None:
    expected = datetime.fromisoformat(local).replace(tzinfo=TOKYO).astimezone(UTC)
    assert [read_time(text, TOKYO, order) for order in DateOrder] == [expected] * 3


@pytest.mark.parametrize(
    ("text", "order", "local"),
    [
        ("04/03/2026 08:00", DMY, "2026-03-04 08:00"),
        ("04/03/2026 08:00", MDY, "2026-04-03 08:00"),
        ("20.11.2026", DMY, "2026-11-20 00:00"),
        ("08:00 04/03/2026", DMY, "2026-03-04 08:00"),
        ("10h05 4-3-2026", DMY, "2026-03-04 10:05"),
        ("04/03/2026 10 giờ 05 phút", DMY, "2026-03-04 10:05"),
        ("04/03/2026 08:00 CH", DMY, "2026-03-04 20:00"),
        ("3/4/2026, 12:05 AM", MDY, "2026-03-04 00:05"),
        ("4/3/26", DMY, "2026-03-04 00:00"),
        ("26/3/4", YMD, "2026-03-04 00:00"),
        ("4/3/99", DMY, "1999-03-04 00:00"),
    ],
)
def test_another_date_is_read_by_the_order_of_the_file(text: str, order: DateOrder, local: str) -> None:
    assert read_time(text, TOKYO, order) == datetime.fromisoformat(local).replace(tzinfo=TOKYO).astimezone(UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "04/03", "1.0E+3", "2026-03-04" * 9),
        *("32/13/2026", "2026/0/4", "04/03/126", "04/03/2026/5", "1969-12-31", "2200-01-01"),
        *("2026/3/4 25:00", "2026/3/4 10:61", "2026/3/4 soon"),
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert readings(text, TOKYO) == {}


@settings(max_examples=examples(500), deadline=None)
@given(st.text(max_size=70) | st.from_regex(r"[0-9/.:年月日時 TZ+-]{1,25}", fullmatch=True))
def test_any_text_is_a_time_of_our_days_or_none(text: str) -> None:
    for order, found in readings(text, TOKYO).items():
        assert 1969 <= found.year <= 2200
        assert read_time(text, TOKYO, order) == found


def _order(*texts: str, default: DateOrder | None = None) -> DateOrder:
    return order_in([(f"row {number}", text) for number, text in enumerate(texts, 2)], TOKYO, default)


def test_one_row_that_can_be_read_in_one_way_only_decides_for_the_file() -> None:
    assert _order("04/03/2026", "13/04/2026") == DMY
    assert _order("04/03/2026", "nonsense", "04/13/2026") == MDY
    assert _order("04/03/2026", "04/13/2026", default=DMY) == MDY


def test_an_order_that_makes_no_difference_is_not_asked_for() -> None:
    assert _order("2026-03-04", "04/04/2026", "") in DateOrder
    assert _order() in DateOrder


def test_an_order_that_is_open_is_the_workspace_s_or_refused_with_what_to_give() -> None:
    assert _order("04/03/2026", default=DMY) == DMY
    for default in (None, YMD):
        with pytest.raises(WrongSetting, match=r"row 2 .*--date-format DD/MM/YYYY or --date-format MM/DD/YYYY"):
            _order("04/03/2026", "05/03/2026", default=default)


def test_dates_in_two_orders_are_refused_with_both_places() -> None:
    with pytest.raises(WrongSetting, match="row 2 and row 4 are not in the same order"):
        _order("13/04/2026", "04/03/2026", "04/13/2026", default=DMY)


def test_a_format_says_its_order_as_people_write_it() -> None:
    formats = {
        "DD/MM/YYYY": DMY,
        "d.m.yy HH:mm": DMY,
        "dmy": DMY,
        "M/D/YYYY": MDY,
        "YYYY年M月D日": YMD,
        "YYYY-MM-DD": YMD,
    }
    assert {text: order_of(text) for text in formats} == formats
    assert [order_of(text) for text in ("", "MM/YYYY", "YYYY/DD/MM", "dates")] == [None] * 4
    assert {order_of(pattern): order for order, pattern in PATTERNS.items()} == {order: order for order in DateOrder}
