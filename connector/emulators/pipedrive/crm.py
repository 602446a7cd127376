"""An emulated Pipedrive company: deals, persons and leads, webhooks v2 with their ban; its REST is beside it."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import orjson
from flask import Flask, Response

from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import CrmEmulator
from connector.emulators.engine.shelf import Change
from connector.emulators.pipedrive.directory import ABM_STATUS, BOT, CUSTOM, STAGES, USERS
from connector.emulators.pipedrive.rest import PipedriveRest, problem, row_of, stamp

PASSWORD: Final = "b7f2-webhooks-9c41"  # noqa: S105 - of a company that is not real
TOKEN: Final = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - of a company that is not real
COMPANY: Final = "7741920"
FAILURES: Final = 10
BAN: Final = timedelta(minutes=30)
_PAUSES: Final = (0.05, 0.2, 0.5)


class PipedriveCrm(CrmEmulator):
    """A company whose deals are played with; each has a person of its own."""

    NAME = "pipedrive"
    OBJECT = "deal"
    STAGE = "stage_id"
    OWNER = "owner_id"
    STATUS = ABM_STATUS
    STAGES: ClassVar[Sequence[str]] = ("15", "16", "17", "18")
    OWNERS: ClassVar[Mapping[str, str]] = {str(user.id): user.email for user in USERS if user.is_active}
    FIRST_ID = 4821

    def routes(self, app: Flask) -> None:
        """REST v2, and v1 where there is no v2."""
        self.failures, self.banned_until = 0, self.now() - BAN
        self.rest = PipedriveRest(shelf=self.shelf, gate=self.gate, now=self.now, token=TOKEN, handlers=self.handlers)
        self.rest.routes(app)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """An API token, and the password of the webhooks."""
        settings = {"company_url": self.url, "company_id": COMPANY}
        return settings, {"http_password": [PASSWORD], "api_token": [TOKEN]}

    def too_many(self) -> Response:
        """The answer when the two seconds' calls are used up."""
        response = problem(429, "request over limit")
        response.headers["x-ratelimit-reset"] = "2"
        return response

    def unauthorized(self) -> Response:
        """The answer to a token that is not good."""
        return problem(401, "unauthorized access")

    def add(
        self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None, **more: Any
    ) -> str:
        """A person makes a deal with a person of that e-mail, who may have `phones`; its id."""
        by = int(owner or next(iter(self.OWNERS)))
        emails, phones = [{"label": "work", "value": email, "primary": True}], more.pop("phones", [])
        person = self.shelf.add("person", {"name": email, "owner_id": by, "emails": emails, "phones": phones}, at=at)
        number = int(stage or self.STAGES[0])
        values = {
            "title": email,
            "status": "open",
            "pipeline_id": STAGES[number][0],
            "stage_id": number,
            "owner_id": by,
            "person_id": int(person.id),
            **dict.fromkeys(CUSTOM),
            **more,
        }
        return self.shelf.add(self.OBJECT, values, by=str(by), at=at).id

    def move(self, record_id: str, stage: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person drags the deal to another stage."""
        values = {"stage_id": int(stage), "stage_change_time": stamp(at or self.now())}
        self.shelf.change(self.OBJECT, record_id, values, by=by, at=at)

    def close(self, record_id: str, status: str) -> None:
        """A person wins or loses the deal, or opens it again by `open`."""
        times = {field: stamp(self.now()) if field == f"{status}_time" else None for field in ("won_time", "lost_time")}
        self.shelf.change(self.OBJECT, record_id, {"status": status, **times})

    def archive(self, record_id: str, record_object: str = "deal") -> None:
        """A person archives a deal or a lead."""
        self.shelf.change(record_object, record_id, {"is_archived": True})

    def assign(self, record_id: str, owner: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person hands the deal to a colleague."""
        self.shelf.change(self.OBJECT, record_id, {"owner_id": int(owner)}, by=by, at=at)

    def lead(self, person_id: str) -> str:
        """A person makes a lead of a person; its id."""
        number = str(uuid.UUID(int=int(person_id)))
        values = {"title": "Inquiry", "owner_id": USERS[0].id, "person_id": int(person_id), "is_archived": False}
        return self.shelf.add("lead", {**values, **dict.fromkeys(CUSTOM)}, record_id=number).id

    def merge(self, record_object: str, record_id: str, into: str) -> None:
        """A person merges two records: the one is deleted, the other one changed."""
        self._meta = {"merged_to_id": into}
        self.shelf.delete(record_object, record_id)
        self._meta = {"merged_from_id": record_id}
        self.shelf.change(record_object, into, {"merged_at": stamp(self.now())})
        self._meta = {}

    _meta: Mapping[str, str] = {}

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """One webhook for a change, whatever number of fields it has; none while the webhook is banned."""
        if self.now() < self.banned_until:
            self.tally.add("webhooks.banned")
            return
        body: dict[str, Any] = {
            "data": None if change.kind == "delete" else self._data(change),
            "previous": self._previous(change),
            "meta": {**self._common(change), **self._meta},
        }
        attempts: list[int] = []

        def make(attempt: int) -> Content:
            attempts.append(attempt)
            body["meta"] = {**body["meta"], "attempt": attempt + 1}
            basic = b64encode(f"connector:{PASSWORD}".encode()).decode()
            return orjson.dumps(body), {"Content-Type": "application/json", "Authorization": f"Basic {basic}"}

        def answered(status: int, _said: bytes) -> None:
            if status // 100 != 2 and len(attempts) == 1:  # noqa: PLR2004 - the class of answers that accept
                self.failures += 1
                if self.failures % FAILURES == 0:
                    self.banned_until = self.now() + BAN

        about = f"{change.object}:{change.id}#{change.number}"
        yield Message(url=url, about=about, make=make, pauses=_PAUSES, answered=answered)

    def _common(self, change: Change) -> dict[str, Any]:
        return {
            "action": {"create": "create", "delete": "delete"}.get(change.kind, "change"),
            "entity": change.object,
            "entity_id": change.id,
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{change.number}")),
            "company_id": COMPANY,
            "user_id": str(BOT) if change.origin == "api" else (change.by or str(USERS[0].id)),
            "webhook_id": "1190382",
            "timestamp": change.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "version": "2.0",
            "type": "general",
            "change_source": "api" if change.origin == "api" else "app",
            "is_bulk_edit": False,
            "host": "minamoto.pipedrive.com",
        }

    def _data(self, change: Change) -> dict[str, Any]:
        record = self.shelf.find(change.object, change.id)
        return _typed(row_of(record)) if record else {}

    def _previous(self, change: Change) -> dict[str, Any] | None:
        if change.kind == "create":
            return None
        if change.kind == "restore":
            return {"status": "deleted"}
        custom = {name: _wrapped(value) for name, value in change.before.items() if name in CUSTOM}
        plain = {name: value for name, value in change.before.items() if name not in CUSTOM}
        return plain | ({"custom_fields": custom} if custom else {}) | {"update_time": stamp(change.at)}


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A record as webhooks show it: each custom field in an object with its type."""
    custom = row.get("custom_fields") or {name: row.get(name) for name in CUSTOM}
    plain = {name: value for name, value in row.items() if name not in CUSTOM}
    return {**plain, "custom_fields": {name: _wrapped(value) for name, value in custom.items()}}


def _wrapped(value: Any) -> dict[str, Any] | None:
    return None if value is None else {"value": value, "type": "varchar"}
