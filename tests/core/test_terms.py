"""What each term lacks: how many of how many, until when they count, and from which day it would hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.core.calendar import Days, span
from connector.core.event import ALL, KEY_PAGE, VISITS
from connector.core.state import Entry
from connector.core.terms import (
    Missing,
    MissingDay,
    MissingDays,
    MissingEntries,
    MissingTag,
    OncePerDay,
    Passed,
    Seen,
    Tagged,
    Term,
    Window,
)

TODAY = 739_000
BY_STEP = Window("steps", ALL, "step")
BY_DAY = Window("days", VISITS, "day")
BY_SESSION = Window("sessions", KEY_PAGE, "session")


@dataclass
class View:
    """A subject today, of whom `ago` are the days since each entry, newest first."""

    today: int = TODAY
    since_day: int = TODAY - 10
    acted_day: int = TODAY - 5
    tags: set[str] = field(default_factory=set)
    seen: dict[str, list[Entry]] = field(default_factory=dict)
    noticed_on: dict[str, int] = field(default_factory=dict)


def _seen(window: Window, *ago: int) -> View:
    return View(seen={window.name: [(TODAY - days, str(days), None) for days in ago]})


def _lacks(window: Window, need: int, days: int | None, **given: Any) -> MissingEntries:
    shown = {key: TODAY + value for key, value in given.items() if key != "counted"}
    counted = tuple(TODAY + day for day in given.get("counted", ()))
    return MissingEntries(window=window.name, need=need, days=days, counted=counted, **shown)


@pytest.mark.parametrize(
    ("term", "ago", "expected"),
    [
        (Seen(BY_STEP, 1, 30), (), _lacks(BY_STEP, 1, 30, first=0)),
        (Seen(BY_STEP, 1, 30), (29,), None),
        (Seen(BY_STEP, 1, 30), (30,), _lacks(BY_STEP, 1, 30, first=0)),
        (Seen(BY_STEP, 1, None), (4000,), None),
        (Seen(BY_STEP, 2, None), (4000,), _lacks(BY_STEP, 2, None, counted=(-4000,), first=0)),
        (Seen(BY_STEP, 3, 30), (0, 0), _lacks(BY_STEP, 3, 30, counted=(0, 0), first=0, by=29)),
        (Seen(BY_STEP, 3, 30), (2, 29), _lacks(BY_STEP, 3, 30, counted=(-29, -2), first=0, by=0)),
        (Seen(BY_STEP, 3, 30), (2, 29, 30), _lacks(BY_STEP, 3, 30, counted=(-29, -2), first=0, by=0)),
        (Seen(BY_STEP, 3, 30), (2, 30, 31), _lacks(BY_STEP, 3, 30, counted=(-2,), first=0, by=27)),
        (Seen(BY_DAY, 2, 30), (0,), _lacks(BY_DAY, 2, 30, counted=(0,), first=1, by=29)),
        (Seen(BY_DAY, 2, 30), (1,), _lacks(BY_DAY, 2, 30, counted=(-1,), first=0, by=28)),
        (Seen(BY_DAY, 2, 30), (29,), _lacks(BY_DAY, 2, 30, counted=(-29,), first=0, by=0)),
        (Seen(BY_DAY, 2, 30), (30,), _lacks(BY_DAY, 2, 30, first=0)),
        (Seen(BY_DAY, 3, 30), (0, 29), _lacks(BY_DAY, 3, 30, counted=(0,), first=1, by=29)),
        (Seen(BY_DAY, 3, 30), (28,), _lacks(BY_DAY, 3, 30, counted=(-28,), first=0, by=1)),
        (Seen(BY_DAY, 3, 30), (29,), _lacks(BY_DAY, 3, 30, first=0)),
        (Seen(BY_SESSION, 2, 30), (0,), _lacks(BY_SESSION, 2, 30, counted=(0,), first=0, by=29)),
        (Seen(BY_SESSION, 2, 30), (0, 29), None),
    ],
)
def test_what_was_seen_lacks_the_rest_of_what_can_still_count(
    term: Seen, ago: tuple[int, ...], expected: Missing | None
) -> None:
    assert term.missing(_seen(term.window, *ago)) == expected
    assert (expected is None) == term.holds(_seen(term.window, *ago))
    assert term.asks() == MissingEntries(window=term.window.name, need=term.at_least, days=term.days)


def test_how_many_are_left_is_what_is_asked_for_without_what_counts() -> None:
    assert _lacks(BY_STEP, 3, 30, counted=(-2,)).left == 2


def _days(first: int, last: int | None) -> Days:
    return Days(TODAY + first, None if last is None else TODAY + last)


@pytest.mark.parametrize(
    ("term", "ago", "enters", "expected"),
    [
        (Seen(BY_STEP, 1, 30), (), True, _days(0, None)),
        (Seen(BY_STEP, 1, 30), (), False, None),
        (Seen(BY_STEP, 1, 30), (10,), False, _days(0, 19)),
        (Seen(BY_STEP, 2, 30), (10,), True, _days(0, 19)),
        (Seen(BY_STEP, 2, 30), (10,), False, None),
        (Seen(BY_STEP, 2, 30), (10, 20), True, _days(0, 19)),
        (Seen(BY_STEP, 2, 30), (10, 20), False, _days(0, 9)),
        (Seen(BY_STEP, 2, 30), (10, 40), False, None),
        (Seen(BY_STEP, 2, 30), (30, 31), True, None),
        (Seen(BY_STEP, 3, 30), (1,), True, None),
        (Seen(BY_STEP, 2, None), (400,), True, _days(0, None)),
        (Seen(BY_STEP, 1, None), (400,), False, _days(0, None)),
        (Seen(BY_DAY, 2, 30), (0,), True, _days(1, 29)),
        (Seen(BY_DAY, 2, 30), (0, 1), True, _days(0, 29)),
        (Seen(BY_DAY, 2, 30), (29,), True, _days(0, 0)),
        (Seen(BY_SESSION, 2, 30), (0,), True, _days(0, 29)),
    ],
)
def test_the_days_on_which_one_more_is_enough(
    term: Seen,
    ago: tuple[int, ...],
    enters: bool,  # noqa: FBT001 - a column of the table
    expected: Days | None,
) -> None:
    assert term.days_if_action(_seen(term.window, *ago), lambda bits: enters and bits == term.window.bits) == expected


@pytest.mark.parametrize(
    ("term", "expected", "enough"),
    [
        (Passed("status", 10), None, _days(0, None)),
        (
            Passed("status", 11),
            MissingDays(of="status", days=11, since=TODAY - 10, first=TODAY + 1),
            _days(1, None),
        ),
        (
            Passed("status", 12, 14),
            MissingDays(of="status", days=12, since=TODAY - 10, first=TODAY + 2, last=TODAY + 3),
            _days(2, 3),
        ),
        (Passed("status", 10, 11), None, _days(0, 0)),
        (
            Passed("status", 8, 10),
            MissingDays(of="status", days=8, since=TODAY - 10, first=TODAY - 2, last=TODAY - 1, is_over=True),
            None,
        ),
        (Passed("last_action", 5), None, None),
        (
            Passed("last_action", 6),
            MissingDays(of="last_action", days=6, since=TODAY - 5, first=TODAY + 1),
            None,
        ),
    ],
)
def test_days_that_have_to_pass_have_their_dates(term: Passed, expected: Missing | None, enough: Days | None) -> None:
    assert term.missing(View()) == expected
    assert term.days_if_action(View(), lambda _bits: True) == enough
    assert term.asks() == MissingDays(of=term.start, days=term.days)


@pytest.mark.parametrize(
    ("term", "view", "expected", "enough"),
    [
        (Tagged("reactive"), View(), MissingTag(tag="reactive"), None),
        (Tagged("reactive"), View(tags={"reactive"}), None, _days(0, None)),
        (OncePerDay("r"), View(), None, _days(0, None)),
        (OncePerDay("r"), View(noticed_on={"r": TODAY - 1}), None, _days(0, None)),
        (OncePerDay("r"), View(noticed_on={"r": TODAY}), MissingDay(rule="r", first=TODAY + 1), _days(1, None)),
    ],
)
def test_a_tag_and_a_day_of_its_own_are_there_or_are_not(
    term: Term, view: View, expected: Missing | None, enough: Days | None
) -> None:
    assert term.missing(view) == expected
    assert term.days_if_action(view, lambda _bits: True) == enough


def test_what_a_tag_and_a_day_ask_for_has_no_date() -> None:
    assert Tagged("reactive").asks() == MissingTag(tag="reactive")
    assert OncePerDay("r").asks() == MissingDay(rule="r")


def test_days_in_both_spans_and_in_one_without_the_other() -> None:
    assert span(2, 1) is None
    assert Days(1, 5).both(Days(3)) == Days(3, 5)
    assert Days(1).both(Days(3)) == Days(3)
    assert Days(1, 2).both(Days(3, 4)) is None
    assert Days(1, 5).without(None) == Days(1, 5)
    assert Days(1, 5).without(Days(6)) == Days(1, 5)
    assert Days(1, 5).without(Days(3, 3)) == Days(1, 2)
    assert Days(1, 5).without(Days(1, 3)) == Days(4, 5)
    assert Days(1).without(Days(0, 3)) == Days(4)
    assert Days(1, 5).without(Days(0, 5)) is None
    assert Days(1).without(Days(1)) is None
