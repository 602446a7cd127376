"""Why-not, rule by rule: what is just missing, with its dates at the boundary in two zones, and what else leads on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.core.decision import Reason
from connector.core.engine import Ruleset, fold_all
from connector.core.event import Kind, Step
from connector.core.explain import ExternalRoute, NearestRule, Route, WhyNot, external_routes, nearest_rule, why_not
from connector.core.machine import SubjectMachine
from connector.core.mapping import Backward, MappingRules, TriggerRule
from connector.core.rules import BASIC_1, BASIC_2
from connector.core.ruleset import KeyPage, RuleSetting, Settings
from connector.core.state import State
from connector.core.terms import Missing, MissingDay, MissingDays, MissingEntries, MissingKeyPages, MissingTag

PRICING = "https://a.jp/pricing"
ZONES = ("Asia/Tokyo", "America/New_York")
NEARLY = timedelta(microseconds=1)


def _rules(zone: str = "Asia/Tokyo", template: str = "2", **more: Any) -> Ruleset:
    given = {"key_pages": (KeyPage(match="exact", url=PRICING),), **more}
    return Ruleset(BASIC_2 if template == "2" else BASIC_1, Settings(zone=ZoneInfo(zone), **given))


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _iso(days: Any) -> Any:
    """The ordinals of a value as dates."""
    return None if days is None else date.fromordinal(days).isoformat()


def _steps(zone: str, lines: str) -> list[Step]:
    """Steps out of words: `2026-03-02 visit; 2026-03-03 jump latent`; each is in the last instant of its date."""
    steps = []
    for number, line in enumerate(lines.split(";")):
        day, what, *more = line.split()
        start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
        at = (start + timedelta(days=1)).astimezone(ZoneInfo("UTC")) - NEARLY * (100 - number)
        steps.append(Step(id=f"{number:03}", at=at, **_values(what, more)))
    return steps


def _values(what: str, more: list[str]) -> Mapping[str, Any]:
    acts: dict[str, Mapping[str, Any]] = {
        "visit": {"kind": Kind.ACTION, "action": "site_access"},
        "key": {"kind": Kind.ACTION, "action": "site_access", "page": PRICING, "session": "".join(more)},
        "login": {"kind": Kind.ACTION, "action": "login"},
        "form": {"kind": Kind.ACTION, "action": "form_submission"},
        "tag": {"kind": Kind.TAG, "tag": "".join(more)},
        "identify": {"kind": Kind.IDENTIFY},
        "jump": {"kind": Kind.JUMP, "to": "".join(more), "by": "person"},
    }
    return acts[what]


def _why_not(zone: str, lines: str, to: str, today: str, template: str = "2", **more: Any) -> WhyNot:
    rules = _rules(zone, template, **more)
    return why_not(fold_all(_steps(zone, lines), rules).state, to, rules, _day(today))


def _summary(found: NearestRule) -> tuple[str, list[str], str | None, str | None, str | None]:
    """A rule, what it lacks, the deed, and the first and last day."""
    first, last = (found.days.first, found.days.last) if found.days else (None, None)
    return (found.rule, [_short(one) for one in found.missing], found.action_kind, _iso(first), _iso(last))


def _short(one: Missing) -> str:
    match one:
        case MissingEntries():
            return f"{one.window} {len(one.counted)}/{one.need} from {_iso(one.first)} by {_iso(one.by)}"
        case MissingTag():
            return f"tag {one.tag}"
        case MissingDays():
            return f"{one.of} {one.days} from {_iso(one.first)}"
        case MissingDay():
            return f"not {one.rule} on the day before {_iso(one.first)}"
        case MissingKeyPages():
            return "key pages"


CASES: list[tuple[str, str, str, tuple[Any, ...]]] = [
    # what happened; the status asked for; today; the nearest rule: what it lacks, the deed, first day, last day
    (
        "2026-03-02 identify",
        "latent",
        "2026-03-02",
        ("not_set.act", ["actions 0/1 from 2026-03-02 by None"], "action", "2026-03-02", None),
    ),
    (
        "2026-03-01 jump latent; 2026-03-02 visit",
        "quasi_explicit",
        "2026-03-02",
        (
            "latent.warm",
            ["visit_days 1/2 from 2026-03-03 by 2026-03-31"],
            "visit",
            "2026-03-03",
            "2026-03-31",
        ),
    ),
    (
        "2026-03-01 jump latent; 2026-03-02 visit",
        "quasi_explicit",
        "2026-03-31",
        ("latent.warm", ["visit_days 1/2 from 2026-03-31 by 2026-03-31"], "visit", "2026-03-31", "2026-03-31"),
    ),
    (
        "2026-03-01 jump latent; 2026-03-02 visit",
        "quasi_explicit",
        "2026-04-01",
        ("latent.warm", ["visit_days 0/2 from 2026-04-01 by None"], "visit", None, None),
    ),
    (
        "2026-03-01 jump latent; 2026-03-02 visit",
        "explicit",
        "2026-03-10",
        (
            "latent.surge",
            ["visit_days 1/2 from 2026-03-10 by 2026-03-31", "key_pages 0/1 from 2026-03-10 by None"],
            "key_page",
            "2026-03-10",
            "2026-03-31",
        ),
    ),
    (
        "2026-03-01 jump latent; 2026-03-02 key a",
        "explicit",
        "2026-03-10",
        ("latent.surge", ["visit_days 1/2 from 2026-03-10 by 2026-03-31"], "visit", "2026-03-10", "2026-03-31"),
    ),
    (
        "2026-03-01 key a; 2026-03-29 jump not_set; 2026-03-30 visit; 2026-03-30 jump latent",
        "explicit",
        "2026-03-30",
        ("latent.surge", [], "visit", "2026-03-30", "2026-03-30"),
    ),
    (
        "2026-03-01 key a; 2026-03-30 tag x; 2026-03-30 jump not_set; 2026-03-31 visit; 2026-03-31 jump latent",
        "explicit",
        "2026-03-31",
        (
            "latent.surge",
            ["visit_days 1/2 from 2026-04-01 by 2026-04-29", "key_pages 0/1 from 2026-03-31 by None"],
            "key_page",
            "2026-04-01",
            "2026-04-29",
        ),
    ),
    (
        "2026-03-01 jump latent; 2026-03-02 key a; 2026-03-02 tag reactive",
        "appointment_prospect",
        "2026-03-10",
        (
            "latent.react",
            ["key_page_sessions 1/2 from 2026-03-10 by 2026-03-31"],
            "key_page",
            "2026-03-10",
            "2026-03-31",
        ),
    ),
    (
        "2026-03-01 jump latent; 2026-03-02 key a; 2026-03-03 key b; 2026-03-03 jump latent",
        "appointment_prospect",
        "2026-03-03",
        ("latent.react", ["tag reactive"], "key_page", None, None),
    ),
    (
        "2026-03-01 jump quasi_explicit",
        "explicit",
        "2026-03-10",
        (
            "quasi_explicit.key_page",
            ["key_pages 0/1 from 2026-03-10 by None"],
            "key_page",
            "2026-03-10",
            "2026-04-29",
        ),
    ),
    (
        "2026-03-01 jump quasi_explicit",
        "latent",
        "2026-03-10",
        (
            "quasi_explicit.cool",
            ["status 30 from 2026-03-31", "last_action 60 from 2026-04-30"],
            None,
            "2026-04-30",
            None,
        ),
    ),
    (
        "2026-03-01 jump quasi_explicit",
        "latent",
        "2026-04-29",
        ("quasi_explicit.cool", ["last_action 60 from 2026-04-30"], None, "2026-04-30", None),
    ),
    (
        "2026-03-01 jump explicit; 2026-03-05 visit",
        "quasi_explicit",
        "2026-03-31",
        ("explicit.cool", ["last_action 30 from 2026-04-04"], None, "2026-04-04", None),
    ),
    (
        "2026-03-01 jump latent",
        "not_set",
        "2026-05-29",
        ("latent.expire", ["last_action 90 from 2026-05-30"], None, "2026-05-30", None),
    ),
    (
        "2026-03-01 jump lost_order",
        "latent",
        "2026-05-29",
        ("lost_order.revive", ["status 90 from 2026-05-30"], None, "2026-05-30", None),
    ),
    (
        "2026-03-01 jump pending",
        "latent",
        "2026-05-29",
        ("pending.resume", ["status 90 from 2026-05-30"], None, "2026-05-30", None),
    ),
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("lines", "to", "today", "expected"), CASES)
def test_the_nearest_rule_says_exactly_what_is_missing_and_when(
    lines: str, to: str, today: str, expected: tuple[Any, ...], zone: str
) -> None:
    answer = _why_not(zone, lines, to, today)
    assert _summary(answer.routes[0].first) == expected
    assert _iso(answer.today) == today


@pytest.mark.parametrize("zone", ZONES)
def test_ver_1_counts_actions_but_logins(zone: str) -> None:
    lines = "2026-03-01 jump latent; 2026-03-02 form; 2026-03-03 login; 2026-03-04 form"
    answer = _why_not(zone, lines, "explicit", "2026-03-10", template="1")
    assert _summary(answer.routes[0].first) == (
        "v1.latent.surge",
        ["actions_but_login 2/3 from 2026-03-10 by 2026-03-31"],
        "action_but_login",
        "2026-03-10",
        "2026-03-31",
    )


def test_a_stronger_rule_that_would_come_first_is_named() -> None:
    answer = _why_not("UTC", "2026-03-01 jump latent; 2026-03-02 key a", "quasi_explicit", "2026-03-10")
    first = answer.routes[0].first
    assert (first.rule, first.days, first.overtaken_by, first.lacks) == ("latent.warm", None, "latent.surge", 1)


def test_a_rule_is_next_again_once_the_stronger_one_cannot_hold_any_more() -> None:
    lines = "2026-02-26 key a; 2026-03-01 jump not_set; 2026-03-20 visit; 2026-03-20 jump latent"
    warm = _why_not("UTC", lines, "quasi_explicit", "2026-03-21").routes[0].first
    assert _summary(warm) == ("latent.warm", [], "visit", "2026-03-28", "2026-04-18")


def test_a_daily_move_that_comes_first_is_named() -> None:
    lines = "2026-03-01 jump latent; 2026-03-02 visit"
    other = replace(BASIC_2, rules=(*BASIC_2.rules, replace(BASIC_2.rules[5], id="again", to="pending")))
    rules = Ruleset(other, Settings(zone=ZoneInfo("UTC")))
    answer = why_not(fold_all(_steps("UTC", lines), rules).state, "pending", rules, _day("2026-03-20"))
    assert [(route.first.rule, route.first.overtaken_by) for route in answer.routes] == [("again", "latent.expire")]
    assert answer.routes[0].first.lacks == 1


def test_a_notice_lacks_something_too() -> None:
    rules = _rules("UTC")
    state = fold_all(_steps("UTC", "2026-03-01 jump visited; 2026-03-02 key a"), rules).state
    assert _summary(nearest_rule(SubjectMachine(rules, state), rules.rules["visited.key_page"])) == (
        "visited.key_page",
        ["not visited.key_page on the day before 2026-03-03"],
        "key_page",
        "2026-03-03",
        None,
    )
    over = fold_all(_steps("UTC", "2026-03-01 jump pending"), rules, _day("2026-05-25")).state
    remind = nearest_rule(SubjectMachine(rules, over), rules.rules["pending.remind"])
    assert (remind.days, remind.missing[0], remind.lacks) == (
        None,
        MissingDays(
            of="status",
            days=80,
            since=_day("2026-03-01"),
            first=_day("2026-05-20"),
            last=_day("2026-05-21"),
            is_over=True,
        ),
        2,
    )


def test_without_a_key_page_a_rule_that_asks_for_one_says_so() -> None:
    answer = _why_not("UTC", "2026-03-01 jump quasi_explicit", "explicit", "2026-03-02", key_pages=())
    first = answer.routes[0].first
    assert (first.missing[-1], first.days, first.lacks) == (MissingKeyPages(), None, 2)


def test_without_a_key_page_only_what_needs_one_says_so() -> None:
    lines = "2026-03-01 jump latent; 2026-03-02 visit"
    surge = _why_not("UTC", lines, "explicit", "2026-03-03", key_pages=()).routes[0].first
    assert (surge.action_kind, surge.missing[-1], surge.days) == ("visit", MissingKeyPages(), None)
    warm = _why_not("UTC", lines, "quasi_explicit", "2026-03-03", key_pages=()).routes[0].first
    assert (warm.lacks, warm.action_kind) == (1, "visit")


def _way(route: Route) -> list[str]:
    return [route.first.rule, *(one.rule for one in route.then)]


def test_where_no_rule_of_the_status_held_leads_there_the_shortest_ways_of_several_do() -> None:
    answer = _why_not("UTC", "2026-03-01 jump lost_order", "explicit", "2026-03-02")
    assert [_way(route) for route in answer.routes] == [["lost_order.revive", "latent.surge"]]
    assert answer.routes[0].then[0].asks == (
        MissingEntries(window="visit_days", need=2, days=30),
        MissingEntries(window="key_pages", need=1, days=30),
    )
    longest = _why_not("UTC", "2026-03-01 jump explicit", "not_set", "2026-03-02")
    assert [_way(route) for route in longest.routes] == [["explicit.cool", "quasi_explicit.cool", "latent.expire"]]


@pytest.mark.parametrize("to", ["project", "order", "appointment_acquisition", "pending"])
def test_where_only_a_person_or_a_crm_leads_there_is_no_way(to: str) -> None:
    answer = _why_not("UTC", "2026-03-01 jump latent", to, "2026-03-02")
    assert (answer.routes, answer.closed) == ((), ())


def test_from_where_no_rule_leaves_there_is_no_way() -> None:
    assert _why_not("UTC", "2026-03-01 jump project", "latent", "2026-03-02").routes == ()


def test_a_status_that_is_held_needs_no_way_also_after_the_dates_that_were_not_run_yet() -> None:
    answer = _why_not("UTC", "2026-03-01 jump pending", "latent", "2026-05-30")
    assert (answer.state.status, answer.routes) == ("latent", ())


def test_rules_that_are_switched_off_or_for_the_other_kind_are_named() -> None:
    lines = "2026-03-01 jump latent; 2026-03-02 identify"
    assert _why_not("UTC", lines, "not_set", "2026-03-02").closed == (("latent.expire", Reason.OTHER_KIND),)
    off = {"latent.surge": RuleSetting(is_enabled=False)}
    answer = _why_not("UTC", lines, "explicit", "2026-03-02", rules=off)
    assert answer.closed == (("latent.surge", Reason.RULE_OFF),)
    assert [_way(route) for route in answer.routes] == [["latent.warm", "quasi_explicit.key_page"]]


def test_the_nearest_of_several_ways_comes_first() -> None:
    second = replace(BASIC_2.rules[4], id="latent.again", to="explicit")
    template = replace(BASIC_2, rules=(*BASIC_2.rules, second))
    rules = Ruleset(template, Settings(zone=ZoneInfo("UTC"), key_pages=(KeyPage(match="exact", url=PRICING),)))
    state = fold_all(_steps("UTC", "2026-03-01 jump latent; 2026-03-02 visit"), rules).state
    answer = why_not(state, "explicit", rules, _day("2026-03-10"))
    assert [_way(route) for route in answer.routes] == [["latent.surge"], ["latent.again"]]
    assert answer.routes[1].first.overtaken_by == "latent.warm"


MAPPINGS = {
    "shop": MappingRules(
        adapter="standard",
        backward=Backward.IGNORE,
        stages={"deal": {"0": {"NEW": "project", "WON": ("project", "order")}, "": {"HOT": "latent", "OUT": "ignore"}}},
    ),
    "crm": MappingRules(
        adapter="bitrix24",
        stages={"lead": {"": {"NEW": "latent"}}},
        triggers=(
            TriggerRule(id="form", on="crm_form", jump_to="latent"),
            TriggerRule(id="again", on="crm_form", jump_to="latent", may_reopen=True),
            TriggerRule(id="big", on="call", jump_to="order"),
        ),
    ),
}


def _standing(status: str) -> State:
    return fold_all(_steps("UTC", f"2026-03-01 jump {status}"), _rules("UTC")).state


def _open(status: str, to: str) -> list[tuple[str, str, str | None, int, Reason | None]]:
    found = external_routes(_standing(status), to, MAPPINGS, _rules("UTC"))
    return [(f"{one.connection}:{one.of}:{one.name}", one.kind, one.pipeline, one.nth, one.reason) for one in found]


def test_stages_and_triggers_that_stand_for_a_status_are_listed_by_connection() -> None:
    assert _open("not_set", "latent") == [
        ("crm:lead:NEW", "stage", None, 1, None),
        ("crm:crm_form:form", "trigger", None, 1, None),
        ("crm:crm_form:again", "trigger", None, 1, None),
        ("shop:deal:HOT", "stage", None, 1, None),
    ]
    assert _open("latent", "order") == [
        ("crm:call:big", "trigger", None, 1, None),
        ("shop:deal:WON", "stage", "0", 2, None),
    ]
    assert _open("latent", "visited") == []


def test_a_stage_or_trigger_that_would_do_nothing_says_why() -> None:
    assert [row[-1] for row in _open("order", "latent")] == [
        None,
        Reason.ATTACHED_LOWER,
        Reason.ATTACHED_LOWER,
        Reason.BACKWARD,
    ]
    assert [row[-1] for row in _open("pending", "latent")] == [None, Reason.OFF_LADDER, None, None]


def test_a_stage_of_a_connection_says_where_it_stands() -> None:
    assert external_routes(_standing("latent"), "project", {"shop": MAPPINGS["shop"]}, _rules("UTC"))[
        0
    ] == ExternalRoute(connection="shop", kind="stage", name="NEW", of="deal", pipeline="0", nth=1)
