"""Why not, in sentences: the brief ones, in four languages, for each way in which something can be missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from connector.core.calendar import Days, day_start
from connector.core.engine import Ruleset, fold_all
from connector.core.event import Kind, Step
from connector.core.explain import (
    ACTION_KINDS,
    ExternalRoute,
    LaterRule,
    NearestRule,
    Route,
    WhyNot,
    external_routes,
    why_not,
)
from connector.core.mapping import Backward, MappingRules, TriggerRule
from connector.core.rules import BASIC_2
from connector.core.ruleset import KeyPage, RuleSetting, Settings
from connector.core.state import State
from connector.core.terms import Missing, MissingDay, MissingEntries, MissingKeyPages, MissingTag
from connector.i18n import LANGUAGES, words_in
from connector.i18n.statuses import labels_in
from connector.i18n.why_not import WhyNotSentences

TODAY = datetime(2026, 3, 2, tzinfo=UTC).toordinal()
TOKYO = ZoneInfo("Asia/Tokyo")
RULES = Ruleset(BASIC_2, Settings(zone=TOKYO, key_pages=(KeyPage(match="exact", url="https://a.jp/p"),)))
MAPPINGS = {
    "shop": MappingRules(
        adapter="standard",
        backward=Backward.IGNORE,
        stages={"deal": {"0": {"WON": ("project", "order")}, "": {"HOT": "latent"}}},
        triggers=(TriggerRule(id="form", on="crm_form", jump_to="latent"),),
    ),
    "bitrix24-tokyo": MappingRules(adapter="bitrix24", stages={"lead": {"": {"IN_PROCESS": "latent"}}}),
}


def _sentences(language: str = "en", rules: Ruleset = RULES) -> WhyNotSentences:
    return WhyNotSentences(words=words_in(language), labels=labels_in(language, rules.statuses.values()), ruleset=rules)


def _state(status: str, *visits: int) -> State:
    """A subject that a person set to a status on 1 March, and that came on days of March."""
    steps = [Step(id="0", at=day_start(TODAY - 1, TOKYO), kind=Kind.JUMP, to=status, by="person")]
    steps += [
        Step(id=str(day), at=datetime(2026, 3, day, 3, tzinfo=UTC), kind=Kind.ACTION, action="site_access")
        for day in visits
    ]
    return fold_all(steps, RULES).state


def _lines(state: State, to: str, language: str = "en", rules: Ruleset = RULES) -> list[str]:
    answer = why_not(state, to, rules, TODAY + 5)
    return _sentences(language, rules).lines(answer, external_routes(answer.state, to, MAPPINGS, rules))


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            (
                "latent.warm would move it from Latent to Quasi-explicit. Missing: a second day with a visit by 31 "
                "March 2026, Asia/Tokyo."
            ),
        ),
        (
            "ja",
            (
                "ルール「latent.warm」が成立すると潜在から準顕在に移行します。"
                "足りないもの：2026年3月31日（Asia/Tokyo）までに2日目のアクセス。"
            ),
        ),
        (
            "vi",
            (
                "latent.warm sẽ chuyển đối tượng từ Tiềm ẩn sang Gần như rõ ràng. Còn thiếu: ngày truy cập thứ hai "
                "chậm nhất 31 tháng 3 năm 2026, Asia/Tokyo."
            ),
        ),
        (
            "zh",
            "规则“latent.warm”会使其从潜在变为准显在。还缺：最迟2026年3月31日（Asia/Tokyo）有第二个来访日。",
        ),
    ],
)
def test_the_one_thing_that_is_missing_is_said_with_its_date_and_zone(language: str, expected: str) -> None:
    assert _lines(_state("latent", 2), "quasi_explicit", language)[0] == expected


def test_a_status_that_is_held_is_all_that_is_said() -> None:
    assert _lines(_state("latent"), "latent") == ["It is Latent already, since 1 March 2026, Asia/Tokyo."]


def test_a_date_that_comes_by_itself_is_said() -> None:
    assert _lines(_state("pending"), "latent")[0] == (
        "pending.resume moves it from Pending to Latent on 30 May 2026, Asia/Tokyo, if nothing happens until then. "
        "Missing: 90 days in Pending (reached on 30 May 2026)."
    )


def test_a_way_of_several_rules_is_told_one_after_the_other() -> None:
    assert _lines(_state("explicit"), "not_set")[1:3] == [
        (
            "After that quasi_explicit.cool leads to Latent: 30 days in Quasi-explicit and 60 days without a target "
            "action."
        ),
        "After that latent.expire leads to Not set: 90 days without a target action.",
    ]


def test_where_no_rule_leads_the_stages_and_triggers_that_do_are_listed() -> None:
    assert _lines(_state("latent"), "order") == [
        "No rule leads to Order: only a person, a CRM's stage or a trigger sets it.",
        "The stage 0 / WON of deal in shop sets Order, from number 2 on.",
        "A person can set Order at any time.",
    ]


def test_a_stage_or_trigger_that_would_do_nothing_is_listed_with_the_reason() -> None:
    assert _lines(_state("order"), "latent") == [
        "No rule leads from Order to Latent.",
        "The stage IN_PROCESS of lead in bitrix24-tokyo sets Latent.",
        (
            "The stage HOT of deal in shop sets Latent, but Latent lies behind Order, and this connection's stages do "
            "not move back."
        ),
        (
            "The trigger form on crm_form in shop sets Latent, but Latent is not above Order, and a trigger only moves "
            "forward."
        ),
        "A person can set Latent at any time.",
    ]
    assert "unless it may reopen" in _lines(_state("pending"), "latent")[3]


def test_a_rule_that_is_switched_off_or_for_others_is_named() -> None:
    off = Settings(zone=TOKYO, rules={"pending.resume": RuleSetting(is_enabled=False)})
    lines = _lines(_state("pending"), "latent", rules=Ruleset(BASIC_2, off))
    assert lines[:2] == [
        "No rule leads from Pending to Latent.",
        "pending.resume leads to Latent too, but it is switched off.",
    ]
    steps = [Step(id="0", at=day_start(TODAY, TOKYO), kind=Kind.JUMP, to="latent", by="person", is_lead=True)]
    lead = fold_all(steps, RULES).state
    assert "latent.expire leads to Not set too, but it is not for this kind of subject." in _lines(lead, "not_set")


def _near(*missing: Missing, **more: object) -> NearestRule:
    found = NearestRule(rule="latent.warm", before="latent", to="quasi_explicit", missing=missing)
    return replace(found, **more)  # type: ignore[arg-type]


def _visits(**more: object) -> MissingEntries:
    return replace(MissingEntries(window="visit_days", need=2, days=30), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        (_near(_visits(first=TODAY), action_kind="visit"), "2 different days with a visit within 30 days."),
        (
            _near(_visits(need=4, counted=(TODAY,), first=TODAY, by=TODAY + 29), action_kind="visit"),
            "3 different days with a visit (1 of 4 so far) by 31 March 2026, Asia/Tokyo.",
        ),
        (_near(_visits(need=3, counted=(1, 2), first=TODAY), action_kind="visit"), "a third day with a visit."),
        (_near(MissingTag(tag="reactive"), action_kind="key_page"), "the tag reactive and a key-page view."),
        (
            _near(MissingEntries(window="key_pages", need=1, days=None), MissingKeyPages(), action_kind="key_page"),
            "a key-page view and a key page in the workspace's settings.",
        ),
        (_near(action_kind="visit", days=Days(TODAY)), "a visit."),
        (_near(action_kind="visit", days=Days(TODAY, TODAY)), "a visit on 2 March 2026, Asia/Tokyo."),
        (_near(action_kind="visit", days=Days(TODAY, TODAY + 1)), "a visit by 3 March 2026, Asia/Tokyo."),
        (_near(action_kind="visit", days=Days(TODAY + 1)), "a visit from 3 March 2026 on, Asia/Tokyo."),
        (
            _near(MissingDay(rule="r", first=TODAY + 1), action_kind="key_page", days=Days(TODAY + 1)),
            ("a day on which the rule has not been decided yet and a key-page view from 3 March 2026 on, Asia/Tokyo."),
        ),
        (
            _near(action_kind="visit", days=Days(TODAY + 1, TODAY + 2)),
            "a visit between 3 March 2026 and 4 March 2026, Asia/Tokyo.",
        ),
    ],
)
def test_what_is_missing_is_said_in_its_own_way(near: NearestRule, expected: str) -> None:
    assert _sentences().nearest_rule(near, TODAY).partition("Missing: ")[2] == expected


def test_a_rule_that_another_comes_before_says_which() -> None:
    assert _sentences().nearest_rule(_near(overtaken_by="latent.surge"), TODAY) == (
        "latent.warm would move it from Latent to Quasi-explicit, but latent.surge comes first."
    )


def test_a_date_that_lacks_nothing_but_the_date_is_said() -> None:
    assert _sentences().nearest_rule(_near(days=Days(TODAY + 1)), TODAY).endswith("if nothing happens until then.")


def test_what_a_jump_passed_over_is_listed_with_its_conditions() -> None:
    rules = [RULES.rules[name] for name in ("explicit.warn", "any.appointment")]
    assert _sentences().passed_over(["explicit", "appointment_acquisition"], rules) == (
        "Passed over Explicit and Appointment acquired, so not run: explicit.warn (25 days in Explicit and 25 days "
        "without a target action) and any.appointment (on entering Appointment acquired)."
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_can_be_said_in_every_language(language: str) -> None:
    sentences = _sentences(language)
    days = (None, Days(TODAY), Days(TODAY, TODAY), Days(TODAY + 1), Days(TODAY + 1, TODAY + 3))
    missing = (_visits(first=TODAY), MissingTag(tag="x"), MissingDay(rule="r"), MissingKeyPages())
    texts = [
        sentences.nearest_rule(_near(*missing, action_kind=kind.name, days=span), TODAY)
        for kind in ACTION_KINDS
        for span in days
    ]
    then = tuple(
        LaterRule(rule=rule.id, to=rule.to or "visited", asks=tuple(term.asks() for term in rule.terms))
        for rule in RULES.rules.values()
    )
    answer = WhyNot(
        to="order",
        today=TODAY,
        state=_state("latent"),
        routes=(Route(first=_near(*missing), then=then),),
        closed=(),
    )
    nth = ExternalRoute(connection="shop", kind="trigger", name="t", of="call", nth=3)
    texts += sentences.lines(answer, [nth])
    texts += [sentences.condition(rule) for rule in RULES.rules.values()]
    assert [text for text in texts if "{" in text or "None" in text] == []
