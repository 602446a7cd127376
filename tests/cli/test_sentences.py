"""The sentences of explanations: every rule and reason has one, and each fact that it names is there."""

from __future__ import annotations

from datetime import UTC, datetime
from string import Formatter
from typing import Any

import pytest

from connector.core.decision import Reason
from connector.core.rules import TEMPLATES, Rule
from connector.core.subject import Entry
from connector.core.terms import Seen
from connector.sentences import ENGLISH, sentence

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


def _row(**given: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rule": "jump",
        "before": "latent",
        "after": "latent",
        "skipped": [],
        "reason": None,
        "notify": [],
    }
    return {**row, "facts": {}, "mail": None, "at": datetime(2026, 3, 1, tzinfo=UTC), **given}


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_every_rule_has_a_sentence_made_of_its_own_facts(rule: Rule) -> None:
    facts: dict[str, Any] = {}
    for term in rule.terms:
        facts |= term.facts(_View(rule))
    names = {name for _, name, _, _ in Formatter().parse(ENGLISH[f"rule.{rule.id}"]) if name}
    assert names <= set(facts)
    text = sentence(_row(rule=rule.id, after="explicit", facts=facts), LABELS)
    assert "?" not in text
    assert "None" not in text
    assert text.endswith(": moved from Latent to Explicit.")


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason: Reason) -> None:
    text = sentence(_row(reason=reason.value, facts={"to": "order", "by": "crm"}), LABELS)
    assert "?" not in text
    assert text.endswith(".")


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
    row = _row(rule="latent.surge", after="explicit", facts=facts, notify=["a@b.jp", "c@d.jp"], mail="asked")
    assert sentence(row, LABELS) == (
        "It came on two days within 30 days (2026-03-01 and 2026-03-04 /p) and viewed a key page (2026-03-04 /p): "
        "moved from Latent to Explicit, mail to a@b.jp and c@d.jp."
    )


def test_a_jump_says_who_jumped_and_over_what() -> None:
    row = _row(after="order", facts={"by": "person"}, skipped=["explicit", "visited", "project"])
    assert sentence(row, LABELS) == (
        "A person set the status: moved from Latent to Order, passing over Explicit, Visited and Project."
    )
    assert sentence(_row(after="order"), LABELS).startswith("The status was set: ")


def test_a_trigger_is_named_and_its_refusal_explained() -> None:
    refused = _row(
        rule="trigger:webinar", before="order", after="order", reason="attached_lower", facts={"to": "latent"}
    )
    assert sentence(refused, LABELS) == (
        "The trigger webinar fired, but Latent is not above Order, and a trigger only moves forward."
    )


def test_a_notice_for_the_past_is_said_not_to_be_sent() -> None:
    row = _row(rule="pending.remind", notify=["a@b.jp"], mail="past", facts={"status_days": 80, "status_since": "x"})
    assert sentence(row, LABELS).endswith("stayed Latent, mail to a@b.jp not sent, since it was decided for the past.")


def test_an_unknown_rule_and_an_older_decision_without_facts_are_told_all_the_same() -> None:
    assert sentence(_row(rule="own.rule", facts=None), {}) == "The rule own.rule held: stayed latent."
    assert sentence(_row(rule="not_set.act", after="explicit"), LABELS) == (
        "It acted for the first time in ? days (?): moved from Latent to Explicit."
    )


def test_the_words_can_be_those_of_another_language() -> None:
    german = {**ENGLISH, "jump.person": "Ein Mensch setzte den Status", "moved": "von {before} nach {after}"}
    row = _row(after="order", facts={"by": "person"})
    assert sentence(row, LABELS, german) == "Ein Mensch setzte den Status: von Latent nach Order."
