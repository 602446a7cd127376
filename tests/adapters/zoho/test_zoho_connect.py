"""The Zoho adapter's tokens, channels, settings, catalogue, and what a look at the connection shows."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.zoho import Zoho
from adapters.zoho.client import is_address
from connector.core.errors import CrmRefused
from connector.core.event import Kind
from connector.emulators.zoho.crm import FIRST_CHANNEL
from tests.adapters.builders import only
from tests.adapters.served import body
from tests.adapters.support import FakeApi, answer
from tests.adapters.zoho.fake import (
    MIO,
    NOW,
    URL,
    FakeAccount,
    callback,
    connection,
    posted_form,
    read_events,
)

HOOK = "https://connector.example/webhooks/zoho"


def test_an_access_token_lives_for_an_hour_and_is_renewed_once_for_all_processes(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    read_events(account, callback(lead))
    account.clock.forward(hours=2)
    account.calls.clear()
    read_events(account, callback(lead))
    assert account.calls.count("POST /oauth/v2/token") == 1
    account.memo["access_token"] = "1000.exampleaccesstoken1"
    account.calls.clear()
    read_events(account, callback(lead))
    account.memo.clear()
    read_events(account, callback(lead))
    assert account.calls.count("POST /oauth/v2/token") == 0


def test_a_token_is_taken_of_zoho_only_and_sent_to_zoho_only(account: FakeAccount) -> None:
    with pytest.raises(CrmRefused, match=r"no access token \(invalid_code\): check data_center") as caught:
        connection(refresh_token=("1000.wrong",)).catalog(account)
    assert "1000.wrong" not in str(caught.value)
    for content, text in (
        (b'{"access_token": "t", "api_domain": "https://evil.example"}', "no address of Zoho"),
        (b'{"access_token": "t", "api_domain": "http://127.0.0.1:8080"}', "no address of Zoho"),
        (b'{"access_token": "t", "api_domain": "https://user:pw@www.zohoapis.com"}', "no address of Zoho"),
        (b"[]", r"no access token \(200\)"),
        (b"", r"no access token \(200\)"),
    ):
        with pytest.raises(CrmRefused, match=text):
            connection().catalog(FakeApi(answers=[answer(200, content)]))


def test_a_refresh_token_that_is_replaced_is_kept() -> None:
    given = {"access_token": "t", "api_domain": "https://www.zohoapis.eu", "refresh_token": "1000.next"}
    api = FakeApi(answers=[answer(200, json.dumps(given).encode()), answer(401, b'{"code":"INVALID_TOKEN"}')])
    api.answers += [answer(200, json.dumps(given).encode()), answer(401, b'{"code":"INVALID_TOKEN"}')]
    with pytest.raises(CrmRefused, match="INVALID_TOKEN: check data_center and refresh_token"):
        connection(api_url="https://sandbox.zohoapis.eu/").catalog(api)
    assert [call["data"]["refresh_token"] for call in api.calls if "data" in call] == [
        "1000.examplerefreshtoken",
        "1000.next",
    ]
    assert api.calls[1]["url"].startswith("https://sandbox.zohoapis.eu/crm/v8/settings")


@pytest.mark.parametrize(
    ("center", "accounts", "domain"),
    [
        ("com", "https://accounts.zoho.com", "https://www.zohoapis.com"),
        ("sa", "https://accounts.zoho.sa", "https://www.zohoapis.sa"),
        ("uk", "https://accounts.zoho.uk", "https://www.zohoapis.uk"),
        ("ca", "https://accounts.zohocloud.ca", "https://www.zohoapis.ca"),
    ],
)
def test_an_account_of_every_data_centre_can_be_connected(center: str, accounts: str, domain: str) -> None:
    given = json.dumps({"access_token": "t", "api_domain": domain}).encode()
    api = FakeApi(answers=[answer(200, given), answer(200, b'{"fields":[]}'), answer(200, b'{"users":[]}')])
    connection(data_center=center, modules=("Leads",)).catalog(api)
    assert [call["url"].partition("/crm/")[0] for call in api.calls] == [f"{accounts}/oauth/v2/token", domain, domain]


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://www.zohoapis.com.au", True),
        ("https://sandbox.zohoapis.jp", True),
        ("https://sandbox.zohoapis.sa", True),
        ("https://accounts.zohocloud.ca/", True),
        ("http://127.0.0.1:8080", True),
        ("http://www.zohoapis.com", False),
        ("https://www.zohoapis.com.evil.example", False),
        ("https://", False),
        ("http://[", False),
    ],
)
def test_tokens_go_to_zoho_s_addresses_only(url: str, *, is_good: bool) -> None:
    assert is_address(url) is is_good


def test_channels_are_made_renewed_in_time_and_made_anew_when_they_lapsed(account: FakeAccount) -> None:
    again = connection().subscribe(HOOK, account.clock.now, account)
    assert again == NOW + timedelta(days=1)
    channels = account.crm.channels.by_id
    assert {number: channel.events for number, channel in channels.items()} == {
        FIRST_CHANNEL: ("Leads.all",),
        FIRST_CHANNEL + 1: ("Deals.all",),
    }
    assert {channel.expiry for channel in channels.values()} == {NOW + timedelta(days=7, hours=-1)}
    account.clock.now = again
    account.calls.clear()
    connection().subscribe(HOOK, account.clock.now, account)
    assert account.calls[-1] == "PUT actions/watch"
    assert {channel.expiry for channel in channels.values()} == {again + timedelta(days=7, hours=-1)}
    account.clock.forward(days=8)
    connection().subscribe(HOOK, account.clock.now, account)
    assert account.calls[-1] == "POST actions/watch"
    assert {channel.hears for channel in channels.values()}
    assert {channel.expiry > account.clock.now for channel in channels.values()} == {True}


def test_channels_that_zoho_refuses_are_an_error_in_its_words(account: FakeAccount) -> None:
    for secret in ((), ("x" * 51,)):
        with pytest.raises(CrmRefused, match="set the secret `token` to a text of 1 to 50 characters"):
            connection(token=secret).subscribe(HOOK, NOW, account)
    with pytest.raises(CrmRefused, match="MANDATORY_NOT_FOUND: notify_url"):
        connection().subscribe("", NOW, account)
    lapsed = {"watch": [{"code": "NOT_SUBSCRIBED"}, {"code": "SUCCESS"}]}
    bodies: list[Any] = [{"code": "OAUTH_SCOPE_MISMATCH"}, {"watch": [{"code": "OAUTH_SCOPE_MISMATCH"}]}, []]
    for text in bodies:
        account.answers = [body(401, text)]
        with pytest.raises(CrmRefused):
            connection().subscribe(HOOK, NOW, account)
        account.answers = [body(207, lapsed), body(400, text)]
        with pytest.raises(CrmRefused):
            connection().subscribe(HOOK, NOW, account)


def test_a_look_at_the_connection_says_how_its_channels_stand(account: FakeAccount) -> None:
    findings = connection().inspect(HOOK, account)
    assert [(one.topic, one.is_good) for one in findings] == [
        *(("credentials", True), ("webhooks", False), ("webhooks", False))
    ]
    connection().subscribe(HOOK, account.clock.now, account)
    findings = connection().inspect(HOOK, account)
    assert "Leads is told by channel 1000000067001 until 2026-03-11" in findings[1].text
    assert "change channel_id" in connection().inspect(f"{HOOK}-2", account)[1].text
    account.answers = [
        body(200, {"users": [{"full_name": "Connector", "email": "c@example.jp"}]}),
        body(401, {"code": "OAUTH_SCOPE_MISMATCH"}),
    ]
    scopes = connection().inspect(HOOK, account)[-1]
    assert (scopes.topic, scopes.is_good) == ("scopes", False)
    account.answers = [body(403, {"code": "NO_PERMISSION"})]
    with pytest.raises(CrmRefused, match="lacks the right"):
        connection().inspect(HOOK, account)


def test_credits_are_said_when_half_of_them_are_used() -> None:
    users = answer(200, b'{"users": [{"full_name": "C", "email": "c"}]}', {"X-API-CREDITS-REMAINING": "400"})
    api = FakeApi(answers=[users, answer(204)], memo={"access_token": "t", "api_domain": URL})
    findings = connection(modules=("Leads",)).inspect(HOOK, api)
    assert [one.topic for one in findings] == ["credentials", "limits", "webhooks"]
    assert "400 are left" in findings[1].text


@pytest.mark.parametrize(
    ("settings_", "text"),
    [
        ({"data_center": "us"}, "data_center (com, eu"),
        ({"accounts_url": "https://evil.example"}, "accounts_url"),
        ({"api_url": "https://evil.example"}, "api_url"),
        ({"client_id": ""}, "client_id, client_secret and refresh_token"),
        ({"modules": ("Lead",)}, "modules (Leads, Contacts, Deals)"),
        ({"more_fields": ("Budget",)}, "more_fields"),
        ({"pipelines": "maybe"}, "pipelines and timeline (yes or no)"),
        ({"trigger": ("everything",)}, "trigger (approval"),
    ],
)
def test_settings_that_cannot_be_used_are_named(account: FakeAccount, settings_: dict[str, Any], text: str) -> None:
    with pytest.raises(CrmRefused) as caught:
        connection(**settings_).catalog(account)
    assert text in str(caught.value)


def test_further_fields_are_read_of_the_module_they_belong_to(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com", ABM_Status="Latent")
    events = read_events(account, callback(lead), more_fields=("Leads.ABM_Status", "Leads.ABM_Since"))
    assert only(events, Kind.PROFILE).data["ABM_Status"] == "Latent"


def test_the_catalogue_has_stages_users_and_fields(account: FakeAccount) -> None:
    catalog = connection(modules=("Leads", "Deals", "Contacts")).catalog(account)
    assert list(catalog.stages["Leads"][""])[:2] == ["Not Contacted", "Contacted"]
    assert "Closed Won" in catalog.stages["Deals"][""]
    assert [(one.id, one.email, one.is_active) for one in catalog.owners][2] == (MIO.id, MIO.email, False)
    assert catalog.fields["Contacts"]["ABM_Status"] == "ABM Status"
    assert "Closed Won" in connection(pipelines="yes").catalog(account).stages["Deals"]["Standard"]


def test_lists_are_read_to_their_last_page() -> None:
    pages = [
        {"users": [{"id": "1", "full_name": "A", "status": "active"}], "info": {"more_records": more}}
        for more in (True, False)
    ]
    fields = answer(200, b'{"fields": []}')
    api = FakeApi(answers=[fields, *(answer(200, json.dumps(page).encode()) for page in pages)])
    api.memo |= {"access_token": "t", "api_domain": URL}
    assert len(connection(modules=("Leads",)).catalog(api).owners) == 2
    assert [call["params"]["page"] for call in api.calls[1:]] == ["1", "2"]


def test_updates_are_taken_only_with_credentials() -> None:
    assert connection().takes_updates
    assert not Zoho(token=("t",)).takes_updates
    assert connection().greet(posted_form()) is None
    assert isinstance(NOW, datetime)
