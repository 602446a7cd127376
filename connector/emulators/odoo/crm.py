"""An emulated Odoo database: leads, JSON-2 and JSON-RPC, and the automation rules that call webhooks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import CrmEmulator
from connector.emulators.engine.shelf import Change, Record
from connector.emulators.odoo.state import (
    FIELDS,
    SELLER,
    STAGES,
    USERS,
    Odd,
    checked,
    derived,
    directory,
    refused,
    select,
    shown,
)

KEY: Final = "5c1e0f7a9b2d4863a7c5e1f09b8d6a4c2e7f1b30"
TOKEN: Final = "r8Zk3vQn5tXw1yLm7pHc"  # noqa: S105 - of a system that is not real
DATABASE: Final = "example-prod"
LOGIN: Final = "admin@connector.example"
INTEGRATION: Final = 2
LOST: Final = "lost"
CHOSEN: Final = ("active", "email_from", "lost_reason_id", "probability", "stage_id", "type", "user_id", "write_date")
"""The fields that the rule sends."""


class OdooCrm(CrmEmulator):
    """A database whose leads are played with; a lost lead is an archived one."""

    NAME: ClassVar[str] = "odoo"
    EMAIL: ClassVar[str] = "email_from"
    STAGE: ClassVar[str] = "stage_id"
    OWNER: ClassVar[str] = "user_id"
    STATUS: ClassVar[str] = "x_abm_status"
    STAGES: ClassVar[Sequence[str]] = ("New", "Qualified", "Proposition", LOST)
    OWNERS: ClassVar[Mapping[str, str]] = {
        str(user): login for user, (login, _) in USERS.items() if user != INTEGRATION
    }
    FIRST_ID: ClassVar[int] = 77

    protocol = "json2"

    def routes(self, app: Flask) -> None:
        """The two external interfaces."""
        app.add_url_rule("/json/2/<model>/<method>", "json2", self._json2, methods=["POST"])
        app.add_url_rule("/jsonrpc", "jsonrpc", self._jsonrpc, methods=["POST"])

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running database."""
        settings = {"url": self.url, "database": DATABASE, "login": LOGIN, "protocol": self.protocol}
        return settings, {"api_key": [KEY], "webhook_token": [TOKEN]}

    def subscribe(self, handler_url: str) -> None:
        """Makes the rules that call the address with the token."""
        self.handlers.append(f"{handler_url}?token={TOKEN}")

    def unauthorized(self) -> Response:
        """The answer to a wrong key."""
        return _failure(Odd(text="Invalid apikey", name="werkzeug.exceptions.Unauthorized", status=401))

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """One call per record, sent once; a deleted one shows only its id."""
        body = {"_action": "Lead to connector(#412)", "_id": int(change.id), "_model": "crm.lead"}
        record = self.shelf.find(self.OBJECT, change.id)
        if record is not None:
            row = _row(record)
            sent = {name: row[name][0] if isinstance(row[name], list) else row[name] for name in CHOSEN}
            body |= {**sent, "id": int(change.id)}
        else:
            url = f"{url}&event=deleted"
        content = json.dumps(body, sort_keys=True).encode()
        about = f"{change.object}:{change.id}:{change.number}"
        yield Message(url=url, about=about, make=lambda _: (content, {"Content-Type": "application/json"}))

    def add(
        self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None, **more: Any
    ) -> str:
        """A person makes an opportunity."""
        values = {
            "name": email,
            "type": "opportunity",
            "active": True,
            "probability": 10.0,
            "email_from": email,
            **more,
        }
        values |= {"stage_id": _stage(stage or self.STAGES[0]), "user_id": int(owner) if owner else None}
        return self.shelf.add(self.OBJECT, values | derived({}, values, at or self.now()), at=at).id

    def move(self, record_id: str, stage: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person moves the lead, marks it lost, or brings it back from there."""
        if stage == LOST:
            self._save(record_id, {"active": False, "probability": 0.0, "lost_reason_id": 1}, by=by, at=at)
        else:
            is_back = not self.record(record_id).fields["active"]
            values = {"stage_id": _stage(stage), **({"active": True} if is_back else {})}
            self._save(record_id, values, by=by, at=at)

    def assign(self, record_id: str, owner: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person hands the lead to a colleague."""
        self._save(record_id, {"user_id": int(owner)}, by=by, at=at)

    def fill_in(self, record_id: str, values: Mapping[str, Any]) -> None:
        """A person fills in fields, or archives the lead and brings it back by `active`."""
        self._save(record_id, values, at=None)

    def stage_of(self, record_id: str) -> str:
        """The stage's name, or `lost`."""
        fields = self.record(record_id).fields
        return STAGES[fields["stage_id"]] if fields["active"] else LOST

    def _save(
        self, record_id: str, values: Mapping[str, Any], *, by: str = "", at: datetime | None, origin: str = "people"
    ) -> None:
        before = self.record(record_id).fields
        more = derived(before, values, at or self.now())
        self.shelf.change(self.OBJECT, record_id, {**values, **more}, by=by, at=at, origin=origin)

    def _json2(self, model: str, method: str) -> Response:
        headers, body = request.headers, request.get_json(silent=True)
        if headers.get("Authorization") != f"bearer {KEY}" or headers.get("X-Odoo-Database") != DATABASE:
            return self.unauthorized()
        if not isinstance(body, dict):
            return _failure(Odd(text="the body is not JSON", name="werkzeug.exceptions.BadRequest", status=400))
        try:
            return jsonify(self._run(model, method, body.pop("ids", []), body))
        except Odd as error:
            return _failure(error)

    def _jsonrpc(self) -> Response:
        call = request.get_json()
        service, method, args = (call["params"][name] for name in ("service", "method", "args"))
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            if (service, method) == ("common", "authenticate"):
                return jsonify({**reply, "result": INTEGRATION if args[:3] == [DATABASE, LOGIN, KEY] else False})
            if args[:3] != [DATABASE, INTEGRATION, KEY]:
                raise refused(text="Access Denied", kind="AccessDenied", status=403)
            _, _, _, model, name, places, names = args
            ids, *rest = places or [[]]
            result = self._run(model, name, ids, {**names, **({"vals": rest[0]} if rest else {})})
        except Odd as error:
            data = {"name": error.name, "debug": "Traceback (shortened)", "message": error.text, "arguments": []}
            return jsonify({**reply, "error": {"code": 200, "message": "Odoo Server Error", "data": data}})
        return jsonify({**reply, "result": result})

    def _run(self, model: str, method: str, ids: Sequence[int], body: Mapping[str, Any]) -> Any:
        if (model, method) == ("res.users", "context_get"):
            return {"lang": "en_US", "tz": "Asia/Tokyo", "uid": INTEGRATION}
        if model not in FIELDS:
            raise refused(text=f"the model {model!r} does not exist", kind="MissingError", status=404)
        if method == "fields_get":
            return {name: {"type": kind, "string": name} for name, kind in FIELDS[model].items()}
        if method in {"has_access", "check_access_rights"}:
            return True
        if method == "search_read":
            return select(model, self._rows(model, body), body)
        with self.shelf.lock:
            return self._act(method, [str(one) for one in ids], body)

    def _rows(self, model: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        if model == "crm.lead":
            with self.shelf.lock:
                rows = [_row(record) for record in self.shelf.all(self.OBJECT)]
            is_all = body.get("context", {}).get("active_test", True) is False
            return [row for row in rows if is_all or row["active"]]
        if model == "ir.actions.server":
            return [
                {
                    "id": number,
                    "name": f"Rule {number}",
                    "state": "webhook",
                    "model_id.model": "crm.lead",
                    "webhook_url": url,
                }
                for number, url in enumerate(self.handlers, 412)
            ]
        return directory(model)

    def _act(self, method: str, ids: Sequence[str], body: Mapping[str, Any]) -> Any:
        """A method of `crm.lead` on records: all of them or, where one fails, none."""
        if missing := [record_id for record_id in ids if self.shelf.find(self.OBJECT, record_id) is None]:
            raise refused(text=f"Record does not exist: {missing}", kind="MissingError", status=404)
        if method == "read":
            return [{"id": int(record_id)} for record_id in ids]
        written: dict[str, Callable[[], dict[str, Any]]] = {
            "write": lambda: checked(body["vals"]),
            "action_set_lost": lambda: {"active": False, "probability": 0.0, **checked(_reason(body))},
            "action_unarchive": lambda: {"active": True},
        }
        values = written[method]()
        for record_id in ids:
            if not self.gate.is_lying(f"{self.OBJECT}:{record_id}"):
                self._save(record_id, values, by=str(INTEGRATION), at=None, origin="api")
        return True


def _reason(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name == "lost_reason_id"}


def _stage(name: str) -> int:
    return next(number for number, label in STAGES.items() if label == name)


def _row(record: Record) -> dict[str, Any]:
    fields = {**record.fields, "write_uid": int(record.by or SELLER)}
    return shown(int(record.id), fields, record.created, record.modified)


def _failure(error: Odd) -> Response:
    body = {"name": error.name, "message": error.text, "arguments": [error.text], "context": {}, "debug": "Traceback"}
    response = jsonify(body)
    response.status_code = error.status
    return response
