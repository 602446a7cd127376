"""Calls Salesforce's REST: an access token that is renewed once it is refused, queries page by page, error codes.

https://developer.salesforce.com/docs/platform/api-rest/guide/errorcodes.html and
https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from connector.adapter_kit.contract import Answer, Api
from connector.adapter_kit.oauth import ACCESS, Tokens
from connector.adapter_kit.rest import RecordGone, as_object, is_good
from connector.core.errors import AccessRefused, CrmError, CrmRefused, CrmUnavailable

Row: TypeAlias = Mapping[str, Any]
ERRORS: Final[Mapping[str, tuple[type[CrmError], str]]] = {
    "UNABLE_TO_LOCK_ROW": (CrmUnavailable, ""),
    "SERVER_UNAVAILABLE": (CrmUnavailable, ""),
    "QUERY_TIMEOUT": (CrmUnavailable, ""),
    "REQUEST_LIMIT_EXCEEDED": (CrmUnavailable, "the organization's API calls are used up"),
    "ENTITY_IS_DELETED": (RecordGone, ""),
    "NOT_FOUND": (RecordGone, ""),
    "CANNOT_UPDATE_CONVERTED_LEAD": (RecordGone, "the lead was converted: its contact and opportunity go on"),
    "INVALID_FIELD": (
        CrmRefused,
        "make the field, or let the integration user see it, or take it out of `push`",
    ),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (CrmRefused, "the mapping writes a value that the list lacks"),
    "INSUFFICIENT_ACCESS_OR_READONLY": (CrmRefused, "the integration user may not change the record"),
    "INVALID_SESSION_ID": (AccessRefused, "the app or its user may not use the REST API"),
    "API_DISABLED_FOR_ORG": (AccessRefused, "the edition has no API, or the user lacks `API Enabled`"),
}
"""Error code → what it means and what to do; others are refusals in Salesforce's own words."""
LIMIT_PAUSES: Final = {True: 900.0, False: 60.0}
"""Seconds until calls are tried again: are the rolling 24 hours used up? Salesforce sends no Retry-After."""
CHUNK: Final = 200
"""Values in one query, and records in one collection: the whole address may have 16,384 bytes."""
_BARRED: Final = ("not valid for use with the REST API", "not attached to Agent")
"""Texts of INVALID_SESSION_ID that a new token does not mend; trying would go round in a circle (jsforce, 2026-06)."""
USER: Final = "user"
UNNAMED: Final = "no user was named"
"""The name that the id of our user is kept under, and what is kept where the answer with the token has none."""
_IDENTITY: Final = re.compile(r"https://[^/]+/id/[A-Za-z0-9]{15,18}/(005[A-Za-z0-9]{15})")
"""The address of a user's identity: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_using_openid.htm"""
_VERSION: Final = re.compile(r"v?([0-9]{2,3})(?:\.0)?")


def error_in(errors: Any) -> CrmError:
    """What a list of errors means; the single-record calls name the code `errorCode`, collections `statusCode`."""
    first = next((error for error in errors if isinstance(error, dict)), {}) if isinstance(errors, list) else {}
    code, text = str(first.get("errorCode") or first.get("statusCode") or ""), str(first.get("message") or "")
    # A lock may hide in the text of an automation that failed on it.
    known = "UNABLE_TO_LOCK_ROW" if "UNABLE_TO_LOCK_ROW" in text else code
    error, advice = ERRORS.get(known, (CrmRefused, ""))
    fields = ", ".join(map(str, first.get("fields") or ()))
    reason = ": ".join(part for part in (code or "no error code", fields, " ".join(text.split())[:300], advice) if part)
    pause = LIMIT_PAUSES["TotalRequests" in text] if known == "REQUEST_LIMIT_EXCEEDED" else None
    return CrmUnavailable(reason, pause) if error is CrmUnavailable else error(reason)


def select(fields: Iterable[str], source: str, *, where: str = "", order: str = "") -> str:
    """A query; of fields named twice only one."""
    parts = ["SELECT", ", ".join(dict.fromkeys(fields)), "FROM", source]
    parts += ["WHERE", where] if where else []
    parts += ["ORDER BY", order] if order else []
    return " ".join(parts)


def among(field: str, values: Iterable[str]) -> str:
    """The condition that a field has one of the values."""
    return f"{field} IN ({', '.join(map(_literal, values))})"


def _literal(text: str) -> str:
    """A text in quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


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
            error = error_in(answer.json())
            # NOT_FOUND of a whole call is that of its address, not of a record.
            raise CrmRefused(str(error)) if isinstance(error, RecordGone) else error
        return answer

    @property
    def user(self) -> str | None:
        """The id of the user that we are, as the answer with the access token names it; None: it does not."""
        if self.api.get_secret(USER) is None:  # the token is of a time when nobody asked who we are
            with suppress(CrmError):
                self._issued()
        user = self.api.get_secret(USER)
        return None if user == UNNAMED else user

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
        given = as_object(answer.json())
        token = given.get(ACCESS)
        if not isinstance(token, str) or not token:
            words = ": ".join(str(given.get(part)) for part in ("error", "error_description") if given.get(part))
            message = (
                f"no access token ({words or answer.status}): check url, client_id, client_secret and the app's user"
            )
            raise CrmRefused(message)
        user = _IDENTITY.fullmatch(str(given.get("id")))
        self.api.set_secret(USER, user[1] if user else UNNAMED)
        return token


def _is_expired(answer: Answer) -> bool:
    text = answer.body.decode(errors="replace")
    return answer.status == 401 and not any(barred in text for barred in _BARRED)  # noqa: PLR2004 - unauthorized
