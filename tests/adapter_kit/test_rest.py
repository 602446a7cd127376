"""What external systems answer is read whatever it is."""

from __future__ import annotations

from typing import Any

import pytest

from connector.adapter_kit.rest import body_of, in_one_line, is_good, listed, named
from tests.adapters.support import answer


@pytest.mark.parametrize(("status", "expected"), [(199, False), (200, True), (204, True), (299, True), (301, False)])
def test_an_answer_is_good_when_it_is_a_2xx(status: int, *, expected: bool) -> None:
    assert is_good(answer(status)) is expected


@pytest.mark.parametrize(("body", "expected"), [(b'{"a": 1}', {"a": 1}), (b"[1]", {}), (b"<html>", {}), (b"\xff", {})])
def test_a_body_that_is_no_object_is_an_empty_one(body: bytes, expected: dict[str, Any]) -> None:
    assert body_of(answer(200, body)) == expected


def test_what_is_no_list_or_object_is_an_empty_one() -> None:
    assert (listed([1]), listed({"a": 1}), listed(None)) == ([1], (), ())
    assert (named({"a": 1}), named([1]), named(None)) == ({"a": 1}, {}, {})


def test_a_text_is_shown_in_one_line() -> None:
    assert in_one_line(" a\n\tb\x00c  d ", 5) == "a b c"
