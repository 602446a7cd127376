"""Rules that a person runs on purpose: what they do, what they do not, and that they have their place in time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.decision import Decision, Reason
from connector.core.engine import Ruleset, fold_all
from connector.core.event import Kind, Step
from connector.core.rules import BASIC_2, TEMPLATES
from connector.core.ruleset import KeyPage, RuleSetting, Settings
from tests.core.histories import chances, draw_lines, draw_settings, last_day, ruleset_of, steps_of, templates
from tests.hypothesis_profile import examples

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
PRICING = "https://a.jp/pricing"
SETTINGS = Settings(
    zone=ZoneInfo("UTC"), key_pages=(KeyPage(match="exact", url=PRICING),), is_mail_on=True, administrators=("z@a.jp",)
)
RULES = Ruleset(BASIC_2, SETTINGS)


def _jump(to: str, minute: int = 0) -> Step:
    return Step(id=f"{minute:06d}", at=START + timedelta(minutes=minute), kind=Kind.JUMP, to=to, by="crm")


def _run(rule: str, minute: int = 1, by: str = "kim") -> Step:
    return Step(id=f"{minute:06d}", at=START + timedelta(minutes=minute), kind=Kind.RUN, rule=rule, by=by)


def _owned(email: str) -> Step:
    return Step(id="owner", at=START, kind=Kind.OWNER, owner=email)


def _key_view(minute: int) -> Step:
    at = START + timedelta(minutes=minute)
    return Step(id=f"{minute:06d}", at=at, kind=Kind.ACTION, action="site_access", page=PRICING)


def _last(*steps: Step, rules: Ruleset = RULES) -> Decision:
    return fold_all(steps, rules).decisions[-1]


def test_a_rule_that_is_run_moves_the_subject_out_of_its_own_status_and_says_who_ran_it() -> None:
    made = _last(_owned("m@a.jp"), _jump("latent"), _run("latent.surge"))
    assert (made.rule, made.before, made.after, made.reason) == ("run:latent.surge", "latent", "explicit", None)
    assert (made.notify, made.notice, made.facts, made.step) == (("m@a.jp",), "subject", {"by": "kim"}, "000001")


def test_a_rule_of_another_status_notifies_and_moves_nobody() -> None:
    made = _last(_owned("m@a.jp"), _jump("project"), _run("latent.surge"))
    assert (made.before, made.after, made.notify, made.reason) == ("project", "project", ("m@a.jp",), None)


def test_a_rule_of_another_status_sets_its_tag() -> None:
    folded = fold_all((_jump("project"), _run("lost_order.revive")), RULES)
    assert (folded.state.status, folded.state.tags) == ("project", frozenset({"reactive"}))


def test_the_rule_on_an_appointment_notifies_and_never_moves() -> None:
    for status in ("latent", "appointment_acquisition", "order"):
        made = _last(_owned("m@a.jp"), _jump(status), _run("any.appointment"))
        assert (made.rule, made.after, made.notify) == ("run:any.appointment", status, ("m@a.jp",))


@pytest.mark.parametrize(
    ("rule", "is_lead", "reason"),
    [
        ("latent.warm", True, Reason.OTHER_STATUS),
        ("latent.expire", True, Reason.OTHER_KIND),
        ("latent.expire", False, Reason.OTHER_STATUS),
        ("no.such", True, Reason.RULE_OFF),
    ],
)
def test_a_rule_that_would_do_nothing_does_nothing_and_says_why(rule: str, is_lead: bool, reason: Reason) -> None:  # noqa: FBT001 - a parameter of the table
    first = Step(id="0", at=START, kind=Kind.JUMP, to="project", by="crm", is_lead=is_lead)
    made = _last(first, _run(rule))
    assert (made.rule, made.before, made.after, made.reason) == (f"run:{rule}", "project", "project", reason)
    assert (made.facts, made.notify, made.notice) == ({"by": "kim"}, (), None)


def test_a_rule_that_is_switched_off_cannot_be_run() -> None:
    off = Ruleset(BASIC_2, Settings(zone=ZoneInfo("UTC"), rules={"latent.surge": RuleSetting(is_enabled=False)}))
    assert _last(_jump("latent"), _run("latent.surge"), rules=off).reason is Reason.RULE_OFF


def test_nobody_to_write_to_and_mail_that_is_off_are_said_as_always() -> None:
    assert _last(_jump("latent"), _run("latent.surge")).reason is Reason.NO_RECIPIENT
    silent = Ruleset(BASIC_2, Settings(zone=ZoneInfo("UTC")))
    assert _last(_jump("latent"), _run("latent.surge"), rules=silent).reason is Reason.MAIL_OFF


def test_a_run_is_the_once_a_day_notice_of_its_day() -> None:
    steps = (_jump("visited"), _run("visited.key_page"), _key_view(2), _key_view(60 * 24))
    rules = [row.rule for row in fold_all(steps, RULES).decisions]
    assert rules == ["jump", "run:visited.key_page", "visited.key_page"]


def test_a_run_is_the_once_a_stay_notice_of_its_stay() -> None:
    once = Ruleset(BASIC_2, Settings(zone=ZoneInfo("UTC"), once_per_stay=frozenset({"pending.remind"})))
    until = START.toordinal() + 85
    steps = (_jump("pending"), _run("pending.remind"))
    assert [row.rule for row in fold_all(steps, once, until).decisions] == ["jump", "run:pending.remind"]
    elsewhere = (_jump("project"), _run("pending.remind"), _jump("pending", 2))
    assert [row.rule for row in fold_all(elsewhere, once, until).decisions][-1] == "pending.remind"


def test_a_run_comes_after_the_action_of_the_same_instant() -> None:
    at = START + timedelta(minutes=1)
    act = Step(id="z", at=at, kind=Kind.ACTION, action="login")
    run = Step(id="a", at=at, kind=Kind.RUN, rule="latent.warm", by="kim")
    assert _last(_jump("not_set"), run, act).after == "quasi_explicit"


@settings(max_examples=examples(100), deadline=None)
@given(chance=chances, template=templates, rules=st.lists(st.integers(0, 22), min_size=1, max_size=4))
def test_runs_have_their_place_in_time_whatever_order_they_arrive_in(
    chance: random.Random, template: str, rules: list[int]
) -> None:
    lines = draw_lines(chance, template)
    ruleset = ruleset_of(draw_settings(chance, template), template)
    ids = [rule.id for rule in TEMPLATES[template].rules]
    steps = steps_of(lines)
    steps += [
        Step(id=f"r{place}", at=chance.choice(steps).at, kind=Kind.RUN, rule=ids[number % len(ids)], by="kim")
        for place, number in enumerate(rules)
    ]
    until = last_day(lines, ruleset).toordinal() + 100
    expected = fold_all(steps, ruleset, until)
    chance.shuffle(steps)

    assert fold_all([*steps, *steps], ruleset, until) == expected
    assert sum(row.rule.startswith("run:") for row in expected.decisions) == len(rules)
    assert all(row.after == row.before for row in expected.decisions if row.reason is Reason.OTHER_STATUS)
