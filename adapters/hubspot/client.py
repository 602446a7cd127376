"""Calls HubSpot's REST: dated paths, static or refreshed tokens, batches with an answer per record, error words.

https://developers.hubspot.com/docs/api-reference/error-handling
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connector.adapter_kit.contract import Answer, Api
from connector.adapter_kit.oauth import Tokens, refresh_token, rotate
from connector.adapter_kit.rest import as_list, as_object, body_of, in_one_line, is_good, refused
from connector.core.errors import CrmRefused, CrmUnavailable

BATCH: Final = 100
"""Records per batch call."""
OBJECTS: Final[Mapping[str, str]] = {"contact": "contacts", "deal": "deals"}
"""Object → its word in paths."""
ADVICE: Final[Mapping[int, str]] = {
    401: "the token is refused: make a new one and set access_token (or install the app again and set refresh_token)",
    403: "the token lacks a scope: crm.objects.contacts, crm.objects.deals (read, write) and crm.objects.owners.read",
}
LOCKED: Final = 423
MOVING: Final = 477
_RESTS: Final[Mapping[int, float]] = {LOCKED: 2.0, MOVING: 3600.0}
"""Answers that pass, and seconds to wait where the answer names none."""
_DAILY_REST: Final = 900.0
"""The daily limit ends at midnight of the account's time zone, which no answer tells: asked again after that time."""
_ROLLING_REST: Final = 10.0
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One HubSpot account, called through `api`. `version`: `2026-09`, or `v3`."""

    api: Api
    url: str
    version: str
    access_token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)

    def path(self, area: str, rest: str = "") -> str:
        """The address of an area such as `objects` in the version of the connection."""
        if self.version.startswith("v"):
            return f"{self.url}/crm/{'v4' if area == 'associations' else self.version}/{area}{rest}"
        return f"{self.url}/crm/{area}/{self.version}{rest}"

    def get(self, url: str, **params: str) -> Answer:
        """The answer whatever its status. Raises `CrmUnavailable`."""
        return self._call("GET", url, params=params or None)

    def read(self, url: str, **params: str) -> Mapping[str, Any]:
        """The body of a good answer. Raises `CrmUnavailable` and `CrmRefused`."""
        return good(self.get(url, **params))

    def post(self, url: str, body: Mapping[str, Any]) -> Answer:
        """The answer whatever its status. Raises `CrmUnavailable`."""
        return self._call("POST", url, json=body)

    def pages(self, url: str, **params: str) -> Iterator[Mapping[str, Any]]:
        """The rows of a list by pages. Raises `CrmUnavailable` and `CrmRefused`."""
        after: str | None = ""
        while after is not None:
            body = self.read(url, **params, **({"after": after} if after else {}))
            yield from body.get("results") or ()
            following = after_of(body)
            after = following if following != after else None

    def batch(self, url: str, inputs: Sequence[Mapping[str, Any]], most: int, **more: Any) -> list[Mapping[str, Any]]:
        """The results of a reading batch call; what was not found is left out. Raises as `read` does."""
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(inputs), most):
            body = good(self.post(url, {"inputs": list(inputs[start : start + most]), **more}))
            found += body.get("results") or ()
        return found

    def _call(self, method: str, url: str, **content: Any) -> Answer:
        if self.access_token:
            return self._send(method, url, self.access_token, **content)
        tokens = Tokens(api=self.api, issue=self._issued)
        return tokens.send(lambda token: self._send(method, url, token, **content), _is_refused)

    def _send(self, method: str, url: str, token: str, **content: Any) -> Answer:
        try:
            answer = self.api.call(method, url, headers={"Authorization": f"Bearer {token}"}, **content)
        except CrmUnavailable as error:
            raise CrmUnavailable(str(error), error.retry_after or _rest(str(error))) from error
        if answer.status in _RESTS:
            message = f"HubSpot answered {answer.status}: {words_in(answer)}"
            raise CrmUnavailable(message, _seconds(answer) or _RESTS[answer.status])
        return answer

    def _issued(self) -> str:
        """A fresh access token by the refresh token."""
        if not (self.client_id and self.client_secret and self.refresh_token):
            message = "no credentials: set access_token, or client_id, client_secret and refresh_token"
            raise CrmRefused(message)
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": refresh_token(self.api, self.refresh_token),
        }
        answer = self.api.call("POST", f"{self.url}/oauth/{self.version}/token", data=form)
        body = as_object(answer.json()) if answer.status == 200 else {}  # noqa: PLR2004
        if not (token := body.get("access_token")):
            message = f"HubSpot gives no access token ({answer.status}): install the app again and set refresh_token"
            raise CrmRefused(message)
        rotate(self.api, self.refresh_token, body.get("refresh_token"))
        return str(token)


def good(answer: Answer) -> Mapping[str, Any]:
    """The body of a 2xx. Raises `CrmRefused` with what HubSpot says and what to do; `CrmUnavailable`: no JSON."""
    if is_good(answer):
        return as_object(answer.json())
    raise refused(answer.status, refusal(answer))


def refusal(answer: Answer) -> str:
    """Why a call was refused, for people."""
    advice = ADVICE.get(answer.status)
    return f"HubSpot answered {answer.status}: {words_in(answer)}" + (f" ({advice})" if advice else "")


def words_in(answer: Answer) -> str:
    """HubSpot's words in an answer, each field of which may be missing, or no JSON at all."""
    return words_of(body_of(answer)) or "nothing readable"


def words_of(error: Mapping[str, Any]) -> str:
    """The message and the details of an error object in one line."""
    details = [as_object(part).get("message") for part in as_list(error.get("errors"))]
    parts = [part for part in (error.get("message"), *details) if isinstance(part, str) and part]
    text = "; ".join(dict.fromkeys(parts)) or str(error.get("category") or "")
    return in_one_line(text, _LONGEST)


def after_of(body: Mapping[str, Any]) -> str | None:
    """The place where the next page starts; None: it was the last."""
    after = as_object(as_object(body.get("paging")).get("next")).get("after")
    return None if after is None else str(after)


def _is_refused(answer: Answer) -> bool:
    return answer.status == 401  # noqa: PLR2004 - the token has had its half hour


def _rest(message: str) -> float | None:
    """Seconds to wait by the policy that a 429 names; None: it names none."""
    text = message.casefold()
    if "daily" in text:
        return _DAILY_REST
    return _ROLLING_REST if "ten_secondly" in text else None


def _seconds(answer: Answer) -> float | None:
    given = next((value for name, value in answer.headers.items() if name.casefold() == "retry-after"), "")
    return float(given) if re.fullmatch(r"[0-9]{1,6}", given) else None
