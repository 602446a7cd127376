"""E-mails and phones as every adapter normalises them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapter_kit.identities import NORMALIZERS, normalize_email, normalize_phone
from connector.adapter_kit.payload import Part
from connector.core.errors import BadPayload
from connector.core.event import IdentityKind


@pytest.mark.parametrize("value", [None, 7, "", "ken", "a@", "a b@x.jp", "a@x\0.jp", "a@" + "x" * 320])
def test_what_is_no_email_is_none(value: object) -> None:
    assert normalize_email(value) is None


@pytest.mark.parametrize("value", [None, 7, "", "-", "ext. 5", "+", "1" * 65, "03\0"])
def test_what_is_no_phone_is_none(value: object) -> None:
    assert normalize_phone(value) is None


def test_an_address_is_the_same_however_it_is_written() -> None:
    assert {normalize_email(text) for text in (" Aiko@Example.com", "aiko@example.COM\n")} == {"aiko@example.com"}
    assert {normalize_phone(text) for text in ("+81 3-1234", "(+81) 31234", "＋８１ ３１２３４")} == {"+8131234"}


@given(value=st.text() | st.integers() | st.none())
def test_a_body_s_value_is_normalized_as_any_other(value: object) -> None:
    for kind, read in ((IdentityKind.EMAIL, Part.email), (IdentityKind.PHONE, Part.phone)):
        try:
            found = read(Part(value))
        except BadPayload:
            assert NORMALIZERS[kind](value) is None
        else:
            assert found == NORMALIZERS[kind](value) == NORMALIZERS[kind](found)
