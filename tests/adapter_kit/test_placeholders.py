"""What is nobody's, whatever system it comes from."""

from __future__ import annotations

import pytest

from connector.adapter_kit.placeholders import is_placeholder
from connector.core.event import IdentityKind

EMAIL, PHONE, VISITOR = IdentityKind.EMAIL, IdentityKind.PHONE, IdentityKind.VISITOR
RECORD, ACCOUNT, MOBILE = IdentityKind.RECORD, IdentityKind.ACCOUNT, IdentityKind.MOBILE


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((EMAIL, f"{name}@company.example") for name in ("noemail", "no-reply", "null", "undefined", "noreply+7")),
        *((EMAIL, value) for value in ("noemail@noemail.com", "test@test.com", "none@none.com", "N/A@x.example")),
        *((PHONE, value) for value in ("1", "101", "123456", "0000000000", "+810000000000", "1111111", "9999999999")),
        *((PHONE, value) for value in ("1234567", "0123456789", "+81123456789", "+12345678901", "09000000000", "+")),
        *((MOBILE, value) for value in ("+819000000000", "0000000")),
        *((VISITOR, value) for value in ("undefined", "NULL", "[object Object]", "0", "0000000000000000", "")),
        *((VISITOR, value) for value in ("00000000-0000-0000-0000-000000000000", "anonymous", " guest ")),
        *((ACCOUNT, value) for value in ("undefined", "not_authenticated", "0", "null")),
        *((RECORD, value) for value in ("lead:undefined", "lead:", "contact:[object Object]", "lead:null")),
        *(
            (RECORD, f"lead:{value}")
            for value in ("0", "unknown", "-", "#N/A", "#REF!", "{{contact.id}}", "${id}", "%id%")
        ),
    ],
)
def test_what_stands_where_an_identity_should_be_is_nobody_s(kind: IdentityKind, value: str) -> None:
    assert is_placeholder(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((EMAIL, value) for value in ("hana@acme.example", "test@acme.example", "id@acme.example", "a@b.example")),
        *((EMAIL, value) for value in ("reply@company.example", "nora@noemail.com", "email.tanaka@company.example")),
        *((PHONE, value) for value in ("0312345678", "+81312345678", "09012345678", "1234568", "0120000123")),
        *((MOBILE, value) for value in ("+819012345678", "+84987654321", "+8613800138000")),
        *((VISITOR, value) for value in ("12", "a", "8b1f3d5e-0c72-4a96-bb41-6d2e90f7a853", "0000000000000001")),
        *((ACCOUNT, value) for value in ("1", "123", "u_20931", "11111111")),
        *((RECORD, value) for value in ("lead:1", "lead:-1", "deal:id", "visit:1:77", "lead:50%", "lead:{1}")),
    ],
)
def test_what_may_be_somebody_s_is_left_alone(kind: IdentityKind, value: str) -> None:
    assert not is_placeholder(kind, value)


def test_a_workspace_adds_addresses_domains_numbers_and_ids_of_its_own() -> None:
    extra = frozenset({"front@company.example", "shared.example", "+81312345678", "kiosk-1"})
    assert is_placeholder(EMAIL, "front@company.example", extra)
    assert is_placeholder(EMAIL, "anybody@shared.example", extra)
    assert is_placeholder(PHONE, "+81312345678", extra)
    assert is_placeholder(VISITOR, "kiosk-1", extra)
    assert not is_placeholder(EMAIL, "hana@company.example", extra)
    assert not is_placeholder(EMAIL, "hana@not-shared.example", extra)
