"""How a page was reached is seen from its address: from a mail, from COCOAR, or neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapter_kit.tracking import inflow

SITE = "https://www.example.com"


@pytest.mark.parametrize(
    "url",
    [
        f"{SITE}/pricing?utm_source=newsletter&utm_medium=email",
        f"{SITE}/pricing?UTM_Medium=E-Mail",
        f"{SITE}/?mtm_campaign=spring&mtm_medium=email",
        f"{SITE}/?bownowmail=sid_3f2a",
        f"{SITE}/#utm_medium=email",
        f"{SITE}/#/pricing?utm_medium=email",
        "/pricing?utm_medium=email",
    ],
)
def test_a_page_whose_address_names_a_mail_was_reached_from_a_mail(url: str) -> None:
    assert inflow(url) == "email_inflow"


@pytest.mark.parametrize(
    "url", [f"{SITE}/?utm_source=COCOAR", f"{SITE}/?cocoar=1", f"{SITE}/?cocoar", f"{SITE}/#cocoar"]
)
def test_a_page_whose_address_names_cocoar_was_reached_from_it(url: str) -> None:
    assert inflow(url) == "cocoar_inflow"


@pytest.mark.parametrize(
    "url",
    [
        "",
        SITE,
        f"{SITE}/email?utm_medium=cpc",
        f"{SITE}/?medium=email",
        f"{SITE}/?=email",
        "https://[",
        "?" + "a&" * 500,
    ],
)
def test_any_other_address_shows_neither(url: str) -> None:
    assert inflow(url) is None


def test_a_connection_may_have_marks_of_its_own() -> None:
    url = f"{SITE}/?src=Mailing&app=ar"
    assert inflow(url) is None
    assert inflow(url, email=(" src=mailing ",)) == "email_inflow"
    assert inflow(url, email=(), cocoar=("app",)) == "cocoar_inflow"
    assert inflow(f"{SITE}/?utm_medium=email", email=(), cocoar=()) is None


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert inflow(f"https://www.example.com/?{text}") in {None, "email_inflow", "cocoar_inflow"}
