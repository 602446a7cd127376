"""The REST interface of an emulated Zoho CRM: tokens of an hour, COQL, batches, blueprints, channels, error bodies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.gate import Gate
from connector.emulators.engine.shelf import Shelf
from connector.emulators.zoho.state import CONNECTOR, FIELDS, PICKLISTS, READ_ONLY, USERS, QueryError, Tables
from connector.emulators.zoho.webhooks import Channels

CLIENT: Final = {
    "client_id": "1000.EXAMPLECLIENT",
    "client_secret": "exampleclientsecret0",
    "refresh_token": "1000.examplerefreshtoken",
}
MOST: Final = 100
LIFE: Final = timedelta(hours=1)
STAGES: Final = {"Leads": "Lead_Status", "Deals": "Stage"}


def error(status: int, code: str, text: str = "", **details: Any) -> Response:
    """An error of a whole call."""
    response = jsonify(_error(code, text, **details))
    response.status_code = status
    return response


def _error(code: str, text: str = "", **details: Any) -> dict[str, Any]:
    return {"code": code, "details": details, "message": text, "status": "error"}


class Rest:
    """The routes. `tokens`: until when each is good; `locked`: records that are locked.

    `blueprints`: module → stage → stages that its transitions lead to; a record in one of its stages is under it.
    """

    def __init__(
        self,
        *,
        shelf: Shelf,
        tables: Tables,
        channels: Channels,
        gate: Gate,
        now: Callable[[], datetime],
        url: Callable[[], str],
    ) -> None:
        self._shelf, self._tables, self._channels, self._gate = shelf, tables, channels, gate
        self._now, self._url = now, url
        self._numbers = itertools.count(1)
        self.tokens: dict[str, datetime] = {}
        self.locked: set[str] = set()
        self.blueprints: dict[str, dict[str, tuple[str, ...]]] = {}
        self.triggered = 0

    def put_into(self, app: Flask) -> None:
        """Add the routes to an application."""
        app.before_request(self._authorize)
        data = "/crm/v8"
        app.add_url_rule("/oauth/v2/token", "token", self._token, methods=["POST"])
        app.add_url_rule(f"{data}/coql", "coql", self._coql, methods=["POST"])
        app.add_url_rule(f"{data}/users", "users", self._users)
        app.add_url_rule(f"{data}/settings/fields", "fields", self._fields)
        app.add_url_rule(f"{data}/settings/layouts", "layouts", lambda: jsonify({"layouts": [{"id": "487687"}]}))
        app.add_url_rule(f"{data}/settings/pipeline", "pipeline", self._pipeline)
        app.add_url_rule(f"{data}/actions/watch", "watch", self._watch, methods=["GET", "POST", "PUT"])
        app.add_url_rule(f"{data}/<module>", "update", self._update, methods=["PUT"])
        app.add_url_rule(f"{data}/<module>/deleted", "deleted", self._deleted)
        app.add_url_rule(f"{data}/<module>/<number>/__timeline", "timeline", self._timeline)
        path = f"{data}/<module>/<number>/actions/blueprint"
        app.add_url_rule(path, "blueprint", self._blueprint, methods=["GET", "PUT"])

    def _authorize(self) -> Response | None:
        if not request.path.startswith("/crm/"):
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Zoho-oauthtoken" and self.tokens.get(token, self._now()) > self._now():
            return None
        return error(401, "INVALID_TOKEN", "invalid oauth token")

    def _token(self) -> Response:
        if request.form.get("grant_type") != "refresh_token" or any(
            request.form.get(name) != value for name, value in CLIENT.items()
        ):
            return jsonify({"error": "invalid_code"})
        token = f"1000.exampleaccesstoken{next(self._numbers)}"
        self.tokens[token] = self._now() + LIFE
        return jsonify({"access_token": token, "api_domain": self._url(), "token_type": "Bearer", "expires_in": 3600})

    def _coql(self) -> Response:
        try:
            rows = self._tables.select(request.get_json()["select_query"])
        except QueryError as wrong:
            return error(400, str(wrong), "the query cannot be used")
        if not rows:
            return Response(status=204)
        return jsonify({"data": rows, "info": {"count": len(rows), "more_records": len(rows) == 200}})  # noqa: PLR2004

    def _users(self) -> Response:
        is_own = request.args.get("type") == "CurrentUser"
        users = [
            {"id": user.id, "full_name": user.name, "email": user.email, "status": user.status}
            for user in USERS
            if not is_own or user.id == CONNECTOR
        ]
        return jsonify({"users": users, "info": {"more_records": False}})

    def _fields(self) -> Response:
        fields: list[dict[str, Any]] = []
        for name in sorted(FIELDS[request.args["module"]]):
            values = [{"display_value": value, "actual_value": value} for value in PICKLISTS.get(name, ())]
            fields.append({"api_name": name, "field_label": name.replace("_", " "), "pick_list_values": values})
        return jsonify({"fields": fields})

    def _pipeline(self) -> Response:
        maps = [{"display_value": value, "actual_value": value} for value in PICKLISTS["Stage"]]
        return jsonify({"pipeline": [{"display_value": "Standard", "actual_value": "Standard", "maps": maps}]})

    def _watch(self) -> Response:
        if request.method == "GET":
            found = [channel.shown() for channel in self._channels.by_id.values()]
            more = {"more_records": False}
            return jsonify({"watch": found, "info": more}) if found else Response(status=204)
        is_renewal = request.method == "PUT"
        results = [self._channels.watch(wanted, is_renewal=is_renewal) for wanted in request.get_json()["watch"]]
        response = jsonify({"watch": results})
        codes = {result["code"] == "SUCCESS" for result in results}
        response.status_code = 207 if len(codes) > 1 else 201 if codes == {True} else 400
        return response

    def _deleted(self, module: str) -> Response:
        rows = self._tables.deleted(module)
        return jsonify({"data": rows, "info": {"more_records": False}}) if rows else Response(status=204)

    def _timeline(self, module: str, number: str) -> Response:
        if self._shelf.find(module, number) is None:
            return error(400, "INVALID_DATA", "the id given seems to be invalid", api_name="id")
        return jsonify({"__timeline": self._tables.timeline(number), "info": {"more_records": False}})

    def _update(self, module: str) -> Response:
        body = request.get_json()
        if module not in FIELDS or not 1 <= len(body["data"]) <= MOST:
            return error(400, "INVALID_DATA", f"1 to {MOST} records of a module")
        if "trigger" not in body or body["trigger"]:
            self.triggered += 1
        results = [self._save(module, row) for row in body["data"]]
        response = jsonify({"data": results})
        codes = {result["code"] == "SUCCESS" for result in results}
        response.status_code = 207 if len(codes) > 1 else 200 if codes == {True} else 400
        return response

    def _save(self, module: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        number = str(sent["id"])
        fields = {name: value for name, value in sent.items() if name != "id"}
        wrong = self._wrong(module, number, fields)
        if wrong is not None:
            return wrong
        if not self._gate.is_lying(f"{module}:{number}"):
            owner = {"Owner": fields["Owner"]["id"]} if "Owner" in fields else {}
            self._shelf.change(module, number, {**fields, **owner}, by=CONNECTOR, origin="api")
        return {"code": "SUCCESS", "details": {"id": number}, "message": "record updated", "status": "success"}

    def _wrong(self, module: str, number: str, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        record = self._shelf.find(module, number)
        if record is None:
            return _error("INVALID_DATA", "the id given seems to be invalid", api_name="id")
        if number in self.locked:
            return _error("RECORD_LOCKED", "the record is locked")
        stage = STAGES.get(module, "")
        if stage in fields and record.fields.get(stage) in self.blueprints.get(module, {}):
            return _error("RECORD_IN_BLUEPRINT", "the record is in a blueprint")
        for name, value in fields.items():
            if name not in FIELDS[module] or name in READ_ONLY or value not in PICKLISTS.get(name, (value,)):
                return _error("INVALID_DATA", "invalid data", api_name=name)
        if "Owner" in fields and fields["Owner"].get("id") not in {
            user.id for user in USERS if user.status == "active"
        }:
            return _error("INVALID_DATA", "the id given seems to be invalid", api_name="Owner")
        return None

    def _blueprint(self, module: str, number: str) -> Response:
        record, stage = self._shelf.find(module, number), STAGES.get(module, "")
        ways = self.blueprints.get(module, {}).get(str(record.fields.get(stage)) if record else "")
        if record is None or ways is None:
            return error(400, "RECORD_NOT_IN_PROCESS", "the record is under no blueprint")
        if request.method == "GET":
            transitions = [{"id": f"40{place}", "name": to, "next_field_value": to} for place, to in enumerate(ways)]
            return jsonify({"blueprint": {"process_info": {"api_name": stage}, "transitions": transitions}})
        chosen = request.get_json()["blueprint"][0]["transition_id"]
        if chosen not in {f"40{place}" for place in range(len(ways))}:
            return error(400, "INVALID_DATA", "invalid transition", api_name="transition_id")
        if ways[int(chosen[2:])] == "Lost Lead":
            return error(400, "MANDATORY_NOT_FOUND", "required field not found", api_name="Reason")
        if not self._gate.is_lying(f"{module}:{number}"):
            self._shelf.change(module, number, {stage: ways[int(chosen[2:])]}, by=CONNECTOR, origin="api")
        return jsonify({"code": "SUCCESS", "details": {}, "message": "transition updated", "status": "success"})
