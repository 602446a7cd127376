"""Calls the REST interface of Jira Cloud, and says in one way what went wrong.

https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connector.adapter_kit.contract import Api
from connector.adapter_kit.rest import RecordGone, body_of, is_good, refused
from connector.core.errors import CrmRefused, CrmUnavailable

ADVICE: Final[Mapping[int, str]] = {
    401: "check `login` and `api_token`: a token ends after a year at most",
    403: "give the connector's user the permission in the project",
}
PASSING: Final = frozenset({408, 409, 423, 425})
_NOT_FOUND: Final = 404
_SHOWN: Final = 300


class Refused(CrmRefused):
    """A refusal that names fields: `errors` is field → what is wrong."""

    def __init__(self, message: str, errors: Mapping[str, str]) -> None:
        super().__init__(message)
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One Jira site, by Basic authentication with an API token."""

    api: Api
    url: str
    login: str
    token: str = field(repr=False)

    def get(self, path: str, **parameters: str) -> Any:
        """What a request answers. Raises as `send`."""
        return self.send("GET", path, params=parameters or None)

    def send(self, method: str, path: str, **content: Any) -> Any:
        """What a request answers; None for no content.

        Raises `RecordGone`, `Refused`, `CrmRefused` and `CrmUnavailable`; also `AccessRefused` and `Forbidden`.
        """
        key = b64encode(f"{self.login}:{self.token}".encode()).decode()
        headers = {"Authorization": f"Basic {key}", "Accept": "application/json"}
        answer = self.api.call(method, f"{self.url.rstrip('/')}{path}", headers=headers, **content)
        if is_good(answer):
            return answer.json() if answer.body else None
        body = body_of(answer)
        errors = {str(name): str(message) for name, message in (body.get("errors") or {}).items()}
        words = [*map(str, body.get("errorMessages") or ()), *(f"{name}: {text}" for name, text in errors.items())]
        text = f"answered {answer.status}: {'; '.join(words)[:_SHOWN]}".removesuffix(": ")
        text += f": {advice}" if (advice := ADVICE.get(answer.status)) else ""
        if answer.status in PASSING:
            raise CrmUnavailable(text)
        if answer.status == _NOT_FOUND:  # or the user may not see it: Jira tells the two alike
            raise RecordGone(text)
        raise Refused(text, errors) if errors else refused(answer.status, text)
