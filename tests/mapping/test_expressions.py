"""Paths and conditions of a mapping: what they find in data, and that they never fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.core.event import Event, FieldValue, Kind, Step
from connector.core.mapping import translate
from connector.mapping import parse_mapping
from connector.mapping.expressions import BadExpression
from connector.mapping.expressions import path as path_of
from tests.mapping.whole_mapping import AT, profile, whole


def test_a_condition_decides_whether_a_trigger_fires() -> None:
    def fired(form: str) -> list[Step]:
        event = Event(key="e", at=AT, kind=Kind.TRIGGER, name="webinar-form", data={"form_id": form})
        return list(translate(event, whole()))

    assert [len(fired("12")), len(fired("13"))] == [1, 0]


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (0, True),
        (1, True),
        ("x", True),
        ([0], True),
        (True, True),
        (None, False),
        ("", False),
        ([], False),
        ({}, False),
        (False, False),
    ],
)
def test_a_condition_takes_jmespath_s_own_view_of_what_is_true(*, value: Any, holds: bool) -> None:
    rules = parse_mapping("adapter: a\ntriggers: [{id: t, on: t, when: amount, jump_to: latent}]", "m.yaml")
    event = Event(key="e", at=AT, kind=Kind.TRIGGER, name="t", data={"amount": value})
    assert bool(translate(event, rules)) is holds


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("A", "top"),
        ("L[0].V", "first"),
        ("L[-1].V", "last"),
        ("L[7].V", ""),
        ("A.B", None),
        ("A[0]", None),
        ("L.V", None),
        ('"odd key".V', "quoted"),
        ("L[*].V | [1]", "last"),
        ("L[?V=='last'].V | [0]", "last"),
        ("not_null(NONE, A)", "top"),
        ("join('-', L[*].V)", "first-last"),
        ("to_string(ceil(INF))", None),
        ("sum(L)", None),
        ("L[?V=='last' && `true`].V | [0]", "last"),
        ("L[?V=='`last'].V | [0]", None),
    ],
)
def test_an_expression_finds_what_jmespath_says_and_never_fails(expression: str, expected: str | None) -> None:
    data = {"A": "top", "L": [{"V": "first"}, {"V": "last"}], "odd key": {"V": "quoted"}, "INF": float("inf")}
    rules = parse_mapping("adapter: a\nfields:\n  x: " + json.dumps(expression), "m.yaml")
    assert profile(data, rules) == ({} if expected is None else {"x": FieldValue(value=expected)})


def test_an_empty_expression_is_none() -> None:
    with pytest.raises(BadExpression, match=r"^'' is no JMESPath$"):
        path_of("")
