"""No text that a stranger sends keeps a pattern busy for longer than its length accounts for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from adapters.tracker.webhook import without_emails
from connector.adapter_kit.redaction import redact
from connector.operations.imports.headings import rank
from tests.attacks.patterns import Use, hard_units, uses
from tests.intake.workspace import delivery

SHORT: Final = 500
LONG: Final = 4 * SHORT
LINEAR: Final = 8.0
"""Of a text four times as long: a linear pattern takes four times as long, a quadratic one sixteen times."""
CUT: Final = frozenset({"connector.mapping.syntax._QUOTED"})
"""What meets the first 2,000 signs of a line that somebody wrote by hand: too few to last."""
WORTH_COMPARING: Final = 0.003
"""Seconds: no linear pattern takes as long for `LONG` signs, and each quadratic one does."""


def growth(work: Callable[[str], object], unit: str, end: str = "\0") -> float:
    """By how much more the processor works for a text four times as long; 0 where it is not worth comparing."""

    def seconds(length: int, times: int) -> float:
        text = (unit * length)[:length] + end
        spent = []
        for _ in range(times):
            begin = time.thread_time()
            work(text)
            spent.append(time.thread_time() - begin)
        return min(spent)

    if seconds(LONG, 1) < WORTH_COMPARING:
        return 0.0
    return seconds(LONG, 3) / seconds(SHORT, 3)


@pytest.mark.parametrize(
    ("bad", "call"),
    [
        (r"=[^&#]*(?:@|%40)[^&#]*", "sub"),
        (r"(.+?)[(\[【].*[)\]】]|(.+?)\d{1,2}", "fullmatch"),
        (r"'(?:\\.|[^'\\])*'|`((?:\\.|[^`\\])*)`", "finditer"),
    ],
)
def test_the_quadratic_patterns_that_there_were_are_known(bad: str, call: str) -> None:
    use = Use(place="before", pattern=re.compile(bad), call=call)
    assert _slow(use) != []


def test_every_pattern_is_found() -> None:
    places = {use.place for use in uses()}
    for known in ("adapters.posthog.webhook._LINK", "connector.adapter_kit.identities._EMAIL", "connector.runtime.log"):
        assert known in places
    assert len(places) > 80


def test_every_pattern_is_linear_in_whatever_text_it_meets() -> None:
    met = [use for use in uses() if use.place not in CUT]
    slow = [(use.place, use.call, unit, found) for use in met for unit, found in _slow(use)]
    assert slow == []


def _slow(use: Use) -> list[tuple[str, float]]:
    measured = ((unit, growth(use.run, unit)) for unit in hard_units(use.pattern))
    return [(unit, found) for unit, found in measured if found > LINEAR]


@pytest.mark.parametrize(
    "unit", ['"token":"', '"token"  ', '"token": "\\"', "<token ", "<a:", "<token>", "token=%", '{"token":[', "\\u0041"]
)
def test_masking_is_linear_in_whatever_body_it_meets(unit: str) -> None:
    def mask(text: str) -> Any:
        return redact(delivery(body=text.encode()), frozenset({"token"}), ["a secret of many characters"])

    for begin in ("", "{", '"', "<"):
        assert growth(lambda text, begin=begin: mask(begin + text), unit) <= LINEAR  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://a.example/?mail=jo@example.com&x=1", "https://a.example/?mail=&x=1"),
        ("https://a.example/?mail=jo%40example.com#to=a%40b&c", "https://a.example/?mail=#to=&c"),
        ("https://a.example/?a=b=c@d&=@", "https://a.example/?a=&="),
        ("https://a.example/@jo?x=1", "https://a.example/@jo?x=1"),
        ("", ""),
    ],
)
def test_e_mails_in_the_parameters_of_an_address_are_left_out(url: str, kept: str) -> None:
    assert without_emails(url) == kept


def test_headings_and_addresses_are_read_in_linear_time() -> None:
    for unit in ("=", "4=", "%4", "&=", "=%40"):
        assert growth(without_emails, unit) <= LINEAR
    for unit in ("(", "】【", "(]", "7"):
        assert growth(lambda text: rank("email", text), unit, "x") <= LINEAR
