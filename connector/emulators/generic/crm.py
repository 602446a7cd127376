"""A CRM that nobody makes, with habits of its own, connected by the settings of the adapter `generic` alone."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import CrmEmulator
from connector.emulators.engine.shelf import Change, Record

SECRET: Final = "mac-7c2d9e4f1a6b8035"  # noqa: S105 - of a system that is not real
API_TOKEN: Final = "tok-3f8a1c5e7b9d2046"  # noqa: S105 - the same
PHASES: Final = ("Fresh", "Talking", "Meeting", "Dropped")
AGENTS: Final = {"a7": "hana@example.com", "a8": "ken@example.com", "a9": "mio@example.com"}
PAGE: Final = 3
PAUSES: Final = (0.02, 0.05, 0.1)
SETTINGS: Final[Mapping[str, Any]] = {
    "proof": "hmac",
    "proof_header": "X-Mac",
    "algorithm": "sha1",
    "encoding": "base64",
    "prefix": "mac=",
    "events": "notification.people",
    "id": "join('/', [to_string(no), to_string(rev)])",
    "at": "changed",
    "object": "",
    "default_object": "person",
    "record": "no",
    "email": "card.mail",
    "phone": "card.tel",
    "stage": "phase.name",
    "stage_at": "phase.since",
    "owner": "agent",
    "deleted": "gone",
    "owner_ids": [f"{agent}={email}" for agent, email in AGENTS.items()],
    "stage_field": "phase",
    "owner_field": "agent",
    "template": '{"person": "{fields}", "by": "connector"}',
    "read": "person",
    "auth_header": "X-Token",
    "changes_items": "people",
    "changes_next": "next",
}
"""All that the connector has to be told of it."""


class GenericCrm(CrmEmulator):
    """People with a phase and an agent; webhooks with a MAC in base64; changed people in pages of three."""

    NAME: ClassVar[str] = "generic"
    OBJECT: ClassVar[str] = "person"
    EMAIL: ClassVar[str] = "mail"
    STAGE: ClassVar[str] = "phase"
    OWNER: ClassVar[str] = "agent"
    STATUS: ClassVar[str] = "abm_status"
    STAGES: ClassVar[Sequence[str]] = PHASES
    OWNERS: ClassVar[Mapping[str, str]] = AGENTS

    def routes(self, app: Flask) -> None:
        """One person, read and written, and who changed."""
        app.add_url_rule("/v1/people/<record_id>", "show", self._show, methods=["GET"])
        app.add_url_rule("/v1/people/<record_id>", "save", self._save, methods=["PATCH"])
        app.add_url_rule("/v1/people", "changed", self._changed_people, methods=["GET"])

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running system."""
        person = f"{self.url}/v1/people/{{record.id}}"
        urls = {"url": person, "read_url": person, "changes_url": f"{self.url}/v1/people?changed_since={{since}}"}
        return {**SETTINGS, **urls}, {"secret": [SECRET], "auth_value": [API_TOKEN]}

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """The person as it is now; sent again until it is taken."""
        record = self.shelf.find(self.OBJECT, change.id)
        gone = {"no": int(change.id), "rev": change.revision, "changed": change.at.isoformat(), "gone": True}
        person = self._person(record) if record else gone
        body = json.dumps({"notification": {"people": [person]}}).encode()
        mac = b64encode(hmac.new(SECRET.encode(), body, "sha1").digest()).decode()
        content: Content = (body, {"Content-Type": "application/json", "X-Mac": f"mac={mac}"})
        yield Message(url=url, about=f"{change.id}:{change.number}", make=lambda _: content, pauses=PAUSES)

    def _person(self, record: Record) -> dict[str, Any]:
        fields = record.fields
        return {
            "no": int(record.id),
            "rev": record.revision,
            "changed": record.modified.isoformat(),
            "card": {"mail": fields.get("mail"), "tel": fields.get("tel") or "n/a"},
            "phase": {"name": fields["phase"], "since": self._since(record).isoformat()},
            "agent": fields.get("agent") or "",
            "note": fields.get("note"),
            "abm_status": fields.get("abm_status"),
            "abm_since": fields.get("abm_since"),
        }

    def _since(self, record: Record) -> datetime:
        moves = (
            change for change in reversed(self.shelf.changes) if change.id == record.id and "phase" in change.after
        )
        return next((change.at for change in moves), record.created)

    def _show(self, record_id: str) -> Response:
        if request.headers.get("X-Token") != API_TOKEN:
            return self.unauthorized()
        record = self.shelf.find(self.OBJECT, record_id)
        if record is None:
            return _failure(404, f"no person {record_id}")
        plain = {"phase": record.fields["phase"], "agent": record.fields.get("agent") or ""}
        return jsonify({"person": {**self._person(record), **plain}})

    def _save(self, record_id: str) -> Response:
        if request.headers.get("X-Token") != API_TOKEN:
            return self.unauthorized()
        body = request.get_json(silent=True)
        values = body.get("person") if isinstance(body, dict) else None
        if not isinstance(values, dict) or set(body or {}) - {"person", "by"}:
            return _failure(400, "send a person")
        if self.shelf.find(self.OBJECT, record_id) is None:
            return _failure(404, f"no person {record_id}")
        if wrong := _mistake(values):
            return _failure(422, wrong)
        if not self.gate.is_lying(f"{self.OBJECT}:{record_id}"):
            self.shelf.change(self.OBJECT, record_id, values, by="connector", origin="api")
        return jsonify({"ok": True})

    def _changed_people(self) -> Response:
        if request.headers.get("X-Token") != API_TOKEN:
            return self.unauthorized()
        try:
            since = datetime.fromisoformat(request.args["changed_since"]).astimezone(UTC)
            start = int(request.args.get("from", "0"))
        except (KeyError, ValueError):
            return _failure(400, "changed_since is no time")
        found = self.shelf.modified_since(self.OBJECT, since)
        shown = [self._person(record) for record in found[start : start + PAGE]]
        query = f"changed_since={request.args['changed_since'].replace('+', '%2B')}&from={start + PAGE}"
        more = f"/v1/people?{query}" if start + PAGE < len(found) else None
        return jsonify({"people": shown, "next": more})


def _mistake(values: Mapping[str, Any]) -> str | None:
    unknown = sorted(set(values) - {"phase", "agent", "abm_status", "abm_since"})
    if unknown:
        return f"no such field: {', '.join(unknown)}"
    if values.get("phase", PHASES[0]) not in PHASES:
        return f"no such phase: {values['phase']}"
    if values.get("agent", "a7") not in AGENTS:
        return f"no such agent: {values['agent']}"
    return None


def _failure(status: int, text: str) -> Response:
    response = jsonify({"problem": text})
    response.status_code = status
    return response
