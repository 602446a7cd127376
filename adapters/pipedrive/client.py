"""Calls Pipedrive's REST: v2 where it exists, v1 where it does not, tokens static or refreshed, and what errors mean.

https://pipedrive.readme.io/docs/pipedrive-api-v2
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connector.adapter_kit.contract import Answer, Api
from connector.adapter_kit.oauth import Tokens, refresh_token, rotate
from connector.adapter_kit.rest import as_object, body_of, chunks, in_one_line, is_good
from connector.adapter_kit.rest import refused as by_status
from connector.core.errors import AccessRefused, CrmRefused, CrmUnavailable

OBJECTS: Final[Mapping[str, str]] = {
    "deal": "/api/v2/deals",
    "person": "/api/v2/persons",
    "lead": "/v1/leads",
}
"""Object → where its records are; leads have no v2."""
ARCHIVED: Final[Mapping[str, str]] = {"deal": "/api/v2/deals/archived", "lead": "/v1/leads/archived"}
"""Object → where its archived records are, which other lists leave out since July 2025.

https://developers.pipedrive.com/changelog/post/breaking-change-archived-deals-and-leads-will-not-be-returned-in-existing-endpoints-and-will-not-be-editable
"""
PAGE: Final = 500
MOST_IDS: Final = 100
NOT_FOUND: Final = frozenset({404, 410})
BLOCKED_REST: Final = 900.0
"""Who calls on beyond the limit gets a page of the content network in place of an answer, for a while."""
ADVICE: Final[Mapping[int, str]] = {
    401: "the token is refused: set api_token (Personal preferences > API), or install the app again",
    402: "the company's Pipedrive account is not open: its plan or trial has ended",
    403: "the token's user lacks the right, or the app the scope",
}
CLOSED: Final = frozenset({401, 402})
"""Answers to the account as a whole."""
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """One Pipedrive company, called through `api`; `url` is `https://<company>.pipedrive.com`."""

    api: Api
    url: str
    oauth_url: str
    api_token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: Any = None, **params: str) -> Answer:
        """The answer whatever its status. Raises `CrmUnavailable`."""
        content: dict[str, Any] = {"params": params or None, "json": body}
        url = self.url + path
        if self.api_token:
            answer = self.api.call(method, url, headers={"x-api-token": self.api_token}, **content)
        else:
            tokens = Tokens(api=self.api, issue=self._issued)
            answer = tokens.send(
                lambda token: self.api.call(method, url, headers={"Authorization": f"Bearer {token}"}, **content),
                lambda answer: answer.status == 401,  # noqa: PLR2004 - the token has had its hour
            )
        if answer.status == 403 and not body_of(answer):  # noqa: PLR2004 - no JSON: not Pipedrive itself
            message = "Pipedrive's network blocks the calls after too many of them"
            raise CrmUnavailable(message, BLOCKED_REST)
        return answer

    def read(self, path: str, **params: str) -> Mapping[str, Any]:
        """The body of a good answer. Raises `CrmUnavailable` and `CrmRefused`."""
        return good(self.call("GET", path, **params))

    def pages(self, path: str, **params: str) -> Iterator[list[Mapping[str, Any]]]:
        """The rows of a v2 list, page by page. Raises as `read` does."""
        cursor = ""
        while True:
            body = self.read(path, limit=str(PAGE), **params, **({"cursor": cursor} if cursor else {}))
            yield rows_of(body)
            following = str((body.get("additional_data") or {}).get("next_cursor") or "")
            if not following or following == cursor:
                return
            cursor = following

    def by_id(self, record_object: str, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Records by id; what is not there is left out. Raises as `read` does."""
        found: dict[str, Mapping[str, Any]] = {}
        path = OBJECTS[record_object]
        if record_object == "lead":
            for record_id in ids:
                answer = self.call("GET", f"{path}/{record_id}")
                if answer.status not in NOT_FOUND:
                    found[record_id] = good(answer)["data"]
            return found
        for place in filter(None, (path, ARCHIVED.get(record_object))):
            for chunk in chunks([record_id for record_id in ids if record_id not in found], MOST_IDS):
                rows = rows_of(self.read(place, ids=",".join(chunk), limit=str(MOST_IDS)))
                found |= {str(row["id"]): row for row in rows if not row.get("is_deleted")}
        return found

    def _issued(self) -> str:
        """A fresh access token by the refresh token."""
        if not (self.client_id and self.client_secret and self.refresh_token):
            message = "no credentials: set api_token, or client_id, client_secret and refresh_token"
            raise CrmRefused(message)
        basic = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token(self.api, self.refresh_token)}
        headers = {"Authorization": f"Basic {basic}"}
        answer = self.api.call("POST", f"{self.oauth_url}/oauth/token", data=form, headers=headers)
        body = body_of(answer) if answer.status == 200 else {}  # noqa: PLR2004
        if not (token := body.get("access_token")):
            message = f"Pipedrive gives no access token ({answer.status}): install the app again and set refresh_token"
            raise CrmRefused(message)
        rotate(self.api, self.refresh_token, body.get("refresh_token"))
        return str(token)


def good(answer: Answer) -> Mapping[str, Any]:
    """The body of a 2xx. Raises `CrmRefused` with what Pipedrive says and what to do; `CrmUnavailable`: no JSON."""
    if is_good(answer):
        return as_object(answer.json())
    raise refused(answer)


def refused(answer: Answer) -> CrmRefused:
    """The refusal of a call: without a token or a plan, that of the account."""
    return AccessRefused(refusal(answer)) if answer.status in CLOSED else by_status(answer.status, refusal(answer))


def refusal(answer: Answer) -> str:
    """Why a call was refused, for people."""
    body = body_of(answer)
    parts = [part for name in ("error", "message", "error_info") if isinstance(part := body.get(name), str) and part]
    text = in_one_line("; ".join(parts), _LONGEST) or "nothing readable"
    advice = ADVICE.get(answer.status)
    return f"Pipedrive answered {answer.status}: {text}" + (f" ({advice})" if advice else "")


def rows_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a list's body; an empty list is written as null by v1."""
    return list(body.get("data") or ())
