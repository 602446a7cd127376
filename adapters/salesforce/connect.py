"""Says in plain words how a connection to Salesforce stands: credentials, calls left, history, webhooks."""

from __future__ import annotations

import re
from typing import Final

from adapters.salesforce.read import Source
from adapters.salesforce.webhook import long_id
from connector.adapter_kit.contract import InspectionResult

_USAGE: Final = re.compile(r"api-usage=([0-9]+)/([0-9]+)")
_FEW: Final = 0.9
"""From this share of the day's calls on it is said."""


def inspect(source: Source, organization_id: str, url: str) -> list[InspectionResult]:
    """The findings. Raises `CrmError` when nothing answers."""
    answer = source.org.call("GET", "query", params={"q": "SELECT Id, Name, IsSandbox FROM Organization"})
    (org,) = answer.json()["records"]
    kind = "sandbox" if org.get("IsSandbox") else "production"
    findings = [_organization(org["Id"], f"{org['Name']} ({kind}, {org['Id']})", organization_id)]
    headers = {name.casefold(): value for name, value in answer.headers.items()}
    if used := _USAGE.search(headers.get("sforce-limit-info", "")):
        count, most = int(used[1]), int(used[2])
        text = f"{count} of {most} API calls of 24 hours are used"
        findings.append(InspectionResult(topic="limits", is_good=count < most * _FEW, text=text))
    findings.append(_history(source.tracked()))
    by_hand = (
        f"Salesforce does not say where outbound messages and callouts go: send them to {url}?token=<token>, "
        "or with the token's header"
    )
    return [*findings, InspectionResult(topic="webhooks", is_good=True, text=by_hand)]


def _organization(found: str, name: str, wanted: str) -> InspectionResult:
    is_right = not wanted or long_id(found) == long_id(wanted)
    text = f"logged in to {name}" if is_right else f"logged in to {name}, but organization_id is {wanted}: correct one"
    return InspectionResult(topic="credentials", is_good=is_right, text=text)


def _history(tracked: frozenset[str]) -> InspectionResult:
    missing = [name for name in ("Status", "Owner") if name not in tracked]
    if not missing:
        return InspectionResult(topic="fields", is_good=True, text="the history of leads has their Status and Owner")
    advice = (
        "Setup → Object Manager → Lead → Fields & Relationships → Set History Tracking: tick Lead Status and Lead Owner"
    )
    text = f"the history of leads lacks {' and '.join(missing)}, so changes are dated by the record's newest: {advice}"
    return InspectionResult(topic="fields", is_good=False, text=text)
