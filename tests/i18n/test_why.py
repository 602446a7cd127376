"""The sentences of explanations: every rule and reason has one, and each fact that it names is there."""

from __future__ import annotations

from typing import Any

import pytest

from connector.core.decide.decisions import ASKED, IMPORTED, PAST
from connector.core.decision import Reason
from connector.core.rules import TEMPLATES, Rule
from connector.core.state import Entry
from connector.core.status import STATUSES
from connector.core.terms import Seen
from connector.i18n import LANGUAGES, words_in
from connector.i18n.statuses import labels_in
from connector.i18n.why import ENGLISH, ExplainedDecision, sentence

RULES = [rule for template in TEMPLATES.values() for rule in template.rules]
LABELS = {"latent": "Latent", "explicit": "Explicit", "order": "Order", "visited": "Visited", "project": "Project"}


class _View:
    """A subject of whom everything was seen often and long ago."""

    today, since_day, acted_day = 739_000, 738_900, 738_901

    def __init__(self, rule: Rule) -> None:
        windows = [term.window.name for term in rule.terms if isinstance(term, Seen)]
        self.tags: set[str] = {"reactive"}
        self.noticed_on: dict[str, int] = {}
        self.seen: dict[str, list[Entry]] = {
            name: [(739_000 - back, f"e{back}", "https://a.jp/price") for back in range(3)] for name in windows
        }


def _case(**given: Any) -> ExplainedDecision:
    return ExplainedDecision(**{"rule": "jump", "before": "latent", "after": "latent", "facts": {}, **given})


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_every_rule_has_a_sentence_made_of_its_own_facts(rule: Rule) -> None:
    facts: dict[str, Any] = {}
    for term in rule.terms:
        facts |= term.facts(_View(rule))
    for language in LANGUAGES:
        text = sentence(_case(rule=rule.id, after="explicit", facts=facts), LABELS, words_in(language))
        assert "?" not in text
        assert "None" not in text
    assert sentence(_case(rule=rule.id, after="explicit", facts=facts), LABELS).endswith(
        ": moved from Latent to Explicit."
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason: Reason, language: str) -> None:
    text = sentence(_case(reason=reason.value, facts={"to": "order", "by": "crm"}), LABELS, words_in(language))
    assert "?" not in text
    assert text.endswith((".", "。"))


def test_a_rule_tells_dates_pages_mail_and_what_was_passed_over() -> None:
    facts = {
        "visit_days": [
            {"date": "2026-03-01", "day": "a", "page": None},
            {"date": "2026-03-04", "day": "b", "page": "/p"},
        ],
        "visit_days_within_days": 30,
        "key_pages": [{"date": "2026-03-04", "step": "b", "page": "/p"}],
        "key_pages_within_days": 30,
    }
    case = _case(rule="latent.surge", after="explicit", facts=facts, notify=["a@b.jp", "c@d.jp"], mail="asked")
    assert sentence(case, LABELS) == (
        "It came on two days within 30 days (2026-03-01 and 2026-03-04 /p) and viewed a key page (2026-03-04 /p): "
        "moved from Latent to Explicit, mail to a@b.jp and c@d.jp."
    )


def test_a_jump_says_who_jumped_and_over_what() -> None:
    case = _case(after="order", facts={"by": "person"}, skipped=["explicit", "visited", "project"])
    assert sentence(case, LABELS) == (
        "A person set the status: moved from Latent to Order, passing over Explicit, Visited and Project."
    )
    assert sentence(_case(after="order"), LABELS).startswith("The status was set: ")


def test_a_trigger_is_named_and_its_refusal_explained() -> None:
    refused = _case(
        rule="trigger:webinar", before="order", after="order", reason="attached_lower", facts={"to": "latent"}
    )
    assert sentence(refused, LABELS) == (
        "The trigger webinar fired, but Latent is not above Order, and a trigger only moves forward."
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_however_a_notice_stands_there_are_words_for_it(language: str) -> None:
    words = words_in(language)
    assert all("{notify}" in words[f"mail.{one}"] for one in (ASKED, PAST, IMPORTED))


def test_a_notice_for_the_past_is_said_not_to_be_sent() -> None:
    case = _case(rule="pending.remind", notify=["a@b.jp"], mail="past", facts={"status_days": 80, "status_since": "x"})
    assert sentence(case, LABELS).endswith("stayed Latent, mail to a@b.jp not sent, since it was decided for the past.")


def test_an_unknown_rule_and_an_older_decision_without_facts_are_told_all_the_same() -> None:
    assert sentence(_case(rule="own.rule", facts=None), {}) == "The rule own.rule held: stayed latent."
    assert sentence(_case(rule="not_set.act", after="explicit"), LABELS) == (
        "It acted for the first time in ? days (?): moved from Latent to Explicit."
    )


def test_the_words_can_be_those_of_another_language() -> None:
    german = {**ENGLISH, "jump.person": "Ein Mensch setzte den Status", "moved": "von {before} nach {after}"}
    case = _case(after="order", facts={"by": "person"})
    assert sentence(case, LABELS, german) == "Ein Mensch setzte den Status: von Latent nach Order."


def test_a_run_says_who_ran_which_rule_and_a_refusal_why() -> None:
    case = _case(rule="run:latent.surge", after="explicit", facts={"by": "kim"}, notify=["a@b.jp"], mail="asked")
    assert sentence(case, LABELS) == (
        "kim ran the rule latent.surge on purpose: moved from Latent to Explicit, mail to a@b.jp."
    )
    refused = _case(rule="run:latent.warm", before="order", after="order", reason="other_status", facts={"by": "kim"})
    assert sentence(refused, LABELS) == (
        "kim ran the rule latent.warm on purpose, but it is Order, and that rule only moves subjects out of another "
        "status."
    )


@pytest.mark.parametrize(
    ("nth", "expected"),
    [
        ("2nd", "A stage of the CRM set the status, as number 2 of deal: moved from Latent to Order."),
        (
            "3rd or later",
            "A stage of the CRM set the status, as number 3 or later of deal: moved from Latent to Order.",
        ),
    ],
)
def test_a_count_that_decided_is_case(nth: str, expected: str) -> None:
    assert sentence(_case(after="order", facts={"by": "crm", "nth": nth, "of": "deal"}), LABELS) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "ja",
            "30日以内に2日アクセスしました（2026-03-01、2026-03-04 /p）：潜在から準顕在に移行、a@b.jpにメール送信。",
        ),
        (
            "vi",
            (
                "Truy cập trong hai ngày khác nhau trong vòng 30 ngày (2026-03-01 và 2026-03-04 /p): "
                "chuyển từ Tiềm ẩn sang Gần như rõ ràng, gửi thư cho a@b.jp."
            ),
        ),
        ("zh", "30天内有两天来访（2026-03-01和2026-03-04 /p）：从潜在变为准显在，发邮件给a@b.jp。"),
    ],
)
def test_a_decision_is_told_in_the_language_asked_for(language: str, expected: str) -> None:
    facts = {
        "visit_days": [
            {"date": "2026-03-01", "day": "a", "page": None},
            {"date": "2026-03-04", "day": "b", "page": "/p"},
        ],
        "visit_days_within_days": 30,
    }
    case = _case(rule="latent.warm", after="quasi_explicit", facts=facts, notify=["a@b.jp"], mail="asked")
    labels = labels_in(language, STATUSES)
    assert sentence(case, labels, words_in(language)) == expected
