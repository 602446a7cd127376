"""Checks of settings that adapters share."""

from __future__ import annotations

import re

import pytest

from connector.adapter_kit.settings import (
    check_settings,
    fields_by_object,
    is_safe_address,
    is_safe_origin,
    may_follow,
    pairs,
    zone_of,
)
from connector.core.errors import CrmRefused


def test_all_settings_that_cannot_be_used_are_named_at_once() -> None:
    check_settings({"url": True})
    with pytest.raises(
        CrmRefused, match=r"the connection's settings cannot be used: url \(https://…\); batch \(1 to 9\)$"
    ):
        check_settings({"url (https://…)": False, "token": True, "batch (1 to 9)": False})


@pytest.mark.parametrize(
    ("url", "is_safe", "is_origin"),
    [
        ("https://crm.example/api", True, False),
        ("https://crm.example/", True, True),
        ("http://localhost:8080", True, True),
        ("http://127.0.0.1/x", True, False),
        ("http://crm.example", False, False),
        ("ftp://localhost", False, False),
        ("https://user:pw@crm.example/", False, False),
        ("https://", False, False),
        ("https://[x", False, False),
        ("", False, False),
    ],
)
def test_credentials_are_sent_by_https_or_within_this_machine(url: str, *, is_safe: bool, is_origin: bool) -> None:
    assert (is_safe_address(url), is_safe_origin(url)) == (is_safe, is_origin)


@pytest.mark.parametrize(
    ("url", "entered", "may"),
    [
        ("https://crm.customer.example/x", "https://crm.customer.example/", True),
        ("https://crm.customer.example:8443/x", "https://crm.customer.example/", False),
        ("https://a.vendor.example", "https://crm.customer.example/", True),
        ("https://a.vendor.example:443/y", "https://crm.customer.example/", True),
        ("https://a.vendor.example:8443", "https://crm.customer.example/", False),
        ("http://a.vendor.example", "https://crm.customer.example/", False),
        ("https://user:pw@a.vendor.example", "https://crm.customer.example/", False),
        ("https://a.vendor.example.evil.example", "https://crm.customer.example/", False),
        ("https://169.254.169.254/", "https://crm.customer.example/", False),
        ("https://10.0.0.7/", "https://10.0.0.7/rest/", True),
        ("http://127.0.0.1:81", "https://crm.customer.example/", False),
        ("http://127.0.0.1:81", "http://localhost:80", True),
        ("https://a.vendor.example", "http://localhost:80", False),
        ("https://[", "https://crm.customer.example/", False),
    ],
)
def test_a_secret_follows_an_answer_to_its_own_host_and_to_the_vendor_s_only(
    url: str, entered: str, *, may: bool
) -> None:
    assert may_follow(url, entered, re.compile(r"[a-z0-9-]+\.vendor\.example")) is may


def test_a_setting_may_hold_pairs() -> None:
    assert pairs(["a@example.com = 17", "b=c=d", "e"]) == [("a@example.com", "17"), ("b", "c=d"), ("e", "")]
    assert pairs(["X-Key: 1:2"], ":") == [("X-Key", "1:2")]


def test_fields_are_named_with_their_object() -> None:
    assert fields_by_object(["Lead.A", "Deal.B", "Lead.C"]) == {"Lead": ("A", "C"), "Deal": ("B",)}


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../x"])
def test_a_time_zone_that_is_none_is_named(name: str) -> None:
    assert zone_of("Asia/Tokyo").key == "Asia/Tokyo"
    with pytest.raises(CrmRefused, match="is no time zone such as Asia/Tokyo"):
        zone_of(name)
