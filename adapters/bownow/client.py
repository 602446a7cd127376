"""Calls BowNow's API: the token flow, each call by the method and path that the connection gives it, pages.

https://developer.bownow.jp/en/api/index.html (1.0.0)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from connector.adapter_kit.contract import Answer, Api
from connector.adapter_kit.redaction import mask_text
from connector.adapter_kit.rest import in_one_line, is_good, refused
from connector.adapter_kit.settings import pairs
from connector.core.errors import AccessRefused

PAGE: Final = 200
"""Leads per page: the most that a published client asks for."""
CALLS: Final[Mapping[str, str]] = {
    "token": "POST /auth/token",
    "refresh": "POST /auth/refresh",
    "search": "POST /leads/search",
    "read": "GET /leads/{sid}",
    "write": "PATCH /leads/{sid}",
    "statuses": "POST /statuses/search",
    "accounts": "POST /accounts/search",
}
"""Our word → method and path. Published are token, search and statuses; the setting `calls` corrects the others."""
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH"})
_EXPIRED: Final = 401
_LONGEST: Final = 200
_ADVICE: Final = "; check tracking_id and api_key"


def renamed(entries: Sequence[str]) -> dict[str, str]:
    """The pairs of a setting: `status=lead_status_id` is `status` and `lead_status_id`; without `=` the same twice."""
    return {name: value or name for name, value in pairs(entries)}


def is_call(text: str) -> bool:
    """Whether it is a method and a path."""
    method, _, path = text.partition(" ")
    return method in _METHODS and path.startswith("/")


def rows_in(found: Any, name: str) -> list[dict[str, Any]]:
    """The objects that an answer lists: under that name, else its first list."""
    lists = [found] if isinstance(found, list) else []
    if isinstance(found, dict):
        lists = [value for value in (found.get(name), *found.values()) if isinstance(value, list)]
    return [row for row in lists[0] if isinstance(row, dict)] if lists else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One tracking code's API. `calls`: as `CALLS`; `api_keys`: newest first."""

    api: Api
    url: str
    tracking_id: str
    api_keys: tuple[str, ...] = field(repr=False)
    calls: Mapping[str, str]

    def call(self, word: str, body: Any = None, *, sid: str = "") -> Answer:
        """The answer to a call, whatever it says; an access token that has run out is renewed, once.

        Raises `CrmUnavailable`, and `AccessRefused` when the credentials are no good.
        """
        access, client = self._tokens()
        answer = self._send(word, body, sid, access, client)
        if answer.status == _EXPIRED:
            access, client = self._renewed(access)
            answer = self._send(word, body, sid, access, client)
        if answer.status == _EXPIRED:
            raise AccessRefused(self.answer_text(word, answer))
        return answer

    def rows(self, word: str, name: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The objects that a call lists. Raises as `call` does, and `CrmRefused` when it was not carried out."""
        answer = self.call(word, body)
        if not is_good(answer):
            raise refused(answer.status, self.answer_text(word, answer))
        return rows_in(answer.json(), name)

    def pages(self, body: Mapping[str, Any], most: int) -> Iterator[list[dict[str, Any]]]:
        """The leads of a search, the newest first, in at most so many pages."""
        for page in range(1, most + 1):
            leads = self.rows("search", "leads", {"page": page, "per_page": PAGE, "sort": "desc", **body})
            if leads:
                yield leads
            if len(leads) < PAGE:
                return

    def answer_text(self, word: str, answer: Answer) -> str:
        """What was called and what it answered, for people, without secrets."""
        secrets = (*self.api_keys, *self.api.memo.get("tokens", ()), self.api.get_secret("refresh_token") or "")
        text = mask_text(answer.body.decode(errors="replace"), secrets)
        clean = in_one_line(text, _LONGEST)
        advice = _ADVICE if answer.status == _EXPIRED else ""
        return f"{self.calls[word]}: answered {answer.status}: {clean}".removesuffix(": ") + advice

    def _send(self, word: str, body: Any, sid: str, access: str, client: str) -> Answer:
        proof = {"Client-Token": client, "Authorization": f"Bearer {access}"}
        return self._plain(word, body, proof, sid=sid)

    def _plain(self, word: str, body: Any, headers: Mapping[str, str], *, sid: str = "") -> Answer:
        method, _, path = self.calls[word].partition(" ")
        url = self.url.rstrip("/") + path.replace("{sid}", quote(sid, safe=""))
        return self.api.call(method, url, json=body, headers={"Tracking-ID": self.tracking_id, **headers})

    def _tokens(self) -> tuple[str, str]:
        """Access and client token: of this process, of any process, or new ones."""
        known: tuple[str, str] | None = self.api.memo.get("tokens") or self._stored()
        return known or self._issued()

    def _stored(self) -> tuple[str, str] | None:
        access, client = self.api.get_secret("access_token"), self.api.get_secret("client_token")
        if access is None or client is None:
            return None
        self.api.memo["tokens"] = (access, client)
        return access, client

    def _renewed(self, old: str) -> tuple[str, str]:
        """Tokens in place of those with this access token: another process may have renewed them already."""
        stored = self._stored()
        if stored is not None and stored[0] != old:
            return stored
        if refresh := self.api.get_secret("refresh_token"):
            client = self.api.get_secret("client_token") or ""
            answer = self._plain("refresh", {"refresh_token": refresh}, {"Client-Token": client})
            if is_good(answer) and (tokens := self._remembered(answer.json())):
                return tokens
        return self._issued()

    def _issued(self) -> tuple[str, str]:
        answer = None
        for key in self.api_keys:
            answer = self._plain("token", {"api_key": key}, {})
            if is_good(answer) and (tokens := self._remembered(answer.json())):
                return tokens
        what = "no api_key is set" if answer is None else f"no token, {self.answer_text('token', answer)}"
        message = f"{what.removesuffix(_ADVICE)}{_ADVICE}"
        raise AccessRefused(message)

    def _remembered(self, given: Any) -> tuple[str, str] | None:
        """The tokens of an answer, stored for every process; a renewal may leave out what stays as it was."""
        names = ("access_token", "client_token", "refresh_token")
        fresh = {name: given[name] for name in names if isinstance(given, dict) and isinstance(given.get(name), str)}
        client = fresh.get("client_token") or self.api.get_secret("client_token")
        if "access_token" not in fresh or client is None:
            return None
        for name, value in fresh.items():
            self.api.set_secret(name, value)
        self.api.memo["tokens"] = (fresh["access_token"], client)
        return fresh["access_token"], client
