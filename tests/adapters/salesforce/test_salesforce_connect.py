"""The Salesforce adapter's tokens, settings, catalogue, and what a look at the connection shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.salesforce import Salesforce
from connector.core.errors import CrmRefused
from connector.emulators.salesforce.state import ORGANIZATION
from tests.adapters.salesforce.fake import (
    KEN,
    UNSEEN,
    URL,
    YUKI,
    FakeOrg,
    callout,
    connection,
    push_updates,
    read_events,
    update_for,
)
from tests.adapters.salesforce.signing import SIGNING
from tests.adapters.served import body
from tests.adapters.support import FakeApi, answer


def test_a_token_that_ran_out_is_renewed_once_and_shared(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    read_events(org, callout(lead))
    org.crm.rest.tokens.clear()
    org.calls.clear()
    read_events(org, callout(lead))
    assert sum("oauth2" in call for call in org.calls) == 1
    assert org.keeps["access_token"] == org.memo["access_token"]
    org.memo["access_token"] = "another process has renewed it"
    org.calls.clear()
    read_events(org, callout(lead))
    assert not any("oauth2" in call for call in org.calls)
    org.memo.clear()
    read_events(org, callout(lead))
    assert not any("oauth2" in call for call in org.calls)


def test_a_session_that_no_token_mends_is_refused_without_going_round_in_a_circle(org: FakeOrg) -> None:
    text = "This session is not valid for use with the REST API"
    org.answers = [body(401, [{"errorCode": "INVALID_SESSION_ID", "message": text}])]
    with pytest.raises(CrmRefused, match="may not use the REST API"):
        push_updates(org, update_for(UNSEEN, owner=KEN.email, Status="x"))
    assert sum("oauth2" in call for call in org.calls) == 1


def test_wrong_credentials_are_named_and_not_repeated(org: FakeOrg) -> None:
    with pytest.raises(CrmRefused, match="invalid_client: invalid client credentials") as caught:
        connection(client_secret=("wrong-secret",)).catalog(org)
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"[]", b'{"access_token": 1}'])
def test_a_token_answer_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(CrmRefused, match="no access token \\(400\\)"):
        connection().catalog(FakeApi(answers=[answer(400, body)]))


@pytest.mark.parametrize(
    ("settings_", "reason"),
    [
        ({"url": "http://acme.example"}, "url ("),
        ({"url": "http://["}, "url ("),
        ({"url": "https://acme.example/services"}, "url ("),
        ({"client_secret": ()}, "client_id and client_secret"),
        ({"objects": ("Lead", "lead")}, "objects (Lead, Contact, Opportunity)"),
        ({"more_fields": ("Budget__c",)}, "more_fields"),
        ({"more_fields": ("Lead.Budget__c, Id",)}, "more_fields"),
        ({"contacts": "first"}, "contacts (primary or all)"),
        ({"history": "maybe"}, "history (auto, yes or no)"),
        ({"version": "latest"}, "version (such as 66.0)"),
    ],
)
def test_settings_that_cannot_be_used_are_named(org: FakeOrg, settings_: dict[str, Any], reason: str) -> None:
    with pytest.raises(CrmRefused) as caught:
        connection(**settings_).catalog(org)
    assert reason in str(caught.value)


def test_updates_are_taken_only_with_credentials() -> None:
    assert connection().takes_updates
    assert not Salesforce(token=("t",)).takes_updates


def test_the_catalogue_has_stages_users_and_fields(org: FakeOrg) -> None:
    catalog = connection(version="v66").catalog(org)
    assert list(catalog.stages["Lead"][""]) == [
        *("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
    ]
    assert "Closed Won" in catalog.stages["Opportunity"][""]
    assert [(one.id, one.email, one.is_active) for one in catalog.owners][2] == (YUKI.id, YUKI.email, False)
    assert "ABM_Status__c" in catalog.fields["Lead"]
    assert list(connection(objects=("Lead",)).catalog(org).stages) == ["Lead"]


def test_a_look_at_the_connection_says_how_it_stands(org: FakeOrg) -> None:
    findings = connection(organization_id=ORGANIZATION[:15]).inspect(f"{URL}/hook", org)
    assert [(one.topic, one.is_good) for one in findings] == [
        *(("credentials", True), ("limits", True), ("fields", True), ("webhooks", True))
    ]
    assert f"{URL}/hook?token=<token>" in findings[-1].text
    org.crm.tables.is_tracked = False
    org.memo.clear()
    findings = connection(organization_id="00D5g000004XkLn").inspect(f"{URL}/hook", org)
    assert [one.is_good for one in findings] == [False, True, False, True]
    assert "lacks Status and Owner" in findings[2].text


def test_calls_that_are_used_up_are_said_and_a_missing_count_is_not(org: FakeOrg) -> None:
    row = {"Id": ORGANIZATION, "Name": "Example", "IsSandbox": True}
    org.answers = [body(200, {"records": [row], "done": True})]
    findings = connection(history="yes").inspect(URL, org)
    assert [one.topic for one in findings] == ["credentials", "fields", "webhooks"]
    assert "sandbox" in findings[0].text


def test_nothing_is_subscribed_by_call(org: FakeOrg) -> None:
    assert connection().subscribe(URL, datetime.now(UTC), org) is None
    assert connection().greet(SIGNING.delivery) is None
