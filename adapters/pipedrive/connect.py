"""Registers the webhooks of a Pipedrive connection, looks after them, and shows what works and what does not.

https://pipedrive.readme.io/docs/guide-for-webhooks-v2
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.pipedrive.client import NOT_FOUND, Company, good, refusal, rows_of
from connector.adapter_kit.contract import Answer, InspectionResult
from connector.adapter_kit.rest import is_good
from connector.core.errors import CrmRefused

WEBHOOKS: Final = "/v1/webhooks"
AGAIN: Final = timedelta(days=1)
"""Pipedrive deletes webhooks that failed for three days: whether they are still there is looked at once a day."""
MOST: Final = 40
NAME: Final = "Connector"
_REMAINING: Final = "x-daily-ratelimit-token-remaining"
_OLD_REMAINING: Final = "x-daily-requests-left"


def subscribe(company: Company, objects: Sequence[str], url: str, now: datetime, account: tuple[str, str]) -> datetime:
    """Make the webhooks that are missing, and those anew whose password is an old one; when to look again.

    `account`: user and password of basic authentication. Raises `CrmRefused` and `CrmUnavailable`.
    """
    user, password = account
    if not password:
        message = "no webhook is made without a password: set http_password"
        raise CrmRefused(message)
    mark = hashlib.sha256(f"{user}:{password}".encode()).hexdigest()[:16]
    is_known = company.api.get_secret("webhooks' password") == mark
    ours = _ours(company, url)
    for row in ours:
        if not (is_known and _is_good(row)):
            answer = company.call("DELETE", f"{WEBHOOKS}/{row['id']}")
            if answer.status not in NOT_FOUND:
                good(answer)
    there = {row.get("event_object") for row in ours if is_known and _is_good(row)}
    for record_object in objects:
        if not {record_object, "*"} & there:
            good(company.call("POST", WEBHOOKS, _wanted(record_object, url, account)))
    company.api.set_secret("webhooks' password", mark)
    return now + AGAIN


def inspect(company: Company, objects: Sequence[str], url: str, *, has_password: bool) -> list[InspectionResult]:
    """The findings. Raises `CrmUnavailable` when nothing answers."""
    answer = company.call("GET", "/v1/users/me")
    if not is_good(answer):
        return [InspectionResult(topic="credentials", is_good=False, text=refusal(answer))]
    me = good(answer).get("data") or {}
    who = f"{me.get('name')} ({me.get('email')})"
    return [
        InspectionResult(
            topic="credentials", is_good=True, text=f"the token works, as the user {who} of {me.get('company_name')}"
        ),
        *_limits(answer),
        *_scopes(company),
        *_webhooks(company, objects, url, has_password=has_password),
    ]


def _ours(company: Company, url: str) -> list[Mapping[str, Any]]:
    return [row for row in rows_of(company.read(WEBHOOKS)) if row.get("subscription_url") == url]


def _is_good(row: Mapping[str, Any]) -> bool:
    return row.get("is_active") != 0 and str(row.get("version")) == "2.0" and row.get("event_action") == "*"


def _wanted(record_object: str, url: str, account: tuple[str, str]) -> dict[str, str]:
    return {
        "subscription_url": url,
        "event_action": "*",
        "event_object": record_object,
        "name": f"{NAME}: {record_object}",
        "version": "2.0",
        "http_auth_user": account[0],
        "http_auth_password": account[1],
    }


def _limits(answer: Answer) -> Iterator[InspectionResult]:
    headers = {name.casefold(): value for name, value in answer.headers.items()}
    left = headers.get(_REMAINING) or headers.get(_OLD_REMAINING) or ""
    if left.isdecimal():
        yield InspectionResult(
            topic="limits", is_good=int(left) > 0, text=f"{left} tokens of the day's budget are left"
        )


def _scopes(company: Company) -> Iterator[InspectionResult]:
    for place, what in (("/api/v2/deals", "deals"), ("/api/v2/persons", "persons"), ("/v1/users", "users")):
        answer = company.call("GET", place, limit="1")
        text = f"{what} can be read" if is_good(answer) else f"{what} cannot be read: {refusal(answer)}"
        yield InspectionResult(topic="scopes", is_good=is_good(answer), text=text)


def _webhooks(company: Company, objects: Sequence[str], url: str, *, has_password: bool) -> Iterator[InspectionResult]:
    answer = company.call("GET", WEBHOOKS)
    if not is_good(answer):
        yield InspectionResult(topic="webhooks", is_good=False, text=f"webhooks cannot be listed: {refusal(answer)}")
        return
    if not has_password:
        text = "http_password is not set: every delivery is refused, and no webhook is made"
        yield InspectionResult(topic="webhooks", is_good=False, text=text)
    rows = rows_of(good(answer))
    ours = {row.get("event_object") for row in rows if row.get("subscription_url") == url and _is_good(row)}
    for record_object in objects:
        is_there = bool({record_object, "*"} & ours)
        missing = f"no webhook for {record_object} goes to {url}: it is made at the next upkeep"
        text = f"the webhook for {record_object} goes to {url}" if is_there else missing
        yield InspectionResult(topic="webhooks", is_good=is_there, text=text)
    if len(rows) >= MOST:
        text = f"{len(rows)} webhooks are there, of {MOST} that a user may have: delete those that nobody needs"
        yield InspectionResult(topic="webhooks", is_good=False, text=text)
