"""Whom a visitor's or a user's id names, and how a page view was reached."""

from __future__ import annotations

from typing import Any, Final

import pytest

from connector.adapter_kit.payload import Part
from connector.adapter_kit.tracking import (
    COCOAR_MARKS,
    EMAIL_MARKS,
    address,
    person,
    reached,
    under,
    visitor,
    words,
)
from connector.core.errors import BadPayload
from connector.core.event import Identity, IdentityKind

RANDOM: Final = "8b1f3d5e-0c72-4a96-bb41-6d2e90f7a853"


def test_a_random_id_is_the_same_visitor_everywhere_and_any_other_counts_in_its_connection_alone() -> None:
    assert visitor(Part(RANDOM)) == Identity(kind=IdentityKind.VISITOR, value=RANDOM)
    assert visitor(Part(12)) == Identity(kind=IdentityKind.VISITOR, value="12", is_local=True)


def test_the_id_of_a_signed_in_user_is_an_account_of_the_site_however_it_looks() -> None:
    for given, value in ((" u_20931 ", "u_20931"), (12, "12"), ("1234567890123456", "1234567890123456")):
        assert person(Part(given)) == Identity(kind=IdentityKind.ACCOUNT, value=value)
    assert person(Part(RANDOM)) == Identity(kind=IdentityKind.ACCOUNT, value=RANDOM)


def test_a_user_id_that_is_an_e_mail_is_one() -> None:
    assert (
        person(Part("A@Example.com "))
        == address(Part("a@example.com"))
        == Identity(kind=IdentityKind.EMAIL, value="a@example.com")
    )


@pytest.mark.parametrize(
    "value",
    [None, "", "Anonymous", "[object Object]", "00000000-0000-0000-0000-000000000000", "0", "noemail@noemail.com"],
)
def test_what_faulty_sites_call_everybody_is_nobody(value: str | None) -> None:
    assert person(Part(value)) is None
    assert address(Part(value)) is None
    assert "@" in (value or "") or visitor(Part(value)) is None


def test_an_id_that_is_neither_text_nor_number_is_refused() -> None:
    values: list[Any] = [[], {}, True, 1.5]
    for value in values:
        with pytest.raises(BadPayload):
            visitor(Part(value))
    assert address(Part([])) is address(Part("\ud800@x.example")) is None


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
