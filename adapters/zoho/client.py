"""Calls Zoho CRM's REST: an access token renewed from the refresh token, queries by COQL, error codes.

https://www.zoho.com/crm/developer/docs/api/v8/ and https://www.zoho.com/crm/developer/docs/api/v8/multi-dc.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from connector.adapter_kit.contract import Answer, Api
from connector.adapter_kit.oauth import ACCESS, Tokens, refresh_token, rotate
from connector.adapter_kit.rest import Forbidden, RecordGone, as_object, is_good
from connector.adapter_kit.settings import is_loopback, is_safe_address, may_follow
from connector.core.errors import AccessRefused, CrmError, CrmRefused, CrmUnavailable

Row: TypeAlias = Mapping[str, Any]


class UnderBlueprint(CrmRefused):
    """The stage of the record changes by the transitions of a blueprint only."""


ACCOUNTS: Final[Mapping[str, str]] = {
    **{word: f"https://accounts.zoho.{word}" for word in ("com", "eu", "in", "com.au", "jp", "com.cn", "sa", "uk")},
    "ca": "https://accounts.zohocloud.ca",
}
"""Data centre → where access tokens come from.

As the vendor's SDKs have them (https://github.com/zoho/zohocrm-ruby-sdk-8.0: `SADataCenter`); UK as other vendors'
integrations have it, for the SDKs of 2025 do not.
"""
ERRORS: Final[Mapping[str, tuple[type[CrmError], str]]] = {
    "RECORD_LOCKED": (CrmUnavailable, ""),
    "TOO_MANY_REQUESTS": (CrmUnavailable, ""),
    "LIMIT_EXCEEDED": (CrmUnavailable, "the credits of 24 hours are used up"),
    "INTERNAL_ERROR": (CrmUnavailable, ""),
    "INVALID_TOKEN": (AccessRefused, "check data_center and refresh_token"),
    "AUTHENTICATION_FAILURE": (AccessRefused, "check data_center and refresh_token"),
    "OAUTH_SCOPE_MISMATCH": (AccessRefused, "make a refresh token with the scopes of the documentation"),
    "NO_PERMISSION": (Forbidden, "the connector's user lacks the right"),
    "RECORD_IN_BLUEPRINT": (UnderBlueprint, "a blueprint allows only its transitions"),
}
"""Error code → what it means and what to do; others are refusals in Zoho's own words."""
SLOWLY: Final = 900.0
"""Seconds until calls are tried again when credits are used up; Zoho sends no Retry-After."""
CHUNK: Final = 50
"""Values that a COQL condition takes."""
PAGE: Final = 200
_EXPIRED: Final = frozenset({"INVALID_TOKEN", "AUTHENTICATION_FAILURE"})
_HOST: Final = re.compile(r"(?:[a-z0-9-]+\.)?(?:zohoapis\.(?:com|eu|in|com\.au|jp|com\.cn|ca|sa|uk)|zohocloud\.ca)")
_DOMAIN: Final = "api_domain"


def error_in(answer: Any) -> CrmError:
    """What an error object means: `{code, details: {api_name}, message}`."""
    found = as_object(answer)
    code, field = str(found.get("code") or "no error code"), str(as_object(found.get("details")).get("api_name") or "")
    error, advice = ERRORS.get(code, (CrmRefused, ""))
    if (code, field) == ("INVALID_DATA", "id"):
        error, advice = RecordGone, "there is no such record"
    text = " ".join(str(found.get("message") or "").split())[:300]
    reason = ": ".join(part for part in (code, field, text, advice) if part)
    if error is CrmUnavailable:
        return CrmUnavailable(reason, SLOWLY if code == "LIMIT_EXCEEDED" else None)
    return error(reason)


def is_address(url: str) -> bool:
    """Whether tokens may be sent there: an address of Zoho by HTTPS, or this machine."""
    if not is_safe_address(url):
        return False
    is_of_zoho = _HOST.fullmatch(urlsplit(url).hostname or "") or url.rstrip("/") in ACCOUNTS.values()
    return is_loopback(url) or bool(is_of_zoho)


def among(ids: Iterable[str]) -> str:
    """The condition that a record has one of the ids, which hold digits only."""
    return "id in ({})".format(", ".join(f"'{id_}'" for id_ in ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account of Zoho CRM, called through `api`. `accounts`: where tokens come from; `base`: empty, as they say."""

    api: Api
    accounts: str
    base: str
    client_id: str
    client_secret: str
    refresh_token: str

    def send(self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None) -> Answer:
        """The answer whatever it says, with a good token. Raises `CrmError`."""

        def send(token: str) -> Answer:
            headers = {"Authorization": f"Zoho-oauthtoken {token}"}
            return self.api.call(method, self._base() + path, json=json, params=params, headers=headers)

        return Tokens(api=self.api, issue=self._issued).send(send, _is_expired)

    def call(self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None) -> Row:
        """The body of a good call; of one that found nothing, which has none, `{}`. Raises `CrmError`."""
        answer = self.send(method, path, json=json, params=params)
        body = _read(answer)
        if not is_good(answer):
            raise error_in(body)
        return body

    def select(self, fields: Iterable[str], module: str, where: str, tail: str = "") -> list[Row]:
        """The records of a COQL query, at most 200. Raises `CrmError`."""
        words = ("select", ", ".join(dict.fromkeys(("id", *fields))), "from", module, "where", where, tail)
        query = " ".join(word for word in words if word)
        rows: list[Row] = self.call("POST", "coql", json={"select_query": query}).get("data", [])
        return rows

    def pages(self, path: str, name: str, **params: str) -> Iterator[Row]:
        """The rows of a list, all pages. Raises `CrmError`."""
        number = 1
        while True:
            body = self.call("GET", path, params={**params, "page": str(number), "per_page": str(PAGE)})
            yield from body.get(name, [])
            if not (body.get("info") or {}).get("more_records"):
                return
            number += 1

    def _base(self) -> str:
        """The address that goes with the token, as Zoho names it or the connection does."""
        if _DOMAIN not in self.api.memo:
            self.api.memo[_DOMAIN] = self.api.get_secret(_DOMAIN) or ""
        return f"{(self.base or self.api.memo[_DOMAIN]).rstrip('/')}/crm/v8/"

    def _issued(self) -> str:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": refresh_token(self.api, self.refresh_token),
        }
        answer = self.api.call("POST", f"{self.accounts.rstrip('/')}/oauth/v2/token", data=form)
        given = _read(answer)
        token, base = given.get(ACCESS), str(given.get(_DOMAIN) or "")
        if not isinstance(token, str) or not token:  # an error comes with status 200, too
            reason = given.get("error") or answer.status
            message = f"no access token ({reason}): check data_center, client_id, client_secret and refresh_token"
            raise CrmRefused(message)
        if not may_follow(base, self.accounts, _HOST):
            message = "the token's answer names an api_domain that is no address of Zoho: it gets no token"
            raise CrmRefused(message)
        rotate(self.api, self.refresh_token, given.get("refresh_token"))
        self.api.set_secret(_DOMAIN, base)
        self.api.memo[_DOMAIN] = base
        return token


def _is_expired(answer: Answer) -> bool:
    return answer.status == 401 and _read(answer).get("code") in _EXPIRED  # noqa: PLR2004 - unauthorized


def _read(answer: Answer) -> Row:
    """The body; nothing found is a 204 without one."""
    return as_object(answer.json() if answer.body else {})
