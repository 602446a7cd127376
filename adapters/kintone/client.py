"""Calls the REST interface of kintone and the user directory of cybozu.com, and says in one way what went wrong.

https://cybozu.dev/ja/kintone/docs/rest-api/ and https://cybozu.dev/ja/common/docs/user-api/
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.adapter_kit.contract import Answer, Api
from connector.adapter_kit.rest import RecordGone, body_of, refused
from connector.core.errors import CrmRefused, CrmUnavailable

ADVICE: Final[Mapping[str, str]] = {
    "CB_WA01": "check `login` and `password`, or `api_token`",
    "CB_AU01": "check `login` and `password`, or `api_token`",
    "CB_NO02": "give the connector's user or token the right in the app's settings",
    "GAIA_NO01": "give the API token the rights to view and edit records",
}
"""What to do about an error, by its code."""
_OK: Final = 200
_SHOWN: Final = 300


class Conflict(CrmUnavailable):
    """Somebody changed the record since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One app. `url`: https://<subdomain>.cybozu.com; `guest`: the guest space that it is in; `page`: users a call."""

    api: Api
    url: str
    app: str
    token: str = ""
    login: str = ""
    password: str = ""
    guest: str = ""
    page: int = 100

    def get(self, path: str, **parameters: str) -> Any:
        """What a small request of the app gives. Raises as `write`."""
        params = {"app": self.app, **parameters}
        return _read(self.api.call("GET", self._address(path), params=params, headers=self._headers()))

    def query(self, query: str) -> list[dict[str, Any]]:
        """The records that a query of any length selects. Raises as `write`."""
        headers = {**self._headers(), "X-HTTP-Method-Override": "GET"}
        body = {"app": self.app, "query": query}
        records: list[dict[str, Any]] = _read(
            self.api.call("POST", self._address("records.json"), json=body, headers=headers)
        )["records"]
        return records

    def write(self, path: str, **body: Any) -> Any:
        """What a change answers. Raises `RecordGone`, `Conflict`, `CrmRefused` and `CrmUnavailable`."""
        content = {"app": self.app, **body}
        return _read(self.api.call("PUT", self._address(path), json=content, headers=self._headers()))

    def users(self) -> Iterator[Mapping[str, Any]]:
        """All users of the domain; an API token gets none, the directory is closed to it."""
        offset = 0
        while self.password:
            params = {"size": str(self.page), "offset": str(offset)}
            url = f"{self.url.rstrip('/')}/v1/users.json"
            rows = _read(self.api.call("GET", url, params=params, headers=self._headers()))["users"]
            yield from rows
            if len(rows) < self.page:
                return
            offset += self.page

    def _address(self, path: str) -> str:
        space = f"/guest/{self.guest}" if self.guest else ""
        return f"{self.url.rstrip('/')}/k{space}/v1/{path}"

    def _headers(self) -> dict[str, str]:
        """No content type: kintone refuses a GET that has one and no body."""
        if self.password:
            return {"X-Cybozu-Authorization": b64encode(f"{self.login}:{self.password}".encode()).decode()}
        return {"X-Cybozu-API-Token": self.token}


def _read(answer: Answer) -> Any:
    if answer.status == _OK:
        return answer.json()
    body = body_of(answer)
    if "code" not in body:
        message = f"kintone answered {answer.status} without an error of its own: check `url`"
        raise refused(answer.status, message)
    code = str(body["code"])
    text = ": ".join(part for part in (code, _text(body), ADVICE.get(code, "")) if part)
    if code == "GAIA_CO02":
        raise Conflict(text)
    if code == "GAIA_RE01":
        raise RecordGone(text)
    if code.startswith("GAIA_"):  # of the app: a record's, or an action's
        raise CrmRefused(text)
    raise refused(answer.status, text)


def _text(body: Mapping[str, Any]) -> str:
    """The message, and what is wrong with which field."""
    errors = body.get("errors")
    details = [
        f"{path}: {' '.join(map(str, about.get('messages', ())))}"
        for path, about in (errors.items() if isinstance(errors, dict) else ())
        if isinstance(about, dict)
    ]
    return "; ".join([str(body.get("message") or ""), *details])[:_SHOWN]
