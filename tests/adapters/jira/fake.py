"""An `Api` that answers as a Jira site with a few issues, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapters.jira import Jira
from connector.adapter_kit.contract import Answer
from connector.core.errors import CrmUnavailable
from tests.adapters.support import ShortMemory

URL = "https://example.atlassian.net"
SATO, MORI, SHY, BOT = "5b10sato", "5b10mori", "5b10shy", "app1"
USERS: list[dict[str, Any]] = [
    {"accountId": SATO, "displayName": "Keiko Sato", "emailAddress": "K.Sato@example.com", "accountType": "atlassian"},
    {"accountId": MORI, "displayName": "", "emailAddress": "k.mori@example.com", "active": False},
    {"accountId": SHY, "displayName": "Shy", "active": True},
    {"accountId": BOT, "displayName": "Bot", "accountType": "app"},
]
STATUSES = [{"id": "1", "name": "To Do"}, {"id": "3", "name": "In Progress"}, {"id": "9", "name": "Done"}]
TRANSITIONS = [{"id": "11", "name": "Start", "to": {"id": "3", "name": "In Progress"}}]


def jira(**settings: Any) -> Jira:
    return Jira(**{"url": URL, "login": "bot@example.com", "api_token": ("t0ken", "old"), **settings})


def issue(number: str = "10482", status: str = "To Do", **fields: Any) -> dict[str, Any]:
    """An issue as the API shows it."""
    shown = {
        "status": next(one for one in STATUSES if one["name"] == status),
        "assignee": None,
        "project": {"key": "LEAD"},
        "created": "2026-03-01T18:00:00.000+0900",
        "updated": "2026-03-04T14:26:07.412+0900",
        "customfield_10042": "a@example.com",
        "customfield_10050": None,
    }
    return {"id": number, "key": f"LEAD-{number}", "fields": {**shown, **fields}}


def refusal(status: int, *messages: str, **errors: str) -> Answer:
    return _json({"errorMessages": list(messages), "errors": errors}, status)


def busy(_body: Any) -> Exception:
    return CrmUnavailable("GET example.atlassian.net: answered 503", 7.0)


@dataclass(slots=True)
class FakeJira(ShortMemory):
    """`issues` by id. `on`: method and end of the address → what happens; an error in it is raised."""

    issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    on: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)

    def call(self, method: str, url: str, *, json: Any = None, params: Any = None, **request: Any) -> Answer:
        address = urlsplit(url)
        body = json if json is not None else params or parse_qs(address.query)
        name = f"{method} {address.path.removeprefix('/rest/api/3')}"
        self.calls.append((name, body))
        self.headers.append(request.get("headers"))
        given = next((work for end, work in self.on.items() if name.endswith(end)), None)
        result = given(body) if given else self._usual(name, body)
        if isinstance(result, Exception):
            raise result
        return result if isinstance(result, Answer) else _json(result)

    def writes(self) -> list[tuple[str, Any]]:
        """The calls that change something."""
        return [(name, body) for name, body in self.calls if "/issue/" in name and not name.startswith("GET")][1:-1]

    def _usual(self, name: str, body: Any) -> Any:
        if name == "POST /issue/bulkfetch":
            return {"issues": [self.issues[of] for of in body["issueIdsOrKeys"] if of in self.issues]}
        if name == "GET /user/bulk":
            return {"values": [one for one in USERS if one["accountId"] in body["accountId"]]}
        if name == "GET /user/search":
            return [one for one in USERS if body["query"].casefold() in str(one.get("emailAddress")).casefold()]
        if name == "GET /users/search":
            return USERS[int(body["startAt"]) :]
        fixed = {
            "GET /myself": {"displayName": "Bot", "timeZone": "Asia/Tokyo"},
            "GET /status": STATUSES,
            "GET /project/LEAD/statuses": [{"statuses": STATUSES[:2]}, {"statuses": STATUSES[1:2]}],
            "GET /field": [{"id": "summary", "name": "Summary"}],
        }
        return fixed[name] if name in fixed else self._issue(name, body)

    def _issue(self, name: str, body: Any) -> Any:
        method, _, rest = name.partition(" /issue/")
        number, _, what = rest.partition("/")
        if number not in self.issues:
            return refusal(404, "Issue does not exist or you do not have permission to see it.")
        fields = self.issues[number]["fields"]
        if method == "GET":
            return {"transitions": TRANSITIONS} if what else self.issues[number]
        if what == "transitions":
            fields["status"] = next(one["to"] for one in TRANSITIONS if one["id"] == body["transition"]["id"])
        elif what == "assignee":
            fields["assignee"] = {"accountId": body["accountId"]}
        else:
            fields |= body["fields"]
        return Answer(status=204, headers={}, body=b"")


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status=status, headers={}, body=json.dumps(value).encode())
