"""An emulated kintone domain with one app: REST with revisions, the process, and webhooks that tell of one record."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import CrmEmulator
from connector.emulators.engine.shelf import Change, Record
from connector.emulators.kintone.state import (
    ACTIONS,
    APP,
    EMAIL,
    OWNER,
    SELLER,
    STAGE,
    STATES,
    USERS,
    Refused,
    checked,
    minute,
    process,
    properties,
    select,
    shown,
)

LOGIN: Final = "connector"
PASSWORD: Final = "Yk7-mQ2x-pL9v"  # noqa: S105 - of a system that is not real
TOKEN: Final = "w3Nf8sRz5Kq1Xj6Bd0Hy"  # noqa: S105 - the same
MOST_NOTICES: Final = 60
"""Notifications a minute of the whole domain; what comes after them is dropped."""
SILENT: Final = "bulk"
"""The origin of changes by calls for several records: webhooks do not tell of them."""


class KintoneCrm(CrmEmulator):
    """A domain whose app has a process; people move records by its actions."""

    NAME: ClassVar[str] = "kintone"
    OBJECT: ClassVar[str] = "record"
    EMAIL: ClassVar[str] = EMAIL
    STAGE: ClassVar[str] = STAGE
    OWNER: ClassVar[str] = OWNER
    STATUS: ClassVar[str] = "ABMステータス"
    STAGES: ClassVar[Sequence[str]] = STATES
    OWNERS: ClassVar[Mapping[str, str]] = {code: email for code, (email, _) in USERS.items() if code != LOGIN}
    FIRST_ID: ClassVar[int] = 345

    def routes(self, app: Flask) -> None:
        """The app's REST interface and the user directory."""
        routes: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "/v1/users.json"): self._users,
            ("GET", "/k/v1/app/status.json"): process,
            ("GET", "/k/v1/app/form/fields.json"): lambda: {"properties": properties(), "revision": "3"},
            ("GET", "/k/v1/record.json"): lambda: {"record": shown(self._found(request.args["id"]))},
            ("POST", "/k/v1/records.json"): self._query,
            ("PUT", "/k/v1/record.json"): lambda: self._one(self._fill),
            ("PUT", "/k/v1/records.json"): lambda: self._many(self._fill),
            ("PUT", "/k/v1/record/status.json"): lambda: self._one(self._act),
            ("PUT", "/k/v1/records/status.json"): lambda: self._many(self._act),
            ("PUT", "/k/v1/record/assignees.json"): lambda: self._one(self._assign),
        }
        for (method, path), work in routes.items():
            app.add_url_rule(path, f"{method} {path}", self._answering(work), methods=[method])

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running domain."""
        return {"url": self.url, "app": APP, "login": LOGIN}, {"password": [PASSWORD], "webhook_token": [TOKEN]}

    def subscribe(self, handler_url: str) -> None:
        """Makes a webhook to that address with the token."""
        self.handlers.append(f"{handler_url}?token={TOKEN}")

    def too_many(self) -> Response:
        """The answer when a hundred calls run at once."""
        response = _failure(Refused(status=429, code="GAIA_TO04", text="同時接続数の上限に達しています。"))
        response.headers["X-Cybozu-Error"] = "GAIA_TO04"
        return response

    def unauthorized(self) -> Response:
        """The answer to a wrong password."""
        return _failure(Refused(status=401, code="CB_WA01", text="パスワード認証に失敗しました。"))

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """One notification per change of one record, sent once, at most 60 a minute."""
        if change.origin == SILENT:
            return
        if self.tally.add(f"webhooks.minute.{minute(self.now())}") > MOST_NOTICES:
            self.tally.add("webhooks.dropped")
            return
        content = json.dumps(self._body(change), ensure_ascii=False).encode()
        about = f"{change.object}:{change.id}:{change.number}"
        yield Message(url=url, about=about, make=lambda _: (content, {"Content-Type": "application/json"}))

    def move(self, record_id: str, stage: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person brings the record into the state; the revision rises by two."""
        self._save(self.record(record_id), {STAGE: stage}, by=by, at=at)

    def _body(self, change: Change) -> dict[str, Any]:
        number = uuid.uuid5(uuid.NAMESPACE_URL, f"{self.url}/{change.number}")
        common = {"id": str(number), "app": {"id": APP, "name": "案件管理"}}
        record = self.shelf.find(self.OBJECT, change.id)
        if record is None:
            by = {"code": change.by or SELLER, "name": USERS[change.by or SELLER][1]}
            when = change.at.strftime("%Y-%m-%dT%H:%M:%SZ")
            return {**common, "type": "DELETE_RECORD", "recordId": change.id, "deletedBy": by, "deletedAt": when}
        word = (
            "ADD_RECORD" if change.kind == "create" else "UPDATE_STATUS" if STAGE in change.after else "UPDATE_RECORD"
        )
        url = f"https://example.cybozu.com/k/{APP}/show#record={change.id}"
        return {**common, "type": word, "record": shown(record), "recordTitle": "", "url": url}

    def _save(
        self, record: Record, values: Mapping[str, Any], *, by: str, at: datetime | None = None, origin: str = "people"
    ) -> None:
        with self.shelf.lock:
            if values.get(STAGE, record.fields[STAGE]) != record.fields[STAGE]:
                record.revision += 1
            self.shelf.change(self.OBJECT, record.id, values, by=by, at=at, origin=origin)

    def _answering(self, work: Callable[[], Any]) -> Callable[[], Response]:
        def answer() -> Response:
            try:
                _check_headers()
                with self.shelf.lock:
                    return jsonify(work())
            except Refused as error:
                return _failure(error)

        return answer

    def _users(self) -> dict[str, Any]:
        rows = [
            {"id": str(at), "code": code, "name": name, "email": email, "valid": True}
            for at, (code, (email, name)) in enumerate(USERS.items(), 1)
        ]
        first = int(request.args["offset"])
        return {"users": rows[first : first + int(request.args["size"])]}

    def _query(self) -> dict[str, Any]:
        found = select(self.shelf.all(self.OBJECT), _content()["query"])
        return {"records": [shown(record) for record in found], "totalCount": None}

    def _found(self, record_id: Any) -> Record:
        record = self.shelf.find(self.OBJECT, str(record_id))
        if record is None:
            raise Refused(status=404, code="GAIA_RE01", text=f"指定したレコード(id: {record_id})が見つかりません。")
        return record

    def _one(self, work: Callable[[Record, Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        body = _content()
        record = self._current(body)
        return {"revision": self._done(record, work(record, body), "api")}

    def _many(self, work: Callable[[Record, Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """All of them or, where one is refused, none."""
        entries = _content()["records"]
        if len(entries) > 100:  # noqa: PLR2004 - the API's limit
            raise Refused(status=400, code="CB_VA01", text="一度に100件までです。")
        ready = [(record := self._current(entry), work(record, entry)) for entry in entries]
        return {"records": [{"id": one.id, "revision": self._done(one, values, SILENT)} for one, values in ready]}

    def _done(self, record: Record, values: Mapping[str, Any], origin: str) -> str:
        if self.gate.is_lying(f"{self.OBJECT}:{record.id}"):
            return str(record.revision + 1)
        self._save(record, values, by=LOGIN, origin=origin)
        return str(record.revision)

    def _current(self, body: Mapping[str, Any]) -> Record:
        record = self._found(body["id"])
        if int(body.get("revision", -1)) not in {-1, record.revision}:
            raise Refused(status=409, code="GAIA_CO02", text="指定したrevisionは最新ではありません。")
        return record

    def _fill(self, _record: Record, body: Mapping[str, Any]) -> dict[str, Any]:
        return checked(body["record"])

    def _act(self, record: Record, body: Mapping[str, Any]) -> dict[str, Any]:
        if record.fields[OWNER] not in {None, "", LOGIN}:
            raise Refused(status=403, code="GAIA_NO01", text="作業者でないため、アクションを実行できません。")
        name, now = body["action"], record.fields[STAGE]
        to = next((after for action, before, after in ACTIONS if (action, before) == (name, now)), None)
        if to is None:
            raise Refused(status=400, code="GAIA_IL03", text=f"ステータス{now}にアクション{name}はありません。")
        return {STAGE: to}

    def _assign(self, _record: Record, body: Mapping[str, Any]) -> dict[str, Any]:
        unknown = [code for code in body["assignees"] if code not in USERS]
        if unknown:
            raise Refused(status=400, code="GAIA_IL26", text=f"指定したユーザー({unknown})が見つかりません。")
        return {OWNER: next(iter(body["assignees"]), None)}


def _check_headers() -> None:
    expected = b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
    if request.headers.get("X-Cybozu-Authorization") != expected:
        raise Refused(status=401, code="CB_WA01", text="パスワード認証に失敗しました。")
    if request.method == "GET" and request.content_type and not request.get_data():
        raise Refused(status=400, code="CB_IL02", text="不正なリクエストです。")
    if request.method == "POST" and request.headers.get("X-HTTP-Method-Override") != "GET":
        raise Refused(status=400, code="CB_IL02", text="不正なリクエストです。")
    if request.path.startswith("/k/") and str(request.values.get("app") or _content().get("app")) != APP:
        raise Refused(status=404, code="GAIA_AP01", text="指定したアプリが見つかりません。")


def _content() -> dict[str, Any]:
    body = request.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def _failure(error: Refused) -> Response:
    response = jsonify(error.body())
    response.status_code = error.status
    return response
