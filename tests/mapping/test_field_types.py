"""The types of profile fields: how the values of other systems are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.core.event import Conflict, FieldValue
from connector.mapping import parse_mapping
from tests.mapping.whole_mapping import profile, whole


def test_fields_are_read_by_their_expression_and_type() -> None:
    data = {"EMAIL": [{"VALUE": " a@example.com "}], "COMPANY_TITLE": "Acme", "UF_CRM_BUDGET": "1200.50"}
    assert profile(data, whole()) == {
        "email": FieldValue(value="a@example.com"),
        "company": FieldValue(value="Acme", conflict=Conflict.THEIRS),
        "custom.budget": FieldValue(value="1200.50"),
    }
    assert profile({"EMAIL": [{}], "COMPANY_TITLE": {"a": 1}, "UF_CRM_BUDGET": "much"}, whole()) == {}


@pytest.mark.parametrize(
    "kind", ["string", "email", "phone", "integer", "decimal", "boolean", "date", "datetime", "list"]
)
@pytest.mark.parametrize("empty", [None, "", " ", [], {}])
def test_a_field_that_is_shown_empty_is_emptied_whatever_its_type(kind: str, empty: Any) -> None:
    rules = parse_mapping(f"adapter: a\nfields: {{x: {{from: X, type: {kind}}}}}", "m.yaml")
    assert profile({"X": empty}, rules)["x"].value == ([] if kind == "list" else "")
    assert profile({"Y": empty}, rules) == {}


@pytest.mark.parametrize(
    ("path", "data", "is_emptied"),
    [
        ("a.b", {"a": None}, True),
        ("a.b", {"a": {"b": None}}, True),
        ("a.b", {"a": {}}, False),
        ("a.b", {"a": {"c": 1}}, False),
        ("a.b", {"a": 7}, False),
        ("a[0].b", {"a": []}, True),
        ("a[1].b", {"a": [{"b": "x"}]}, True),
        ("a[0].b", {"a": [{"b": ""}]}, True),
        ("a[0].b", {"a": [{}]}, False),
        ("a || b", {"a": None, "b": ""}, True),
        ("a || b", {"a": None}, False),
        ("a[?c].b | [0]", {"a": []}, True),
        ("a[?c].b | [0]", {"a": [{"b": "x"}]}, False),
        ("`null`", {"a": None}, False),
    ],
)
def test_only_what_the_data_names_is_emptied(path: str, data: dict[str, Any], *, is_emptied: bool) -> None:
    rules = parse_mapping(f'adapter: a\nfields: {{x: {{from: "{path}", type: email}}}}', "m.yaml")
    assert profile(data, rules) == ({"x": FieldValue(value="")} if is_emptied else {})


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", " a ", "a"),
        ("string", "", ""),
        ("string", 12, "12"),
        ("string", 1.5, "1.5"),
        ("string", True, "true"),
        ("string", [1], None),
        ("string", 10**40, None),
        ("string", float("nan"), None),
        ("email", " Hana.Sato@E.Example ", "hana.sato@e.example"),
        ("email", "hana", None),
        ("email", "a@e.example, b@e.example", None),
        ("email", 7, None),
        ("phone", "+81 (0)3-1234-5678", "+81312345678"),
        ("phone", "03-1234-5678", None),
        ("phone", "+81 3", None),
        ("phone", "+999 123456789", None),
        ("phone", "call me", None),
        ("phone", "9" * 300, None),
        ("integer", "-12", -12),
        ("integer", 12.0, 12),
        ("integer", "12.5", None),
        ("integer", True, None),
        ("decimal", "1200.50", "1200.50"),
        ("decimal", 0.1, "0.1"),
        ("decimal", 1e22, "10000000000000000000000"),
        ("decimal", "1e999999999", None),
        ("decimal", "9" * 50, None),
        ("decimal", "NaN", None),
        ("decimal", True, None),
        ("decimal", "1000|JPY", None),
        ("boolean", "Y", True),
        ("boolean", 0, False),
        ("boolean", True, True),
        ("boolean", "maybe", None),
        ("date", "2026-03-31", "2026-03-31"),
        ("date", "2026-03-31T23:30:00-05:00", "2026-03-31"),
        ("date", "31.03.2026", None),
        ("date", 20260331, None),
        ("datetime", "2026-03-31T10:00:00+09:00", "2026-03-31T01:00:00+00:00"),
        ("datetime", "2026-03-31 10:00:00", "2026-03-31T10:00:00+00:00"),
        ("datetime", "2026-03-31T10:00:00.000+0000", "2026-03-31T10:00:00+00:00"),
        ("datetime", "0001-01-01T00:00:00+09:00", None),
        ("datetime", "soon", None),
        ("datetime", 1_700_000_000, None),
        ("list", ["a", 1, None, ""], ["a", "1"]),
        ("list", "a", ["a"]),
        ("list", "", []),
        ("list", {"a": 1}, None),
    ],
)
def test_a_value_is_read_as_its_type_or_left_out(kind: str, value: Any, expected: Any) -> None:
    rules = parse_mapping(f"adapter: a\nfields: {{x: {{from: X, type: {kind}}}}}", "m.yaml")
    assert profile({"X": value}, rules) == ({} if expected is None else {"x": FieldValue(value=expected)})
    json.dumps(expected)


def test_phone_numbers_without_a_country_are_of_the_region_and_left_out_without_one() -> None:
    text = "adapter: a\nfields: {phone: {from: P, type: phone}}\n"
    numbers = ["03-1234-5678", "+81 3 1234 5678", "０３−１２３４−５６７８", 312345678, "+84 24 3974 2222", "3"]
    read = [
        [profile({"P": number}, parse_mapping(text + region, "m.yaml")).get("phone") for number in numbers]
        for region in ("region: JP", "")
    ]
    tokyo, hanoi = FieldValue(value="+81312345678"), FieldValue(value="+842439742222")
    assert read == [
        [tokyo, tokyo, tokyo, tokyo, hanoi, None],
        [None, tokyo, None, None, hanoi, None],
    ]
