"""An emulated Jira Cloud site: issues that move by transitions, signed webhooks with retries, REST version 3."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import CrmEmulator
from connector.emulators.engine.shelf import Change, Record
from connector.emulators.jira.state import (
    BOT,
    EMAIL,
    FIELDS,
    PHONE,
    PROJECT,
    STATUSES,
    TRANSITIONS,
    USERS,
    Refused,
    changelog,
    checked,
    history_id,
    is_since,
    issue,
    items,
    updated_since,
    user,
)

LOGIN: Final = "connector@example.com"
API_TOKEN: Final = "ATATT3xFfGF0-not-real"  # noqa: S105 - of a site that is not real
SECRET: Final = "jira-webhook-secret-example"  # noqa: S105 - the same
RETRIED: Final = frozenset({0, 408, 409, 425, 429})
"""Answers after which a webhook is sent again, as after those of 500 and more; 0: none."""
MOST_RETRIES: Final = 5


class JiraCrm(CrmEmulator):
    """A site with one project, whose issues are played with."""

    NAME: ClassVar[str] = "jira"
    OBJECT: ClassVar[str] = "issue"
    EMAIL: ClassVar[str] = EMAIL
    STAGE: ClassVar[str] = "status"
    OWNER: ClassVar[str] = "assignee"
    STATUS: ClassVar[str] = "customfield_10050"
    STAGES: ClassVar[Sequence[str]] = tuple(STATUSES.values())
    OWNERS: ClassVar[Mapping[str, str]] = {account: email for account, (email, _) in USERS.items() if account != BOT}
    FIRST_ID: ClassVar[int] = 10482

    def routes(self, app: Flask) -> None:
        """REST version 3, as far as it is used."""
        one = "/rest/api/3/issue/<number>"
        routes: dict[tuple[str, str], Callable[..., Any]] = {
            ("GET", "/rest/api/3/myself"): lambda: {**(user(BOT, is_open=True) or {}), "timeZone": "Asia/Tokyo"},
            ("GET", "/rest/api/3/field"): lambda: [{"id": name, "name": label} for name, label in FIELDS.items()],
            ("GET", "/rest/api/3/project/LEAD/statuses"): lambda: [{"id": "10004", "statuses": _statuses()}],
            ("GET", "/rest/api/3/users/search"): lambda: _users()[int(request.args["startAt"]) :],
            ("GET", "/rest/api/3/user/search"): lambda: [
                one for one in _users() if one["emailAddress"] == request.args["query"].casefold()
            ],
            ("GET", "/rest/api/3/user/bulk"): lambda: {
                "values": [one for one in _users() if one["accountId"] in request.args.getlist("accountId")]
            },
            ("POST", "/rest/api/3/issue/bulkfetch"): self._several,
            ("POST", "/rest/api/3/search/jql"): self._search,
            ("GET", one): lambda number: issue(self._found(number)),
            ("PUT", one): lambda number: self._save(number, checked(_content()["fields"])),
            ("GET", f"{one}/transitions"): self._transitions,
            ("POST", f"{one}/transitions"): self._act,
            ("PUT", f"{one}/assignee"): self._assign,
        }
        for (method, path), work in routes.items():
            app.add_url_rule(path, f"{method} {path}", self._answering(work), methods=[method])

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running site."""
        settings = {"url": self.url, "login": LOGIN, "projects": [PROJECT], "phone_fields": [PHONE]}
        return settings, {"api_token": [API_TOKEN], "webhook_secret": [SECRET]}

    def unauthorized(self) -> Response:
        """The answer to a wrong token."""
        return _failure(Refused(status=401, text="Client must be authenticated to access this resource."))

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """One webhook per change, signed over the body."""
        content = json.dumps(self._body(change), ensure_ascii=False, separators=(",", ":")).encode()
        identifier = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{url}/{change.number}"))
        yield self._message(url, f"{change.object}:{change.id}:{change.number}", content, identifier, 0)

    def add(
        self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None, **more: Any
    ) -> str:
        """A person makes an issue."""
        values = {"summary": email, "creator": owner or next(iter(self.OWNERS)), **more}
        return super().add(email, stage=_status(stage or self.STAGES[0]), owner=owner, at=at, **values)

    def move(self, record_id: str, stage: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person moves the issue; the board of this project lets people move it anywhere."""
        super().move(record_id, _status(stage), by=by, at=at)

    def stage_of(self, record_id: str) -> str:
        """The status's name."""
        return STATUSES[super().stage_of(record_id)]

    def _message(self, url: str, about: str, content: bytes, identifier: str, retry: int) -> Message:
        signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "User-Agent": "Atlassian Webhook HTTP Client",
            "X-Hub-Signature": f"sha256={signature}",
            "X-Atlassian-Webhook-Identifier": identifier,
            "X-Atlassian-Webhook-Flow": "Primary",
            **({"X-Atlassian-Webhook-Retry": str(retry)} if retry else {}),
        }

        def make(_attempt: int) -> Content:
            return content, headers

        def answered(status: int, _said: bytes) -> None:
            if (status in RETRIED or status >= 500) and retry < MOST_RETRIES:  # noqa: PLR2004 - every server error
                self.tally.add("webhooks.retried")
                self.courier.send(self._message(url, about, content, identifier, retry + 1), is_sure=True)

        return Message(url=url, about=about, make=make, answered=answered)

    def _body(self, change: Change) -> dict[str, Any]:
        record = self.shelf.find(self.OBJECT, change.id)
        word = {"create": "created", "update": "updated", "delete": "deleted"}[change.kind]
        body = {
            "timestamp": int(change.at.timestamp() * 1000),
            "webhookEvent": f"jira:issue_{word}",
            "user": user(change.by or next(iter(self.OWNERS)), is_open=False),
            "issue": issue(record) if record else {"id": change.id, "key": f"{PROJECT}-{change.id}"},
        }
        log = {"changelog": {"id": history_id(change), "items": items(change)}} if change.kind == "update" else {}
        return body | log

    def _answering(self, work: Callable[..., Any]) -> Callable[..., Response]:
        def answer(**place: str) -> Response:
            try:
                _check_credentials()
                with self.shelf.lock:
                    result = work(**place)
            except Refused as error:
                return _failure(error)
            return Response(status=204) if result is None else jsonify(result)

        return answer

    def _found(self, number: str) -> Record:
        record = self.shelf.find(self.OBJECT, number)
        if record is None:
            raise Refused(status=404, text="Issue does not exist or you do not have permission to see it.")
        return record

    def _several(self) -> dict[str, Any]:
        records = [self.shelf.find(self.OBJECT, number) for number in _content()["issueIdsOrKeys"]]
        return {"issues": [issue(record) for record in records if record], "issueErrors": []}

    def _search(self) -> dict[str, Any]:
        local = updated_since(_content()["jql"])
        records = [record for record in self.shelf.all(self.OBJECT) if is_since(record, local)]
        logs = {record.id: [one for one in self.shelf.changes if one.id == record.id] for record in records}
        return {"issues": [{**issue(one), "changelog": changelog(logs[one.id])} for one in records], "isLast": True}

    def _save(self, number: str, values: Mapping[str, Any]) -> None:
        self._found(number)
        if not self.gate.is_lying(f"{self.OBJECT}:{number}"):
            self.shelf.change(self.OBJECT, number, values, by=BOT, origin="api")

    def _transitions(self, number: str) -> dict[str, Any]:
        now = STATUSES[self._found(number).fields["status"]]
        return {
            "transitions": [
                {"id": transition_id, "name": name, "to": {"id": _status(after), "name": after}}
                for transition_id, (name, before, after) in TRANSITIONS.items()
                if before == now
            ]
        }

    def _act(self, number: str) -> None:
        chosen = _content()["transition"]["id"]
        to = next(
            (
                transition["to"]["id"]
                for transition in self._transitions(number)["transitions"]
                if transition["id"] == chosen
            ),
            None,
        )
        if to is None:
            raise Refused(status=400, text="It seems that you have tried to perform an illegal workflow operation.")
        self._save(number, {"status": to})

    def _assign(self, number: str) -> None:
        account = _content()["accountId"]
        if account is not None and account not in USERS:
            raise Refused(status=400, errors={"assignee": f"User '{account}' does not exist."})
        self._save(number, {"assignee": account})


def _check_credentials() -> None:
    key = b64encode(f"{LOGIN}:{API_TOKEN}".encode()).decode()
    if request.headers.get("Authorization") != f"Basic {key}":
        raise Refused(status=401, text="Client must be authenticated to access this resource.")


def _content() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refused(status=400, text="Invalid request payload. Refer to the REST API documentation and try again.")
    return body


def _statuses() -> list[dict[str, Any]]:
    return [{"id": status_id, "name": name} for status_id, name in STATUSES.items()]


def _users() -> list[dict[str, Any]]:
    return [user(account, is_open=True) or {} for account in USERS]


def _status(name: str) -> str:
    return next(status_id for status_id, label in STATUSES.items() if label == name)


def _failure(error: Refused) -> Response:
    response = jsonify(error.body())
    response.status_code = error.status
    return response
