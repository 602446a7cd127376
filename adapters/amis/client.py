"""Calls the Open API v2 of AMIS CRM: its daily token, its envelope, whose 200 may carry a failure, and its pages.

https://crmconnect.misa.vn/docs-v2/index.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connector.adapter_kit.contract import Answer, Api
from connector.adapter_kit.oauth import ACCESS, Tokens
from connector.adapter_kit.redaction import mask_text
from connector.adapter_kit.rest import as_object, is_good
from connector.core.errors import AccessRefused, CrmRefused, CrmUnavailable

PAGE: Final = 100
"""Rows per page and records per write at most."""
TOKEN_CODES: Final = frozenset({"invalidtoken", "expiredtoken", "invalidaccesstoken"})
LATER_CODES: Final = frozenset({"exception", "dbamisnotconnectdbact"})
ADVICE: Final[Mapping[str, str]] = {
    "invalidappid": "check client_id: the AppID of AMIS CRM > Thiết lập > Dành cho nhà phát triển",
    "appiddisconnect": "the AppID was disconnected: connect it again in AMIS CRM > Thiết lập > API",
    "invalidtoken": "check client_id and client_secret",
}
CLOSED_CODES: Final = TOKEN_CODES | ADVICE.keys()
"""Codes of the account as a whole."""
_GOOD_CODES: Final = frozenset({"", "0", "200", "201"})
_CODES: Final = ("ErrorCode", "error_code", "code")
_MESSAGES: Final = ("UserMsg", "user_msg", "DevMsg", "error_message", "ErrorMessage", "message")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What an answer says: `rows` (also the results of a write), and of a failure its code and text for people."""

    is_good: bool
    body: Any
    code: str = ""
    text: str = ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The objects in `data`, or in the `data` of that."""
        found = self.body.get("data") if isinstance(self.body, dict) else self.body
        if isinstance(found, dict):
            found = found["data"] if isinstance(found.get("data"), list) else [found]
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    @property
    def results(self) -> list[dict[str, Any]]:
        """The result of each record that was written; none: the answer has no such list."""
        found = self.body.get("results") if isinstance(self.body, dict) else None
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else self.rows

    def error(self) -> CrmRefused | CrmUnavailable:
        """The failure as an error to be raised."""
        if self.code in LATER_CODES:
            return CrmUnavailable(self.text)
        return AccessRefused(self.text) if self.code in CLOSED_CODES else CrmRefused(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crm:
    """One company's AMIS CRM. `client_secrets`: newest first; `first_page`: what it calls its first page."""

    api: Api
    url: str
    client_id: str
    client_secrets: tuple[str, ...] = field(repr=False)
    first_page: int = 0

    def call(self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None) -> Envelope:
        """What a call answered, good or not; with a token that has run out once more with a new one.

        Raises `CrmUnavailable`, and `CrmRefused` when no token is to be had.
        """
        tokens = Tokens(api=self.api, issue=self._issued)
        return tokens.send(
            lambda token: self._send(method, path, token, body, params), lambda envelope: envelope.code in TOKEN_CODES
        )

    def rows(self, path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """The rows of a list. Raises as `call` does, and what the answer says when it is a failure."""
        envelope = self.call("GET", path, params=params)
        if not envelope.is_good:
            raise envelope.error()
        return envelope.rows

    def pages(self, resource: str, most: int) -> Iterator[list[dict[str, Any]]]:
        """The records that were changed last first, in at most so many pages of 100."""
        before: list[dict[str, Any]] = []
        order = {"pageSize": str(PAGE), "orderBy": "modified_date", "isDescending": "true"}
        for number in range(self.first_page, self.first_page + most):
            rows = self.rows(f"/{resource}", {"page": str(number), **order})
            if rows and rows == before:
                if number == self.first_page + 1:
                    continue  # it has no page 0, and gives page 1 in its place
                message = f"GET /{resource}: page {number} is the page before again; check the setting first_page"
                raise CrmUnavailable(message)
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            before = rows

    def _send(self, method: str, path: str, token: str, body: Any, params: Mapping[str, str] | None) -> Envelope:
        headers = {"Authorization": f"Bearer {token}", "Clientid": self.client_id}
        answer = self.api.call(method, self.url.rstrip("/") + path, json=body, params=params, headers=headers)
        return self._opened(f"{method} {path}", answer)

    def _issued(self) -> str:
        """A new token; it lives for 24 hours."""
        envelope = None
        for secret in self.client_secrets:
            body = {"client_id": self.client_id, "client_secret": secret}
            envelope = self._opened(
                "POST /Account", self.api.call("POST", f"{self.url.rstrip('/')}/Account", json=body)
            )
            token = as_object(envelope.body).get("data")
            if envelope.is_good and isinstance(token, str) and token:
                return token
        why = "no client_secret is set"
        if envelope is not None:
            if envelope.code in LATER_CODES:
                raise envelope.error()
            why = envelope.text or "POST /Account: the answer has no token"
        message = f"no token, {why}; check client_id and client_secret"
        raise CrmRefused(message)

    def _opened(self, what: str, answer: Answer) -> Envelope:
        is_ok = is_good(answer)
        try:
            body = answer.json()
        except CrmUnavailable:
            if is_ok:
                raise
            body = {}
        content = as_object(body)
        code = next((str(content[name]) for name in _CODES if content.get(name) is not None), "")
        is_taken = is_ok and content.get("success", True) is not False and code.casefold() in _GOOD_CODES
        folded = code.casefold()
        if answer.status == 401 and folded not in CLOSED_CODES:  # noqa: PLR2004 - unauthorized
            folded = "invalidtoken"
        text = "" if is_taken else self._text(what, answer.status, code, content, ADVICE.get(folded, ""))
        return Envelope(is_good=is_taken, body=body, code="" if is_taken else folded, text=text)

    def _text(self, what: str, status: int, code: str, content: Mapping[str, Any], advice: str) -> str:
        message = next((str(content[name]) for name in _MESSAGES if content.get(name)), "")
        words = ": ".join(word for word in (code, message, advice) if word)
        secrets: Sequence[str] = (*self.client_secrets, str(self.api.memo.get(ACCESS) or ""))
        clean = " ".join(mask_text(words, secrets).split())[: _LONGEST + len(advice)]
        return f"{what}: answered {status}: {clean}".removesuffix(": ")
