"""The settings that change how the rules read: what a mapping becomes, and every mistake in one."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.rules import BASIC_1, BASIC_2, Template
from connector.core.ruleset import KeyPage, RuleSetting, Settings
from connector.core.status import StatusInfo
from connector.runtime.rule_settings import WrongRuleSettings, read_settings
from tests.hypothesis_profile import examples

LIST_NOTICES = {"explicit.warn", "appointment_prospect.remind", "not_targeted.review", "pending.remind"}
REPEATS = "daily or once_per_stay"
CODES = "small letters, digits and _ (at most 63, a letter first), and none of the template's statuses"


def _mistakes(raw: Any, template: Template = BASIC_2) -> list[str]:
    with pytest.raises(WrongRuleSettings) as wrong:
        read_settings(raw, template, mail_default=False)
    assert str(wrong.value) == "\n".join(wrong.value.mistakes)
    return list(wrong.value.mistakes)


@pytest.mark.parametrize("is_on", [False, True])
def test_without_settings_all_is_by_default_and_mail_as_the_caller_says(*, is_on: bool) -> None:
    assert read_settings({}, BASIC_2, mail_default=is_on) == Settings(is_mail_on=is_on)


def test_every_setting_is_read() -> None:
    raw = {
        "timezone": "America/New_York",
        "session_gap_minutes": 45,
        "key_pages": [{"match": "glob", "url": "https://*/pricing"}],
        "mail_enabled": False,
        "notice_repeat": {"explicit.warn": "once_per_stay", "pending.remind": "daily"},
        "fallback_to_administrators": True,
        "administrators": ["zoe@e.example"],
        "rules": {"latent.warm": {"enabled": False}, "latent.surge": {"notify": False}, "latent.react": {}},
        "own_statuses": [
            {"code": "loyal", "en": "Loyal", "ja": "常連", "vi": "Thân thiết", "zh": "忠实"},
            {"code": "trial", "en": "Trial"},
        ],
    }
    assert read_settings(raw, BASIC_2, mail_default=True) == Settings(
        zone=ZoneInfo("America/New_York"),
        session_gap_minutes=45,
        key_pages=(KeyPage(match="glob", url="https://*/pricing"),),
        is_mail_on=False,
        once_per_stay=frozenset({"explicit.warn"}),
        has_fallback_to_administrators=True,
        administrators=("zoe@e.example",),
        rules={
            "latent.warm": RuleSetting(is_enabled=False),
            "latent.surge": RuleSetting(has_notify=False),
            "latent.react": RuleSetting(),
        },
        own_statuses=(
            StatusInfo(
                code="loyal",
                rank=None,
                automatic=False,
                names={"en": "Loyal", "ja": "常連", "vi": "Thân thiết", "zh": "忠实"},
            ),
            StatusInfo(code="trial", rank=None, automatic=False, names={"en": "Trial"}),
        ),
    )


def test_one_word_for_notice_repeat_is_for_every_list_notice_of_the_template() -> None:
    raw = {"notice_repeat": "once_per_stay"}
    assert read_settings(raw, BASIC_2, mail_default=True).once_per_stay == LIST_NOTICES
    assert read_settings(raw, BASIC_1, mail_default=True).once_per_stay == {"v1.explicit.warn"}
    assert read_settings({"notice_repeat": "daily"}, BASIC_2, mail_default=True).once_per_stay == frozenset()


@pytest.mark.parametrize(
    ("raw", "mistake"),
    [
        (
            {"timezone": "asia/tokyo"},
            (
                "timezone: found 'asia/tokyo'; allowed: a name of the IANA time zone database, "
                "such as Asia/Tokyo; did you mean Asia/Tokyo?"
            ),
        ),
        ({"timezone": 9}, "timezone: found 9; allowed: a name of the IANA time zone database, such as Asia/Tokyo"),
        ({"session_gap_minutes": 0}, "session_gap_minutes: found 0; allowed: a whole number from 1 to 1440"),
        ({"session_gap_minutes": True}, "session_gap_minutes: found true; allowed: a whole number from 1 to 1440"),
        ({"session_gap_minutes": 1.5}, "session_gap_minutes: found 1.5; allowed: a whole number from 1 to 1440"),
        ({"own_statuses": {}}, "own_statuses: found {}; allowed: a list of mappings with code, en, ja, vi, zh"),
        ({"own_statuses": [None]}, "own_statuses.0: found null; allowed: a mapping"),
        (
            {"own_statuses": [{"code": "order", "en": "Order"}]},
            f"own_statuses.0.code: found 'order'; allowed: {CODES}",
        ),
        ({"own_statuses": [{"code": "ignore", "en": "x"}]}, f"own_statuses.0.code: found 'ignore'; allowed: {CODES}"),
        ({"own_statuses": [{"code": "A b", "en": "x"}]}, f"own_statuses.0.code: found 'A b'; allowed: {CODES}"),
        ({"own_statuses": [{"en": "x"}]}, f"own_statuses.0.code: missing; allowed: {CODES}"),
        ({"own_statuses": [{"code": "a"}]}, "own_statuses.0.en: missing; allowed: text of 1 to 63 letters"),
        (
            {"own_statuses": [{"code": "a", "en": "x", "ja": " "}]},
            "own_statuses.0.ja: found ' '; allowed: text of 1 to 63 letters",
        ),
        (
            {"own_statuses": [{"code": "a", "en": "x", "fr": "y"}]},
            "own_statuses.0.fr: not a key here; allowed: code, en, ja, vi, zh",
        ),
        (
            {"own_statuses": [{"code": "a", "en": "x"}, {"code": "a", "en": "y"}]},
            "own_statuses.1.code: found 'a'; allowed: a code that does not stand twice",
        ),
        ({"key_pages": {}}, "key_pages: found {}; allowed: a list of mappings with match and url"),
        ({"key_pages": [None]}, "key_pages.0: found null; allowed: a mapping"),
        ({"key_pages": ["x"]}, "key_pages.0: found 'x'; allowed: a mapping with match, url"),
        ({"key_pages": [{"match": "exact"}]}, "key_pages.0.url: missing; allowed: text that is not empty"),
        ({"key_pages": [{"match": "exact", "url": ""}]}, "key_pages.0.url: found ''; allowed: text that is not empty"),
        (
            {"key_pages": [{"match": "regex", "url": "x"}]},
            ("key_pages.0.match: found 'regex'; allowed: one of exact, prefix, contains, glob"),
        ),
        ({"mail_enabled": "yes"}, "mail_enabled: found 'yes'; allowed: true or false"),
        ({"mail_enabled": None}, "mail_enabled: found null; allowed: true or false"),
        ({"notice_repeat": "weekly"}, f"notice_repeat: found 'weekly'; allowed: {REPEATS}"),
        (
            {"notice_repeat": 5},
            (f"notice_repeat: found 5; allowed: {REPEATS}, or a mapping from rule ids to these words"),
        ),
        (
            {"notice_repeat": None},
            (f"notice_repeat: found null; allowed: {REPEATS}, or a mapping from rule ids to these words"),
        ),
        (
            {"notice_repeat": {"explicit.warn": "weekly"}},
            (f"notice_repeat.explicit.warn: found 'weekly'; allowed: {REPEATS}"),
        ),
        (
            {"notice_repeat": {"visited.key_page": "daily"}},
            (
                "notice_repeat.visited.key_page: not a key here; allowed: "
                "explicit.warn, appointment_prospect.remind, not_targeted.review, pending.remind"
            ),
        ),
        ({"fallback_to_administrators": 1}, "fallback_to_administrators: found 1; allowed: true or false"),
        (
            {"administrators": "zoe@e.example"},
            ("administrators: found 'zoe@e.example'; allowed: a list of e-mail addresses"),
        ),
        ({"administrators": ["zoe"]}, "administrators.0: found 'zoe'; allowed: an e-mail address"),
        ({"rules": []}, "rules: found []; allowed: a mapping from rule ids"),
        ({"rules": {"latent.warm": None}}, "rules.latent.warm: found null; allowed: a mapping"),
        ({"rules": {"latent.warm": {"enabled": 1}}}, "rules.latent.warm.enabled: found 1; allowed: true or false"),
        (
            {"rules": {"latent.warm": {"enabeld": True}}},
            ("rules.latent.warm.enabeld: not a key here; allowed: enabled, notify; did you mean enabled?"),
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found_and_what_is_allowed(raw: dict[str, Any], mistake: str) -> None:
    assert _mistakes(raw) == [mistake]


def test_a_rule_of_the_other_template_is_unknown() -> None:
    assert _mistakes({"rules": {"latent.warm": {}}}, BASIC_1) == [
        (
            "rules.latent.warm: not a key here; allowed: "
            "v1.not_set.act, v1.latent.expire, v1.latent.surge, v1.explicit.cool, v1.explicit.warn; "
            "did you mean v1.latent.surge?"
        )
    ]


def test_an_unknown_key_is_named_with_the_nearest_one() -> None:
    keys = (
        "template, timezone, session_gap_minutes, key_pages, mail_enabled, notice_repeat, fallback_to_administrators, "
        "administrators, rules, own_statuses, in_progress, placeholders, shared_after, region, date_order"
    )
    assert _mistakes({"time_zone": "Asia/Tokyo", 5: 5}) == [
        f"5: not a key here; allowed: {keys}",
        f"time_zone: not a key here; allowed: {keys}; did you mean timezone?",
    ]
    assert _mistakes([1]) == [f"settings: found [1]; allowed: a mapping with {keys}"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(200), deadline=None)
@given(raw=json_values | st.dictionaries(st.sampled_from(("timezone", "key_pages", "notice_repeat", "administrators",
       "rules", "session_gap_minutes")), json_values | st.dictionaries(st.sampled_from(("latent.warm",
       "explicit.warn")), json_values)))  # fmt: skip
def test_whatever_is_given_it_is_read_or_every_mistake_says_what_is_allowed(raw: Any) -> None:
    mistakes: tuple[str, ...] = ("allowed: ",)
    try:
        read_settings(raw, BASIC_2, mail_default=True)
    except WrongRuleSettings as error:
        mistakes = error.mistakes
    assert mistakes != ()
    assert all("allowed: " in mistake for mistake in mistakes)
