"""What the fold does beyond the cases of the rules: jumps of a mapping, owners, profiles, own statuses, facts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.core.calendar import day_start, local_day
from connector.core.decision import Decision, Reason
from connector.core.engine import Folded, Ruleset, due_day, fold, fold_all, is_late
from connector.core.event import FieldValue, Kind, Step
from connector.core.rules import BASIC_1, BASIC_2
from connector.core.ruleset import KeyPage, Settings
from connector.core.state import State
from connector.core.status import StatusInfo

START = datetime(2026, 3, 2, tzinfo=UTC)
PRICING = "https://e.example/pricing"
TRIAL = StatusInfo(code="trial", rank=None, automatic=False)
RULES = Ruleset(
    BASIC_2,
    Settings(
        zone=ZoneInfo("UTC"),
        key_pages=(KeyPage(match="exact", url=PRICING),),
        is_mail_on=True,
        own_statuses=(TRIAL,),
    ),
)


def _step(kind: Kind, minute: int = 0, **values: Any) -> Step:
    return Step(id=f"{minute:06d}", at=START + timedelta(minutes=minute), kind=kind, **values)


def _jump(to: str, minute: int = 0, **values: Any) -> Step:
    return _step(Kind.JUMP, minute, to=to, by="crm", **values)


def _moves(folded: Folded) -> list[tuple[str, str, str, Reason | None]]:
    return [(row.rule, row.before, row.after, row.reason) for row in folded.decisions]


def test_a_jump_whose_mapping_ignores_backward_stages_goes_forward_and_off_the_ladder_only() -> None:
    to = ("explicit", "latent", "pending", "latent")
    steps = [_jump(status, minute, is_forward_only=True) for minute, status in enumerate(to)]
    assert _moves(fold_all(steps, RULES)) == [
        ("jump", "not_set", "explicit", None),
        ("jump", "explicit", "explicit", Reason.BACKWARD),
        ("jump", "explicit", "pending", None),
        ("jump", "pending", "latent", None),
    ]


def test_an_own_status_has_no_rank_so_that_leaving_it_is_never_backward_and_a_trigger_must_reopen() -> None:
    trigger = {"to": "visited", "trigger": "t"}
    steps = [
        _jump("order"),
        _jump("trial", 1, is_forward_only=True),
        _step(Kind.TRIGGER, 2, **trigger),
        _step(Kind.ACTION, 3, action="site_access", page=PRICING),
        _step(Kind.TRIGGER, 4, **trigger, may_reopen=True),
        _jump("trial", 5),
        _jump("latent", 6, is_forward_only=True),
    ]
    folded = fold_all(steps, RULES)
    assert _moves(folded) == [
        ("jump", "not_set", "order", None),
        ("jump", "order", "trial", None),
        ("trigger:t", "trial", "trial", Reason.OFF_LADDER),
        ("trigger:t", "trial", "visited", None),
        ("jump", "visited", "trial", None),
        ("jump", "trial", "latent", None),
    ]
    assert [row.skipped for row in folded.decisions[1:]] == [()] * 5


def test_a_tag_step_without_a_tag_does_nothing() -> None:
    assert fold_all([_step(Kind.TAG)], RULES).state.tags == frozenset()


def test_a_fold_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a state or at least one step"):
        fold(None, [], RULES)


def test_skipped_statuses_are_named_upward_only() -> None:
    steps = [_jump("appointment_acquisition"), _jump("latent", 1), _jump("lost_order", 2), _jump("project", 3)]
    assert [row.skipped for row in fold_all(steps, RULES).decisions if row.rule == "jump"] == [
        ("latent", "quasi_explicit", "explicit", "appointment_prospect"),
        (),
        (),
        (),
    ]


def test_a_decision_holds_its_facts_as_json_values() -> None:
    steps = [
        _step(Kind.TAG, 0, tag="reactive"),
        _step(Kind.ACTION, 1, action="site_access", page=PRICING),
        _step(Kind.ACTION, 2, action="site_access", page=PRICING, session="s"),
    ]
    *_, react = fold_all(steps, RULES).decisions
    assert react == Decision(
        at=steps[2].at,
        rule="latent.react",
        before="latent",
        after="appointment_prospect",
        reason=Reason.NO_RECIPIENT,
        notice="subject",
        step="000002",
        facts={
            "tag": "reactive",
            "key_page_sessions": [
                {"date": "2026-03-02", "session": "from 2026-03-02T00:01:00+00:00", "page": PRICING},
                {"date": "2026-03-02", "session": "id s", "page": PRICING},
            ],
            "key_page_sessions_within_days": 30,
        },
    )
    assert json.loads(json.dumps(react.facts)) == react.facts


def test_a_daily_decision_says_since_when_and_how_many_days() -> None:
    warned, *_ = fold_all([_jump("explicit")], RULES, START.toordinal() + 26).decisions[1:]
    assert warned.facts == {
        "status_since": "2026-03-02",
        "status_days": 25,
        "status_days_asked": 25,
        "last_action_since": "2026-03-02",
        "last_action_days": 25,
        "last_action_days_asked": 25,
    }
    assert (warned.step, warned.notice, warned.at) == (None, "list", START + timedelta(days=25))


def test_a_notice_of_a_day_says_which_day_and_is_not_given_twice() -> None:
    steps = [_jump("visited"), *(_step(Kind.ACTION, minute, action="login", page=PRICING) for minute in (1, 2))]
    assert [row.facts for row in fold_all(steps, RULES).decisions[1:]] == [
        {
            "key_pages": [{"date": "2026-03-02", "step": "000001", "page": PRICING}],
            "key_pages_within_days": None,
            "once_on": "2026-03-02",
        }
    ]


def test_sessions_that_are_named_and_sessions_by_gap_never_meet() -> None:
    steps = [
        _step(Kind.TAG, 0, tag="reactive"),
        _step(Kind.ACTION, 1, action="site_access", page=PRICING),
        _step(Kind.ACTION, 2, action="site_access", page=PRICING, session="from 2026-03-02T00:01:00+00:00"),
    ]
    assert fold_all(steps, RULES).state.status == "appointment_prospect"


def test_an_opened_mail_plays_no_part_in_sessions() -> None:
    steps = [
        _step(Kind.TAG, 0, tag="reactive"),
        _step(Kind.ACTION, 1, action="site_access", page=PRICING),
        _step(Kind.ACTION, 26, action="mail_open", page=PRICING),
        _step(Kind.ACTION, 51, action="site_access", page=PRICING),
    ]
    state = fold_all(steps, RULES).state
    assert (state.status, len(state.seen["key_page_sessions"])) == ("appointment_prospect", 2)
    assert fold_all([steps[2]], RULES).state.visit is None


def test_a_template_without_key_pages_does_not_look_at_pages() -> None:
    ruleset = Ruleset(BASIC_1, RULES.settings)
    steps = [_jump("latent"), *(_step(Kind.ACTION, minute, action="login", page=PRICING) for minute in (1, 2, 3))]
    assert fold_all(steps, ruleset).state.status == "latent"


def test_more_pages_than_are_remembered_are_told_apart_all_the_same() -> None:
    ruleset = Ruleset(BASIC_2, RULES.settings)
    pages = [f"https://e.example/{number}" for number in range(5000)]
    assert [page for page in (*pages, PRICING, *pages) if ruleset.is_key_page(page)] == [PRICING]


def test_what_a_subject_remembers_does_not_grow_with_its_history() -> None:
    def size(count: int) -> int:
        steps = [_step(Kind.ACTION, 7 * n, action="site_access", page=PRICING) for n in range(count)]
        return len(json.dumps(fold_all(steps, RULES).state.to_json()))

    assert size(2000) <= size(300) + 20


def test_a_state_comes_back_from_json_as_it_was() -> None:
    steps = [
        _step(Kind.OWNER, 0, owner="a@e.example", is_lead=True),
        _step(Kind.TAG, 1, tag="vip"),
        _step(Kind.PROFILE, 2, fields={"budget": FieldValue(value=[1, {"currency": "JPY"}])}),
        _step(Kind.ACTION, 3, action="site_access", page=PRICING),
        _jump("visited", 4),
        _step(Kind.ACTION, 5, action="site_access", page=PRICING),
    ]
    for count in range(1, len(steps) + 1):
        state = fold_all(steps[:count], RULES).state
        assert State.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_a_step_is_late_before_the_head_and_before_the_last_date_run() -> None:
    state = fold_all([_jump("explicit", 5)], RULES, START.toordinal() + 1).state
    assert [is_late(state, _jump("latent", minute), RULES) for minute in (4, 5, 6, 24 * 60, 48 * 60)] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_nothing_is_due_where_no_daily_rule_is_left() -> None:
    assert due_day(fold_all([_jump("order")], RULES).state, RULES) is None
    prospect = fold_all([_jump("appointment_prospect")], RULES, START.toordinal() + 4).state
    assert due_day(prospect, RULES) is None


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("Asia/Tokyo", date(2026, 3, 2), "2026-03-01T15:00:00+00:00"),
        ("America/New_York", date(2026, 3, 9), "2026-03-09T04:00:00+00:00"),
        ("America/Havana", date(2026, 3, 8), "2026-03-08T05:00:00+00:00"),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00+00:00"),
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00:00+00:00"),
    ],
)
def test_a_local_date_starts_at_its_first_instant_also_where_midnight_is_missing_or_comes_twice(
    zone: str, day: date, start: str
) -> None:
    tz = ZoneInfo(zone)
    at = day_start(day.toordinal(), tz)
    assert at == datetime.fromisoformat(start)
    assert local_day(at, tz) == day.toordinal()
    assert local_day(at - timedelta(microseconds=1), tz) == day.toordinal() - 1
