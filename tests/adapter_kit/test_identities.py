"""E-mails and phones as every adapter normalises them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapter_kit.identities import NORMALIZERS, identifying, international, normalize_email, normalize_phone
from connector.adapter_kit.payload import Part
from connector.core.errors import BadPayload
from connector.core.event import Identity, IdentityKind

EMAIL, PHONE, MOBILE = IdentityKind.EMAIL, IdentityKind.PHONE, IdentityKind.MOBILE


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


WRITTEN = ("mailto:a@x.example", "MAILTO:a@x.example?subject=Hi", "<a@x.example>", "Ann <a@x.example>", "a@x.example;")


@pytest.mark.parametrize("text", [*WRITTEN, "ａ＠ｘ．example", "a@\u200bx.example\ufeff", "'a@X.example'"])
def test_what_surrounds_an_address_and_its_full_width_letters_make_no_other(text: str) -> None:
    assert normalize_email(text) == "a@x.example"


def test_letters_that_are_alike_stay_different_and_domains_are_as_the_network_has_them() -> None:
    assert normalize_email("straße@x.example") == "straße@x.example"
    assert normalize_email("hana@BÜCHER.example") == "hana@xn--bcher-kva.example"
    assert normalize_email("hana@日本.example") == normalize_email("hana@xn--wgv71a.example")
    assert normalize_email("hana@ü..example") == "hana@ü..example"


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("09012345678", "JP", (MOBILE, "+819012345678")),
        ("+8109012345678", "JP", (MOBILE, "+819012345678")),
        ("0081", None, None),
        ("00819012345678", None, (MOBILE, "+819012345678")),
        ("0312345678", "JP", (PHONE, "+81312345678")),
        ("0908222333", "VN", (MOBILE, "+84908222333")),
        ("84908222333", "VN", (MOBILE, "+84908222333")),
        ("0908222333", None, None),
        ("+99912345678", "JP", None),
        ("01", "JP", None),
    ],
)
def test_a_phone_is_written_as_its_country_does(
    text: str, region: str | None, expected: tuple[IdentityKind, str] | None
) -> None:
    assert international(text, region) == expected


def _identified(kind: IdentityKind, value: str, region: str | None = None, *extra: str) -> tuple[str, str, bool] | None:
    found = identifying(Identity(kind=kind, value=value), region, extra)
    return (found.kind, found.value, found.is_local) if found else None


def test_what_identifies_somebody_is_written_once_for_all_systems() -> None:
    assert _identified(EMAIL, "<A@X.example>") == (EMAIL, "a@x.example", False)
    assert _identified(MOBILE, "090-1234-5678", "JP") == (MOBILE, "+819012345678", False)
    assert _identified(PHONE, "03-1234-5678") == (PHONE, "0312345678", True)
    assert _identified(IdentityKind.VISITOR, "v-1f3a") == (IdentityKind.VISITOR, "v-1f3a", False)


def test_what_is_nobodys_or_no_number_identifies_nobody() -> None:
    assert _identified(EMAIL, "noemail@noemail.com") is None
    assert _identified(EMAIL, "ken") is None
    assert _identified(PHONE, "101", "JP") is None
    assert _identified(PHONE, "12345678901234", "JP") is None
    assert _identified(PHONE, "+1 202 555 0123 9999", None) is None
    assert _identified(PHONE, "0901 111 2222", "JP", "+819011112222") is None
    assert _identified(PHONE, "+81 (0)90-0000-0000", "JP") is None
