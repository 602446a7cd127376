"""The Bitrix24 adapter's calls: settings, a portal that moved, errors of a whole call, names of fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from adapters.bitrix24.client import Portal, query
from adapters.bitrix24.records import new_name, old_name
from connector.adapter_kit.contract import Answer
from connector.core.errors import CrmRefused, CrmUnavailable
from tests.adapters.bitrix24.fake import (
    BITRIX,
    URL,
    FakePortal,
    event,
    moved,
    read,
    reply,
    update,
)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (
            "webhook_url",
            [(), ("",), ("http://example.com/rest/1/s/",), ("https://example.com/rest/s/",), ("https://[",)],
        ),
        ("objects", [("company",), ("lead", "1044x"), ("",)]),
        ("contacts", ["none"]),
        ("read_by", [""]),
        ("batch", [0, 1, 51]),
    ],
)
def test_a_wrong_setting_is_named(name: str, values: list[Any], portal: FakePortal) -> None:
    for value in values:
        with pytest.raises(CrmRefused, match=f"settings cannot be used: {name}"):
            replace(BITRIX, **{name: value}).push([update(STATUS_ID="NEW")], portal)


def test_a_portal_on_loopback_may_go_without_encryption(portal: FakePortal) -> None:
    local = replace(BITRIX, webhook_url=("http://127.0.0.1:8080/rest/1/s3cr3t",))
    assert len(read(local, event("ONCRMLEADUPDATE"), portal)) == 4
    assert portal.urls[0] == "http://127.0.0.1:8080/rest/1/s3cr3t/batch"


def test_a_renamed_portal_is_followed_and_remembered(portal: FakePortal) -> None:
    portal.answers = [moved("https://renamed.bitrix24.com/rest/")]
    assert len(read(BITRIX, event("ONCRMLEADUPDATE"), portal)) == 4
    there = "https://renamed.bitrix24.com/rest/1/s3cr3ts3cr3t/batch"
    assert portal.urls == [f"{URL}batch", there, there]


@pytest.mark.parametrize(
    "location",
    [
        *("http://renamed.bitrix24.com/", "/login", "https://[", "https://evil.example/", "https://169.254.169.254/"),
        *("https://10.0.0.1/", "https://localhost/", "http://127.0.0.1/", "https://bitrix24.com.evil.example/"),
        *("https://user:pw@renamed.bitrix24.com/", "https://renamed.bitrix24.com:8443/", "https://a.bitrix24.evil/"),
        *("//evil.example/rest/", "https://evil.example\\.bitrix24.com/", "https://evilbitrix24.com/"),
    ],
)
def test_the_secret_address_is_not_sent_where_it_could_be_read(location: str, portal: FakePortal) -> None:
    portal.answers = [moved(location)]
    with pytest.raises(CrmUnavailable, match="status 302 is not JSON"):
        BITRIX.fetch([event("ONCRMLEADUPDATE")], portal)
    assert portal.urls == [f"{URL}batch"]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            reply({"error": "INVALID_CREDENTIALS", "error_description": "Invalid request credentials"}, 401),
            CrmRefused,
            "make a new incoming webhook",
        ),
        (reply({"error": "QUERY_LIMIT_EXCEEDED", "error_description": ""}), CrmUnavailable, "QUERY_LIMIT_EXCEEDED"),
        (reply([1]), CrmUnavailable, "neither a result nor an error"),
        (reply({}), CrmUnavailable, "neither a result nor an error"),
    ],
)
def test_an_error_of_the_whole_call_is_raised(
    answer: Answer, error: type[Exception], text: str, portal: FakePortal
) -> None:
    portal.answers = [answer]
    with pytest.raises(error, match=text):
        BITRIX.fetch([event("ONCRMLEADUPDATE")], portal)


def test_a_command_without_an_answer_is_tried_again(portal: FakePortal) -> None:
    portal.answers = [reply({"result": {"result": [], "result_error": []}})]
    [failure] = Portal(api=portal, url=URL).batch([("profile", {})])
    assert isinstance(failure, CrmUnavailable)
    assert str(failure) == "profile: the portal left the command out of its answer"


def test_parameters_are_written_as_php_does() -> None:
    parameters = {"fields": {"A": [1, "x&y"], "B": None, "C": [], "D": True, "E": False}, "filter": {"@id": ["7"]}}
    assert query(parameters) == urlencode(
        {
            "fields[A][0]": "1",
            "fields[A][1]": "x&y",
            "fields[B]": "",
            "fields[C]": "",
            "fields[D]": "1",
            "fields[E]": "0",
            "filter[@id][0]": "7",
        }
    )


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("companyTitle", "COMPANY_TITLE"),
        ("createdTime", "DATE_CREATE"),
        ("updatedBy", "MODIFY_BY_ID"),
        ("utmSource", "UTM_SOURCE"),
        ("assignedById", "ASSIGNED_BY_ID"),
        ("UF_CRM_1769000999", "UF_CRM_1769000999"),
    ],
)
def test_fields_go_by_their_old_and_new_names(new: str, old: str) -> None:
    assert (old_name("deal", new), new_name(old), new_name(new)) == (old, new, new)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("ufCrm_1769000999", "UF_CRM_1769000999"),
        ("ufCrm2_1639669411830", "UF_CRM_2_1639669411830"),
        ("ufCrmAbmStatus", "UF_CRM_ABM_STATUS"),
    ],
)
def test_custom_fields_keep_their_original_names(new: str, old: str) -> None:
    assert (old_name("lead", new), new_name(new)) == (old, old)
