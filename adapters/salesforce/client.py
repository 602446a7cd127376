"""Calls Salesforce's REST: an access token that is renewed once it is refused, queries page by page, error codes.

https://developer.salesforce.com/docs/platform/api-rest/guide/errorcodes.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from connector.adapter_kit.contract import Answer, Api, PushOutcome
from connector.adapter_kit.oauth import ACCESS, Tokens
from connector.adapter_kit.rest import is_good, named
from connector.adapter_kit.update_plan import Failure
from connector.core.errors import CrmRefused

Row: TypeAlias = Mapping[str, Any]
ERRORS: Final[Mapping[str, tuple[PushOutcome, str]]] = {
    "UNABLE_TO_LOCK_ROW": (PushOutcome.LATER, ""),
    "SERVER_UNAVAILABLE": (PushOutcome.LATER, ""),
    "QUERY_TIMEOUT": (PushOutcome.LATER, ""),
    "REQUEST_LIMIT_EXCEEDED": (PushOutcome.LATER, "the organization's API calls are used up"),
    "ENTITY_IS_DELETED": (PushOutcome.GONE, ""),
    "NOT_FOUND": (PushOutcome.GONE, ""),
    "CANNOT_UPDATE_CONVERTED_LEAD": (PushOutcome.GONE, "the lead was converted: its contact and opportunity go on"),
    "INVALID_FIELD": (
        PushOutcome.REFUSED,
        "make the field, or let the integration user see it, or take it out of `push`",
    ),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (PushOutcome.REFUSED, "the mapping writes a value that the list lacks"),
    "INSUFFICIENT_ACCESS_OR_READONLY": (PushOutcome.REFUSED, "the integration user may not change the record"),
    "INVALID_SESSION_ID": (PushOutcome.REFUSED, "the app or its user may not use the REST API"),
    "API_DISABLED_FOR_ORG": (PushOutcome.REFUSED, "the edition has no API, or the user lacks `API Enabled`"),
}
"""Error code → what it means and what to do; others are refusals in Salesforce's own words."""
LIMIT_PAUSES: Final = {True: 900.0, False: 60.0}
"""Seconds until calls are tried again: are the rolling 24 hours used up? Salesforce sends no Retry-After."""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_BARRED: Final = ("not valid for use with the REST API", "not attached to Agent")
"""Texts of INVALID_SESSION_ID that a new token does not mend; trying would go round in a circle (jsforce, 2026-06)."""
_VERSION: Final = re.compile(r"v?([0-9]{2,3})(?:\.0)?")


def failure_of(errors: Any) -> Failure:
    """What a list of errors means; the single-record calls name the code `errorCode`, collections `statusCode`."""
    first = next((one for one in errors if isinstance(one, dict)), {}) if isinstance(errors, list) else {}
    code, text = str(first.get("errorCode") or first.get("statusCode") or ""), str(first.get("message") or "")
    # A lock may hide in the text of an automation that failed on it.
    known = "UNABLE_TO_LOCK_ROW" if "UNABLE_TO_LOCK_ROW" in text else code
    outcome, advice = ERRORS.get(known, (PushOutcome.REFUSED, ""))
    fields = ", ".join(map(str, first.get("fields") or ()))
    reason = ": ".join(part for part in (code or "no error code", fields, " ".join(text.split())[:300], advice) if part)
    pause = LIMIT_PAUSES["TotalRequests" in text] if known == "REQUEST_LIMIT_EXCEEDED" else None
    return Failure(outcome=outcome, reason=reason, retry_after=pause)


def is_address(url: str) -> bool:
    """Whether it is the address of an organization, by HTTPS or on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    return is_safe and bool(parts.hostname) and parts.path in {"", "/"}


def version_of(given: str) -> str | None:
    """`v66.0` for `66`, `66.0` and `v66.0`; None: it is no version."""
    match = _VERSION.fullmatch(given.strip())
    return f"v{match[1]}.0" if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Org:
    """One organization, called through `api`; `url` is its My Domain address, `version` as `v66.0`."""

    api: Api
    url: str
    version: str
    client_id: str
    client_secret: str

    def call(self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None) -> Answer:
        """The answer to a good call; a path without `/` in front is below the version. Raises `CrmError`."""
        url = self.url.rstrip("/") + (path if path.startswith("/") else f"/services/data/{self.version}/{path}")
        tokens = Tokens(api=self.api, issue=self._issued)
        answer = tokens.send(lambda token: self._send(method, url, token, json, params), _is_expired)
        if not is_good(answer):
            raise failure_of(answer.json()).error()
        return answer

    def query(self, soql: str, *, with_deleted: bool = False) -> Iterator[Row]:
        """The rows of a query, all pages. Raises `CrmError`."""
        answer = self.call("GET", "queryAll" if with_deleted else "query", params={"q": soql}).json()
        while True:
            yield from answer["records"]
            following = answer.get("nextRecordsUrl")
            if answer.get("done", True) or not following:
                return
            answer = self.call("GET", following).json()

    def _send(self, method: str, url: str, token: str, json: Any, params: Mapping[str, str] | None) -> Answer:
        # Without the second header, active assignment rules may overwrite the owner that was just written.
        headers = {"Authorization": f"Bearer {token}", "Sforce-Auto-Assign": "FALSE"}
        return self.api.call(method, url, json=json, params=params, headers=headers)

    def _issued(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        answer = self.api.call("POST", f"{self.url.rstrip('/')}/services/oauth2/token", data=form)
        given = named(answer.json())
        token = given.get(ACCESS)
        if not isinstance(token, str) or not token:
            said = ": ".join(str(given.get(part)) for part in ("error", "error_description") if given.get(part))
            message = (
                f"no access token ({said or answer.status}): check url, client_id, client_secret and the app's user"
            )
            raise CrmRefused(message)
        return token


def _is_expired(answer: Answer) -> bool:
    text = answer.body.decode(errors="replace")
    return answer.status == 401 and not any(barred in text for barred in _BARRED)  # noqa: PLR2004 - unauthorized
