"""Why-not proved by the fold: the one thing that is missing is enough, and where nothing leads nothing moves."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from hypothesis import assume, event, given, settings

from connector.core.calendar import day_start, local_day
from connector.core.decision import Decision
from connector.core.engine import Ruleset, fold, fold_all
from connector.core.event import TARGET_ACTIONS, VISITS, Action, Kind, Step
from connector.core.explain import NearestRule, WhyNot, why_not
from connector.core.rules import Rule
from connector.core.state import State
from tests.core.histories import (
    PAGES,
    TAGS,
    chances,
    draw_lines,
    draw_settings,
    last_day,
    ruleset_of,
    steps_of,
    templates,
)
from tests.hypothesis_profile import examples

KEY_PAGE = "https://e.example/pricing"
VISITING = (Action.SITE_ACCESS, Action.EMAIL_INFLOW, Action.COCOAR_INFLOW)
DEEDS = {
    "action": TARGET_ACTIONS,
    "action_but_login": tuple(action for action in TARGET_ACTIONS if action is not Action.LOGIN),
    "visit": VISITING,
    "key_page": TARGET_ACTIONS,
}
thorough = settings(max_examples=examples(400), deadline=None)


def _standing(chance: random.Random, template: str) -> tuple[State, Ruleset, int]:
    """A subject somewhere in its life, the rules with a key page, and the day of the question."""
    lines = draw_lines(chance, template)
    if chance.random() < 0.5:
        status = chance.choice(("not_set", "latent", "explicit", "quasi_explicit" if "2" in template else "latent"))
        place = chance.randint(max(0, len(lines) - 4), len(lines) - 1)
        lines.append({**lines[place], "id": "jump", "type": "jump", "to": status, "by": "person"})
        lines.append({**lines[0], "id": "tag", "type": "tag", "add": "reactive"})
    raw = draw_settings(chance, template)
    if chance.random() < 0.9:
        raw["key_pages"] = [{"match": "prefix", "url": KEY_PAGE}]
    if chance.random() < 0.6:
        raw.pop("rules", None)
    ruleset = ruleset_of(raw, template)
    state = fold_all(steps_of(lines), ruleset).state
    return state, ruleset, last_day(lines, ruleset).toordinal() + chance.choice((0, 0, 1, 3, 20, 29, 30))


def _nears(state: State, ruleset: Ruleset, today: int) -> list[tuple[WhyNot, NearestRule]]:
    """Every rule that lacks one thing alone, whatever status is asked for."""
    answers = [why_not(state, to, ruleset, today) for to in ruleset.statuses]
    return [(answer, route.first) for answer in answers for route in answer.routes if route.first.days is not None]


def _answer(chance: random.Random, state: State, ruleset: Ruleset, today: int) -> WhyNot:
    return why_not(state, chance.choice(sorted(ruleset.statuses)), ruleset, today)


def _on(day: int, after: State, ruleset: Ruleset, chance: random.Random) -> datetime:
    """An instant of the day, after all that was folded."""
    start, end = day_start(day, ruleset.zone), day_start(day + 1, ruleset.zone)
    low = max(start, after.position[0] + timedelta(microseconds=1))
    assume(low < end)
    return low + (end - low) * chance.choice((0.0, 0.5, 0.999_999))


def _page(near: NearestRule, ruleset: Ruleset) -> str | None:
    """A key page where one is asked for, else none."""
    return (
        next(page for page in PAGES if page and ruleset.is_key_page(page)) if near.action_kind == "key_page" else None
    )


def _deed(near: NearestRule, answer: WhyNot, ruleset: Ruleset, chance: random.Random) -> Step:
    days = near.days
    assert days is not None
    last = days.first + 400 if days.last is None else days.last
    day = chance.choice((days.first, last, chance.randint(days.first, last)))
    at = _on(day, answer.state, ruleset, chance)
    page = _page(near, ruleset)
    action = chance.choice(DEEDS[near.action_kind or ""])
    return Step(id="the one", at=at, kind=Kind.ACTION, action=action, page=page, session="its own")


def _decided_on(decisions: tuple[Decision, ...], step: str | None, rule: str) -> list[str]:
    return [row.rule for row in decisions if row.step == step and row.rule == rule]


@thorough
@given(chance=chances, template=templates)
def test_when_the_one_thing_that_is_missing_happens_the_rule_fires_on_it(chance: random.Random, template: str) -> None:
    state, ruleset, today = _standing(chance, template)
    for answer, near in _nears(state, ruleset, today):
        assert near.lacks == 1
        assert near.days is not None
        if near.action_kind is None:
            moves = [
                row for row in fold(answer.state, (), ruleset, near.days.first).decisions if row.before != row.after
            ]
            expected = (near.rule, near.days.first, near.to)
            assert [(row.rule, local_day(row.at, ruleset.zone), row.after) for row in moves] == [expected]
        else:
            step = _deed(near, answer, ruleset, chance)
            folded = fold(answer.state, (step,), ruleset)
            assert _decided_on(folded.decisions, "the one", near.rule) == [near.rule]
            assert folded.state.status == near.to
        event(f"{near.rule}: {near.action_kind}")


@thorough
@given(chance=chances, template=templates)
def test_the_day_after_the_last_day_is_too_late_and_the_day_before_the_first_too_early(
    chance: random.Random, template: str
) -> None:
    state, ruleset, today = _standing(chance, template)
    for answer, near in _nears(state, ruleset, today):
        assert near.days is not None
        first, last = near.days.first, near.days.last
        outside = [first - 1] if first > answer.today else []
        outside += [last + 1] if last is not None else []
        for day in outside if near.action_kind else ():
            page = _page(near, ruleset)
            at = _on(day, answer.state, ruleset, chance)
            step = Step(id="the one", at=at, kind=Kind.ACTION, action="site_access", page=page, session="its own")
            assert _decided_on(fold(answer.state, (step,), ruleset).decisions, "the one", near.rule) == []
            event(f"{near.rule}: {'early' if day < first else 'late'}")


@thorough
@given(chance=chances, template=templates)
def test_where_nothing_leads_no_deeds_and_no_days_move_a_subject_there(chance: random.Random, template: str) -> None:
    state, ruleset, today = _standing(chance, template)
    answer = _answer(chance, state, ruleset, today)
    assume(answer.to != answer.state.status and not answer.routes)
    event(answer.to)
    at, steps = max(answer.state.position[0], day_start(answer.today, ruleset.zone)), []
    for number in range(chance.randint(1, 8)):
        at += timedelta(days=chance.choice((0, 1, 1, 5, 30, 90)), minutes=chance.choice((1, 31)))
        steps.append(_random_deed(chance, f"s{number}", at))
    folded = fold(answer.state, steps, ruleset, local_day(at, ruleset.zone) + chance.choice((0, 100)))

    assert [row for row in folded.decisions if row.after == answer.to != row.before] == []


@thorough
@given(chance=chances, template=templates)
def test_each_way_starts_at_the_status_held_and_no_shorter_one_is_left_out(
    chance: random.Random, template: str
) -> None:
    state, ruleset, today = _standing(chance, template)
    answer = _answer(chance, state, ruleset, today)
    rules: dict[str, Rule] = ruleset.rules
    for route in answer.routes:
        way = [route.first.rule, *(one.rule for one in route.then)]
        befores = [rules[rule].status for rule in way]
        tos = [rules[rule].to for rule in way]
        assert (befores[0], tos[-1]) == (answer.state.status, answer.to)
        assert befores[1:] == tos[:-1]
    assert len({len(route.then) for route in answer.routes}) <= 1


def _random_deed(chance: random.Random, name: str, at: datetime) -> Step:
    kind = chance.choice((Kind.ACTION, Kind.ACTION, Kind.ACTION, Kind.TAG, Kind.IDENTIFY, Kind.OWNER))
    if kind is Kind.ACTION:
        return Step(id=name, at=at, kind=kind, action=chance.choice(TARGET_ACTIONS), page=chance.choice(PAGES))
    if kind is Kind.TAG:
        return Step(id=name, at=at, kind=kind, tag=chance.choice(TAGS), is_removed=chance.random() < 0.2)
    return Step(id=name, at=at, kind=kind)


def test_the_deeds_of_this_page_are_those_of_the_sets() -> None:
    assert sum(1 << TARGET_ACTIONS.index(action) for action in VISITING) == VISITS
