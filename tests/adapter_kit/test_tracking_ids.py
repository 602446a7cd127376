"""Whom a visitor's or a user's id names, and how a tracker proves who it is."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part
from connector.adapter_kit.tracking import (
    COCOAR_MARKS,
    EMAIL_MARKS,
    address,
    check_sender,
    distinct,
    person,
    reached,
    under,
    visitor,
    words,
)
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import Identity, IdentityKind

RANDOM: Final = "8b1f3d5e-0c72-4a96-bb41-6d2e90f7a853"
DELIVERY: Final = Delivery(method="POST", query=(), headers={}, body=b"", received_at=datetime(2026, 3, 4, tzinfo=UTC))


def test_a_random_id_is_the_same_visitor_everywhere_and_any_other_counts_in_its_connection_alone() -> None:
    assert visitor(Part(RANDOM)) == person(Part(RANDOM)) == Identity(kind=IdentityKind.VISITOR, value=RANDOM)
    assert visitor(Part(12)) == Identity(kind=IdentityKind.RECORD, value="visitor:12")
    assert person(Part(" u_20931 ")) == Identity(kind=IdentityKind.RECORD, value="user:u_20931")
    assert person(Part("1234567890123456")) == Identity(kind=IdentityKind.RECORD, value="user:1234567890123456")


def test_a_user_id_that_is_an_e_mail_is_one() -> None:
    assert (
        person(Part("A@Example.com "))
        == address(Part("a@example.com"))
        == Identity(kind=IdentityKind.EMAIL, value="a@example.com")
    )


@pytest.mark.parametrize(
    "value", [None, "", "Anonymous", "[object Object]", "00000000-0000-0000-0000-000000000000", "0"]
)
def test_what_faulty_sites_call_everybody_is_nobody(value: str | None) -> None:
    assert distinct(visitor(Part(value)), person(Part(value))) == ()


def test_an_id_that_is_neither_text_nor_number_is_refused() -> None:
    values: list[Any] = [[], {}, True, 1.5]
    for value in values:
        with pytest.raises(BadPayload):
            visitor(Part(value))
    assert address(Part([])) is None


def test_what_lies_below_is_read_where_it_is_there() -> None:
    root = Part({"a": {"b": " c "}})
    assert words(under(root, "a", "b")) == "c"
    assert words(under(root, "a", "b"), 1) == "c"
    assert [words(under(root, *names)) for names in (("a",), ("x", "y"), ("a", "b", "c"))] == [None, None, None]
    assert words(Part(" ")) is None


def _reached(url: str | None, **campaign: Any) -> str:
    return reached("page", url, campaign, EMAIL_MARKS, COCOAR_MARKS)


def test_a_page_view_says_by_address_or_campaign_how_it_was_reached() -> None:
    assert _reached(None) == _reached("https://www.example.com/", medium="cpc", name=1) == "page"
    assert _reached("https://www.example.com/?utm_medium=email") == "page:email"
    assert _reached("https://www.example.com/", medium="Email") == "page:email"
    assert _reached(None, source="cocoar") == "page:cocoar"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-token": "s3cret"}, ()),
        ({"x-token": "Bearer s3cret"}, ()),
        ({"x-token": "Basic " + b64encode(b"segment:s3cret").decode()}, ()),
        ({"x-token": "Basic s3cret"}, ()),
        ({}, (("token", "s3cret"),)),
    ],
)
def test_a_token_is_read_from_its_header_or_the_address(
    headers: dict[str, str], query: tuple[tuple[str, str], ...]
) -> None:
    sent = replace(DELIVERY, headers=headers, query=query)
    check_sender(sent, " X-Token ", ("new", "s3cret"))
    for tokens in ((), ("",), ("other",)):
        with pytest.raises(BadSignature):
            check_sender(sent, "x-token", tokens)


@pytest.mark.parametrize("given", ["", "Bearer ", "Basic é", "Basic " + b64encode(b"\xff:x").decode(), "s3cre"])
def test_any_other_header_is_refused(given: str) -> None:
    with pytest.raises(BadSignature):
        check_sender(replace(DELIVERY, headers={"x-token": given}), "x-token", ("s3cret",))
