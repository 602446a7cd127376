"""A CRM that speaks our own form both ways: lines by Standard Webhooks come out of it, updates go in by HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import CrmEmulator
from connector.emulators.engine.shelf import Change
from tests.flow.senders import SECRET, signed

KINDS = {"stage": "stage", "owner": "owner"}


class StandardCrm(CrmEmulator):
    """Leads whose stage, owner and fields are lines of their own; it says no deletions, as the form has none."""

    NAME: ClassVar[str] = "standard"
    STAGES: ClassVar[Sequence[str]] = ("latent", "appointment_prospect", "project")
    OWNERS: ClassVar[Mapping[str, str]] = {mail: mail for mail in ("hana@example.com", "ken@example.com")}
    STATUS: ClassVar[str] = "abm_label"

    def routes(self, app: Flask) -> None:
        """A lead can be written and read back."""
        app.add_url_rule("/leads/<number>", "write", self._write, methods=["POST"])
        app.add_url_rule("/leads/<number>", "read", lambda number: jsonify(self.record(number).fields))

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """The address of a lead, and what signs the lines."""
        address = f"{self.url}/leads/{{record.id}}"
        return {"url": address, "read_url": address, "read_status": "status"}, {"secret": [SECRET]}

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """One message with a line for each thing that changed, sent again until it is taken."""
        record = self.shelf.find(self.OBJECT, change.id)
        if record is None:
            return
        who = {name: record.fields.get(name) for name in ("email", "phone") if record.fields.get(name)}
        common = {"at": change.at.isoformat(), "sequence": change.number, "kind": "lead", "object": self.OBJECT}
        lines = [
            {**common, "id": f"{change.number}-{name}", "subject": {"id": change.id, **who}, **_said(name, value)}
            for name, value in change.after.items()
        ]
        key = f"msg_{change.number}"
        body = json.dumps({"events": lines}).encode()

        def make(_attempt: int) -> Content:
            return body, signed(body, key, self.now())

        yield Message(url=url, about=f"{change.id}:{change.number}", make=make, pauses=(0.05, 0.1))

    def _write(self, number: str) -> Response:
        given = request.get_json()
        owner = {"owner": given["owner"]} if given["owner"] else {}
        values = {**given["fields"], **owner, "status": given["status"]}
        self.shelf.change(self.OBJECT, number, values, origin="api")
        return Response(status=204)


def _said(name: str, value: Any) -> dict[str, Any]:
    return {"type": name, name: value} if name in KINDS else {"type": "profile", "fields": {name: value}}
