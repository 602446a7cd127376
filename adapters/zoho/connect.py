"""Registers and renews Zoho CRM's notification channels, and says how they and the connection stand.

https://www.zoho.com/crm/developer/docs/api/v8/notifications/enable.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.zoho.client import Account, Row, error_in
from connector.adapter_kit.contract import InspectionResult
from connector.core.errors import CrmRefused

LIFE: Final = timedelta(days=7) - timedelta(hours=1)
"""A week is the most; a channel that is to live longer gets one hour."""
RENEWED: Final = timedelta(days=1)
WATCH: Final = "actions/watch"


def channel_ids(first: int, modules: Sequence[str]) -> Mapping[str, str]:
    """Channel id → module: one channel for each."""
    return {str(first + place): module for place, module in enumerate(modules)}


def subscribe(account: Account, channels: Mapping[str, str], url: str, token: str, now: datetime) -> datetime:
    """Renew the channels, and make those that are not there (any more); when to do so again. Raises `CrmError`."""
    expiry = (now + LIFE).replace(microsecond=0).isoformat()
    wanted = [
        {
            "channel_id": int(channel),
            "events": [f"{module}.all"],
            "notify_url": url,
            "token": token,
            "channel_expiry": expiry,
            "return_affected_field_values": False,
            "notify_on_related_action": False,
        }
        for channel, module in channels.items()
    ]
    lapsed = _unsubscribed(account, "PUT", wanted)
    if lapsed:
        _unsubscribed(account, "POST", lapsed, is_last=True)
    return now + RENEWED


def inspect(account: Account, channels: Mapping[str, str], url: str) -> list[InspectionResult]:
    """Who the connector is, which channels lead to the address, and the credits left. Raises `CrmError`."""
    answer = account.send("GET", "users", params={"type": "CurrentUser"})
    users = answer.json().get("users") or []
    if not users:
        raise error_in(answer.json())
    name = f"{users[0].get('full_name')} ({users[0].get('email')})"
    findings = [InspectionResult(topic="credentials", is_good=True, text=f"logged in as {name}")]
    headers = {key.casefold(): value for key, value in answer.headers.items()}
    if left := headers.get("x-api-credits-remaining"):
        findings.append(
            InspectionResult(topic="limits", is_good=False, text=f"half of the credits are used; {left} are left")
        )
    try:
        found = list(account.pages(WATCH, "watch"))
    except CrmRefused as error:
        text = f"the channels cannot be read: {error}"
        return [*findings, InspectionResult(topic="scopes", is_good=False, text=text)]
    return [*findings, *(_channel(found, channel, module, url) for channel, module in channels.items())]


def _channel(found: Sequence[Row], channel: str, module: str, url: str) -> InspectionResult:
    ours = next((row for row in found if str(row.get("channel_id")) == channel), None)
    if ours is None:
        text = f"no channel for {module}: it is made as soon as the connector's public address is set"
        return InspectionResult(topic="webhooks", is_good=False, text=text)
    if ours.get("notify_url") != url:
        text = f"the channel {channel} for {module} leads to {str(ours.get('notify_url'))[:200]}, not to {url}"
        return InspectionResult(
            topic="webhooks", is_good=False, text=f"{text}: another connection has it; change channel_id"
        )
    text = f"{module} is told by channel {channel} until {ours.get('channel_expiry')}"
    return InspectionResult(topic="webhooks", is_good=True, text=text)


def _unsubscribed(account: Account, method: str, wanted: Sequence[Any], *, is_last: bool = False) -> list[Any]:
    """The channels that are not there (any more). Raises `CrmError` for what a new one does not mend."""
    body = account.send(method, WATCH, json={"watch": list(wanted)}).json()
    answers = body.get("watch") if isinstance(body, dict) else None
    if not isinstance(answers, list) or len(answers) != len(wanted):
        raise error_in(answers[0] if isinstance(answers, list) and answers else body)
    for answer in answers:
        if answer.get("code") not in ({"SUCCESS"} if is_last else {"SUCCESS", "NOT_SUBSCRIBED"}):
            raise error_in(answer)
    pairs = zip(wanted, answers, strict=True)
    return [channel for channel, answer in pairs if answer.get("code") == "NOT_SUBSCRIBED"]
