"""What a look at a HubSpot connection shows: token, scopes, limits left, and the address that is signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from adapters.hubspot.client import OBJECTS, Account, good, refusal
from adapters.hubspot.read import Source
from connector.adapter_kit.contract import InspectionResult
from connector.adapter_kit.rest import is_good

_REMAINING = "x-hubspot-ratelimit-daily-remaining"
_DAILY = "x-hubspot-ratelimit-daily"


def inspect(
    source: Source, objects: Sequence[str], url: str, webhook_url: str, portal_id: str
) -> list[InspectionResult]:
    """The findings, in the order in which they are to be mended. Raises `CrmUnavailable` when nothing answers."""
    account = source.account
    answer = account.get(_details(account))
    if answer.status == 401:  # noqa: PLR2004 - nothing else can be asked
        return [InspectionResult(topic="credentials", is_good=False, text=refusal(answer)), _address(url, webhook_url)]
    found = str(good(answer).get("portalId") or "") if is_good(answer) else ""
    is_same = not portal_id or not found or portal_id == found
    says = f"the token works, for the account {found or '(unknown)'}"
    wrong = f"the token is for the account {found}, but portal_id is {portal_id}: set one of the two right"
    return [
        InspectionResult(topic="credentials", is_good=is_same, text=says if is_same else wrong),
        *_scopes(account, objects),
        *_limits(answer.headers),
        _address(url, webhook_url),
    ]


def _details(account: Account) -> str:
    return f"{account.url}/account-info/{account.version}/details"


def _scopes(account: Account, objects: Sequence[str]) -> Iterator[InspectionResult]:
    words = [OBJECTS[record_object] for record_object in objects]
    places = {f"crm.objects.{word}.read": account.path("objects", f"/{word}") for word in words}
    for scope, place in {**places, "crm.objects.owners.read": account.path("owners")}.items():
        answer = account.get(place, limit="1")
        has_scope = is_good(answer)
        text = f"{scope} is granted" if has_scope else f"{scope} is missing: {refusal(answer)}"
        yield InspectionResult(topic="scopes", is_good=has_scope, text=text)
    yield InspectionResult(
        topic="scopes", is_good=True, text="whether records may be written is seen at the first update only"
    )


def _limits(headers: Mapping[str, str]) -> Iterator[InspectionResult]:
    by_name = {name.casefold(): value for name, value in headers.items()}
    left, most = by_name.get(_REMAINING, ""), by_name.get(_DAILY, "")
    if left.isdecimal():
        text = f"{left} of {most or '?'} calls are left today, for all that call this account"
        yield InspectionResult(topic="limits", is_good=int(left) > 0, text=text)


def _address(url: str, webhook_url: str) -> InspectionResult:
    """HubSpot does not tell an account's token where an app's webhooks go: the app's settings have to be compared."""
    if webhook_url != url:
        text = f"webhook_url is {webhook_url or 'empty'}, but deliveries come in at {url}: set webhook_url to that"
        return InspectionResult(topic="webhooks", is_good=False, text=text)
    text = f"compare by eye: the app's target URL in HubSpot must be {url}, and its subscriptions must be active"
    return InspectionResult(topic="webhooks", is_good=True, text=text)
