"""What external systems answer is read whatever it is."""

from __future__ import annotations

from typing import Any

import pytest

from connector.adapter_kit.rest import (
    Forbidden,
    RecordGone,
    as_list,
    as_object,
    body_of,
    check_answer,
    check_target,
    chunks,
    in_one_line,
    is_good,
    search,
)
from connector.core.errors import AccessRefused, CrmError, CrmRefused, CrmUnavailable
from tests.adapters.support import answer


@pytest.mark.parametrize(("status", "expected"), [(199, False), (200, True), (204, True), (299, True), (301, False)])
def test_an_answer_is_good_when_it_is_a_2xx(status: int, *, expected: bool) -> None:
    assert is_good(answer(status)) is expected


@pytest.mark.parametrize(("body", "expected"), [(b'{"a": 1}', {"a": 1}), (b"[1]", {}), (b"<html>", {}), (b"\xff", {})])
def test_a_body_that_is_no_object_is_an_empty_one(body: bytes, expected: dict[str, Any]) -> None:
    assert body_of(answer(200, body)) == expected


def test_what_is_no_list_or_object_is_an_empty_one() -> None:
    assert (as_list([1]), as_list({"a": 1}), as_list(None)) == ([1], (), ())
    assert (as_object({"a": 1}), as_object([1]), as_object(None)) == ({"a": 1}, {}, {})


def test_a_text_is_shown_in_one_line() -> None:
    assert in_one_line(" a\n\tb\x00c  d ", 5) == "a b c"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, RecordGone),
        (410, RecordGone),
        (409, CrmUnavailable),
        (423, CrmUnavailable),
        (400, CrmRefused),
        (401, AccessRefused),
        (403, Forbidden),
    ],
)
def test_an_answer_that_is_no_2xx_says_what_becomes_of_the_update(status: int, error: type[CrmError]) -> None:
    check_answer(answer(204), ())
    with pytest.raises(error, match=rf"^answered {status}: no \*\*\*$") as caught:
        check_answer(answer(status, b"no\n s3cret"), ("Bearer s3cret",))
    assert type(caught.value) is error


def test_a_target_needs_an_address_and_a_method_that_writes() -> None:
    check_target("https://crm.example", "patch")
    for url, method, setting in (("", "POST", "`url`"), ("https://crm.example", "GET", "`method` is 'GET'")):
        with pytest.raises(CrmRefused, match=setting):
            check_target(url, method)


def test_an_expression_that_cannot_be_used_names_its_setting() -> None:
    assert search("read", "a[0]", {"a": [1]}) == 1
    with pytest.raises(CrmRefused, match=r"the connection's setting `read` \('a\['\) cannot be used"):
        search("read", "a[", {})


def test_values_are_cut_into_pieces() -> None:
    assert list(chunks([1, 2, 3], 2)) == [[1, 2], [3]]
