"""The words of explanations: the same keys and values in every language, and a text for all that can be said."""

from __future__ import annotations

from string import Formatter

import pytest

from connector.core.decision import Reason
from connector.core.event import TARGET_ACTIONS
from connector.core.explain import ACTION_KINDS
from connector.core.rules import TEMPLATES, Rule
from connector.core.state import Entry
from connector.core.terms import Seen
from connector.i18n import LANGUAGES, Words, dated, listed, words_in

RULES = [rule for template in TEMPLATES.values() for rule in template.rules]
ENGLISH = words_in("en")
OTHERS = [language for language in LANGUAGES if language != "en"]


def named(text: str) -> set[str]:
    """What a text names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_keys(language: str) -> None:
    assert _keys(language) == _keys("en")


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_names_the_same_values_in_every_language(language: str) -> None:
    words = words_in(language)
    wrong = {key: named(words[key]) ^ named(ENGLISH[key]) for key in _keys("en")}
    assert {key: names for key, names in wrong.items() if names} == {}


@pytest.mark.parametrize("language", OTHERS)
def test_a_text_is_translated(language: str) -> None:
    words = words_in(language)
    same = {key for key in _keys("en") if words[key] == ENGLISH[key]}
    assert {key for key in same if any(sign.isalpha() for sign in _literal(ENGLISH[key]))} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_broken(language: str) -> None:
    for key, text in words_in(language).items():
        assert text.strip() or key.startswith("list."), key
        assert all(name.isidentifier() for name in named(text)), key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_every_rule_has_a_text_that_names_only_facts_that_the_rule_gives(language: str, rule: Rule) -> None:
    assert named(words_in(language)[f"rule.{rule.id}"]) <= _facts_of(rule)


def test_every_reason_kind_of_action_and_window_has_its_text() -> None:
    windows = {term.window.name for rule in RULES for term in rule.terms if isinstance(term, Seen)}
    wanted = {f"reason.{reason}" for reason in Reason} | {f"action_kind.{kind.name}" for kind in ACTION_KINDS}
    wanted |= {f"lack.{window}.{form}" for window in windows for form in ("any", "nth", "many")}
    wanted |= {f"month.{month}" for month in range(1, 13)}
    assert wanted <= ENGLISH.keys()


@pytest.mark.parametrize(
    ("language", "day", "three"),
    [
        ("en", "12 March 2026", "a, b and c"),
        ("ja", "2026年3月12日", "a、b、c"),
        ("vi", "12 tháng 3 năm 2026", "a, b và c"),
        ("zh", "2026年3月12日", "a、b和c"),
    ],
)
def test_dates_and_lists_are_written_as_the_language_does(language: str, day: str, three: str) -> None:
    words: Words = words_in(language)
    assert dated(739_687, words) == day
    assert listed(["a", "b", "c"], words) == three
    assert (listed(["a"], words), listed([], words)) == ("a", "")


def _keys(language: str) -> set[str]:
    """The keys of a language, but for what else people call the statuses: that is each language's own."""
    return {key for key in words_in(language) if not key.startswith("status_aliases.")}


def _literal(text: str) -> str:
    """A text without what it names."""
    return "".join(literal for literal, _, _, _ in Formatter().parse(text))


def _facts_of(rule: Rule) -> set[str]:
    """The names of the facts of a rule, by asking its terms about a subject of whom everything was seen."""
    facts: set[str] = set()
    for term in rule.terms:
        facts |= term.facts(Everything(rule)).keys()
    return facts


class Everything:
    """A view in which every window of a rule is full."""

    today, since_day, acted_day = 739_000, 738_900, 738_901

    def __init__(self, rule: Rule) -> None:
        self.tags: set[str] = set()
        self.noticed_on: dict[str, int] = {}
        self.seen: dict[str, list[Entry]] = {
            term.window.name: [(739_000, str(number), None) for number in range(len(TARGET_ACTIONS))]
            for term in rule.terms
            if isinstance(term, Seen)
        }
