"""HubSpot's signatures: over the public address, in three versions, as the vendor's own examples have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.hubspot.webhook import TIMESTAMP, V3, decoded, sign_old, sign_request, verify_request
from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadSignature
from connector.emulators.hubspot.crm import PUBLIC_URL, SECRET
from tests.adapters.hubspot.fake import NOW, delivery, happened


def _signed(query: Sequence[tuple[str, str]], called: str, version: str = "v3") -> Delivery:
    one = delivery(happened("1", "contact.deletion"), query=query)
    headers = sign_request(one, called, SECRET, NOW) if version == "v3" else sign_old(one, called, SECRET, version)
    return replace(one, headers=headers)


@pytest.mark.parametrize(
    ("query", "called"),
    [
        ([], ""),
        ([("event", "form"), ("page", "https://a.example/x?y")], "?event=form&page=https%3A%2F%2Fa.example%2Fx%3Fy"),
        ([("tenant", "acme:eu/west"), ("tag", "a b&c")], "?tenant=acme%3Aeu%2Fwest&tag=a%20b%26c"),
        ([("tag", "a b")], "?tag=a+b"),
    ],
)
@pytest.mark.parametrize("version", ["v3", "v2"])
def test_the_signed_address_is_the_public_one_with_its_query(
    query: list[tuple[str, str]], called: str, version: str
) -> None:
    verify_request(_signed(query, PUBLIC_URL + called, version), PUBLIC_URL, (SECRET,), NOW)


@pytest.mark.parametrize(
    "query",
    ["a=1&b", "x[]=1", "a=%7E", "q=%c2%a9+%20", "event=form&x", "a=%7e%2fb&&=", "q=a+b%20c", "tag=%e3%83%91&tag=%C3"],
)
@pytest.mark.parametrize("version", ["v3", "v2"])
def test_the_query_is_signed_as_it_was_sent_however_it_is_spelt(query: str, version: str) -> None:
    signed = _signed([("rewritten", "1")], f"{PUBLIC_URL}?{query}", version)
    verify_request(replace(signed, query_string=query), PUBLIC_URL, (SECRET,), NOW)
    for other in (f"{query}&a=1", query.swapcase()):
        with pytest.raises(BadSignature):
            verify_request(replace(signed, query_string=other), PUBLIC_URL, (SECRET,), NOW)


def test_another_address_scheme_or_slash_is_refused() -> None:
    for called in (PUBLIC_URL.replace("https", "http"), f"{PUBLIC_URL}/", f"{PUBLIC_URL}?a=1"):
        with pytest.raises(BadSignature, match="webhook_url"):
            verify_request(_signed([], called), PUBLIC_URL, (SECRET,), NOW)


def test_without_the_public_address_only_version_1_can_be_checked() -> None:
    verify_request(_signed([], PUBLIC_URL, "v1"), "", (SECRET,), NOW)
    for version in ("v2", "v3"):
        with pytest.raises(BadSignature, match="webhook_url"):
            verify_request(_signed([], PUBLIC_URL, version), "", (SECRET,), NOW)


def test_where_version_3_comes_with_version_1_the_public_address_says_which_is_checked() -> None:
    old, new = _signed([], PUBLIC_URL, "v1"), _signed([], PUBLIC_URL, "v3")
    both = replace(old, headers={**old.headers, **new.headers})
    verify_request(both, "", (SECRET,), NOW)
    with pytest.raises(BadSignature, match="does not match"):
        verify_request(replace(both, body=both.body + b" "), "", (SECRET,), NOW)
    with pytest.raises(BadSignature, match="does not match"):
        verify_request(both, f"{PUBLIC_URL}/other", (SECRET,), NOW)
    second = _signed([], PUBLIC_URL, "v2")
    with pytest.raises(BadSignature, match="webhook_url"):
        verify_request(replace(second, headers={**second.headers, **new.headers}), "", (SECRET,), NOW)


def test_version_3_decides_where_it_is_there_whatever_the_older_headers_say() -> None:
    old = _signed([], PUBLIC_URL, "v1")
    for headers in ({V3: ""}, {V3: "x", TIMESTAMP: "1"}, {V3: "x", TIMESTAMP: "soon"}, {V3: "x"}):
        with pytest.raises(BadSignature):
            verify_request(replace(old, headers={**old.headers, **headers}), PUBLIC_URL, (SECRET,), NOW)


def test_a_version_that_is_not_known_is_refused() -> None:
    old = _signed([], PUBLIC_URL, "v1")
    with pytest.raises(BadSignature, match="no signature"):
        verify_request(
            replace(old, headers={**old.headers, "x-hubspot-signature-version": "v9"}), PUBLIC_URL, (SECRET,), NOW
        )


PUBLISHED = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"


def test_the_vendors_published_examples_are_accepted() -> None:
    address = "https://www.example.com/webhook_uri"
    at = datetime.fromtimestamp(1693657560, UTC)
    third = Delivery(method="POST", query=(), headers={}, body=b"{'example_field':'example_value'}", received_at=at)
    assert sign_request(third, address, PUBLISHED, at)[V3] == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="
    second = replace(third, body=b'{"example_field":"example_value"}')
    expected = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
    assert sign_old(second, address, PUBLISHED, "v2")["x-hubspot-signature"] == expected
    assert decoded("a%3ab%20c%26d%2F") == "a:b%20c%26d/"
