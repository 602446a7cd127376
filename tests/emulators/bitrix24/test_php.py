"""PHP forms are read and written as PHP does."""

from __future__ import annotations

from typing import Any

import pytest

from connector.emulators.bitrix24.php import as_array, as_json, as_list, build_query, parse_query


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1&a=2", {"a": "2"}),
        ("filter[@id][]=4&filter[@id][]=5", {"filter": {"@id": {"0": "4", "1": "5"}}}),
        (
            "filter[>%3DupdatedTime]=2026-03-26T10:15:02%2B02:00",
            {"filter": {">=updatedTime": "2026-03-26T10:15:02+02:00"}},
        ),
        ("fields%5BUF_CRM_X%5D=&id=7", {"fields": {"UF_CRM_X": ""}, "id": "7"}),
        ("filter[>=updatedTime]=x", {"filter_>": "updatedTime]=x"}),
        ("a=1&a[b]=2", {"a": "1"}),
        ("", {}),
    ],
)
def test_a_query_string_becomes_nested_arrays(text: str, expected: Any) -> None:
    assert parse_query(text) == expected


def test_what_is_built_is_read_back() -> None:
    built = build_query({"data": {"FIELDS": {"ID": 7}}, "document_id": ["crm", "x"], "ok": True, "none": None})
    assert parse_query(built) == {
        "data": {"FIELDS": {"ID": "7"}},
        "document_id": {"0": "crm", "1": "x"},
        "ok": "1",
    }


def test_arrays_with_counted_keys_are_lists_in_json() -> None:
    assert as_json({}) == []
    assert as_json({"0": "a", "1": "b"}) == ["a", "b"]
    assert as_json({"1": "b"}) == {"1": "b"}


def test_list_and_array_parameters_are_read_in_every_spelling() -> None:
    assert [as_list(it) for it in (None, 4, [4, 5], {"0": 4})] == [[], [4], [4, 5], [4]]
    assert [as_array(it) for it in (None, [4], {7: 4})] == [{}, {"0": 4}, {"7": 4}]
