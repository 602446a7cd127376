"""The HubSpot adapter's tokens, settings, catalogue, and what a look at the connection shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from connector.adapter_kit.contract import InspectionResult, PushOutcome
from connector.core.errors import CrmRefused
from connector.emulators.hubspot.crm import PORTAL, PUBLIC_URL
from tests.adapters.hubspot.fake import DANA, NOOR, Account, delivery, happened
from tests.adapters.served import body


def test_an_expired_access_token_is_renewed_once_and_kept_for_every_process(account: Account) -> None:
    record = account.crm.add("a@x.example")
    assert account.push(record, abm_status="Explicit").outcome is PushOutcome.DONE
    before = account.api.keeps["access_token"]
    account.clock.forward(hours=1)
    assert account.push(record, abm_status="Latent").outcome is PushOutcome.DONE
    assert account.api.keeps["access_token"] != before
    assert account.api.calls.count("POST /oauth/2026-09/token") == 2


def test_a_refresh_token_that_is_refused_is_told(account: Account) -> None:
    account.adapter = replace(account.adapter, refresh_token=("wrong",))
    with pytest.raises(CrmRefused, match="install the app again"):
        account.adapter.catalog(account.api)
    account.api.instead["/token"] = [body(200, {"access_token": "t"})]
    with pytest.raises(CrmRefused, match="install the app again"):
        account.adapter.catalog(account.api)
    assert account.api.keeps == {"access_token": "t"}


def test_a_static_token_is_sent_as_it_is_and_never_renewed(account: Account) -> None:
    account.adapter = replace(account.adapter, access_token=("pat-new", "pat-old"), refresh_token=())
    with pytest.raises(CrmRefused, match="make a new one and set access_token"):
        account.adapter.catalog(account.api)
    assert account.api.calls == ["GET /crm/properties/2026-09/contacts"]


def test_without_any_token_nothing_is_asked_for(account: Account) -> None:
    account.adapter = replace(account.adapter, refresh_token=())
    assert not account.adapter.takes_updates
    with pytest.raises(CrmRefused, match="no credentials"):
        account.adapter.catalog(account.api)


def test_the_numbered_version_has_its_own_paths(account: Account) -> None:
    account.adapter = replace(account.adapter, access_token=("pat",), api_version="v3")
    account.api.instead["/crm/v3/objects/deals/batch/read"] = [body(200, {"results": [{"id": "5", "properties": {}}]})]
    account.api.instead["/crm/v4/associations/deals/contacts/batch/read"] = [body(200, {"results": []})]
    account.api.instead["/crm/v3/objects/contacts/batch/read"] = [body(200, {})]
    account.api.instead["/crm/v3/pipelines/deals"] = [body(200, {"results": []})]
    one = delivery(happened("5", "deal.creation"))
    assert account.adapter.fetch([one], account.api)["deal:5"] == {"id": "5", "properties": {}, "contacts": []}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"objects": ("company",)}, "objects"),
        ({"contact_stage": "stage"}, "contact_stage"),
        ({"contacts": "two"}, "contacts"),
        ({"api_url": "http://api.hubapi.com"}, "api_url"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(account: Account, settings: Any, name: str) -> None:
    with pytest.raises(CrmRefused, match=name):
        replace(account.adapter, **settings).catalog(account.api)


def test_the_catalogue_has_stages_owners_and_properties(account: Account) -> None:
    catalog = account.adapter.catalog(account.api)
    assert catalog.stages["contact"][""]["subscriber"] == "Subscriber"
    assert set(catalog.stages["deal"]) == {"default", "81230044"}
    assert [(one.email, one.is_active) for one in catalog.owners] == [
        (DANA, True),
        (NOOR, True),
        ("former@example.com", False),
    ]
    assert catalog.fields["contact"]["abm_status"] == "Abm status"
    only = replace(account.adapter, objects=("contact",)).catalog(account.api)
    assert set(only.stages) == {"contact"}


def _texts(findings: Sequence[InspectionResult]) -> list[tuple[str, bool]]:
    return [(finding.topic, finding.is_good) for finding in findings]


def test_inspection_shows_token_scopes_limits_and_address(account: Account) -> None:
    findings = account.adapter.inspect(PUBLIC_URL, account.api)
    assert _texts(findings) == [("credentials", True)] + [("scopes", True)] * 4 + [("limits", True), ("webhooks", True)]


def test_inspection_shows_what_is_wrong(account: Account) -> None:
    account.adapter = replace(account.adapter, portal_id="7", webhook_url="")
    account.api.instead["/owners/2026-09"] = [body(403, {"message": "no"})]
    account.api.instead["/details"] = [body(200, {"portalId": PORTAL})]
    findings = account.adapter.inspect("https://c.example/webhooks/h", account.api)
    assert _texts(findings) == [
        ("credentials", False),
        ("scopes", True),
        ("scopes", True),
        ("scopes", False),
        ("scopes", True),
        ("webhooks", False),
    ]
    assert "webhook_url is empty" in findings[-1].text


def test_inspection_of_a_refused_token_asks_for_nothing_else(account: Account) -> None:
    account.adapter = replace(account.adapter, access_token=("pat",))
    findings = account.adapter.inspect(PUBLIC_URL, account.api)
    assert _texts(findings) == [("credentials", False), ("webhooks", True)]
    account.adapter = replace(account.adapter, access_token=())
    account.api.instead["/details"] = [body(403, {})]
    assert account.adapter.inspect(PUBLIC_URL, account.api)[0].is_good
