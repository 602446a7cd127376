"""An `Api` that answers as an Odoo server with a few records, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adapters.odoo import Odoo
from connector.adapter_kit.contract import Answer
from connector.core.errors import CrmUnavailable
from tests.adapters.support import ShortMemory

KEY = "0123456789abcdef0123456789abcdef01234567"
URL = "https://example.odoo.com"
_KINDS = {
    "char": (
        "name",
        "email_from",
        "phone",
        "phone_sanitized",
        "mobile",
        "x_abm_status",
        "x_abm_since",
        "x_studio_site",
    ),
    "many2one": ("stage_id", "user_id", "lost_reason_id", "team_id", "write_uid"),
    "datetime": ("create_date", "write_date", "date_last_stage_update", "date_closed"),
}
FIELDS = {
    **{name: {"type": kind} for kind, names in _KINDS.items() for name in names},
    "active": {"type": "boolean", "string": "Active"},
    "probability": {"type": "float", "string": "Probability"},
}
STAGES = [
    {"id": 1, "name": "New", "team_id": False},
    {"id": 3, "name": "Proposition", "team_id": False},
    {"id": 6, "name": "Proposition", "team_id": [2, "Export"]},
    {"id": 7, "name": "Proposition", "team_id": [3, "Web"]},
]
USERS = [
    {"id": 9, "login": "K.Sato@example.com", "email": False, "name": "Keiko Sato", "active": True},
    {"id": 11, "login": "mori", "email": "k.mori@example.com", "name": "Ken Mori", "active": True},
    {"id": 12, "login": "left", "email": "left@example.com", "name": "Left", "active": False},
    {"id": 13, "login": "odoobot", "email": False, "name": "OdooBot", "active": True},
]


def odoo(**settings: Any) -> Odoo:
    return Odoo(**{"url": URL, "api_key": (KEY, "old"), **settings})


def lead(lead_id: int = 77, **values: Any) -> dict[str, Any]:
    """A lead as `search_read` shows it."""
    return {
        "id": lead_id,
        "name": "Minamoto",
        "email_from": "a@example.com",
        "active": True,
        "probability": 10.0,
        "stage_id": [1, "New"],
        "user_id": False,
        "lost_reason_id": False,
        "team_id": [2, "Export"],
        "create_date": "2026-03-01 00:00:00",
        "write_date": "2026-03-04 05:06:07",
        "date_last_stage_update": "2026-03-02 00:00:00",
        "date_closed": False,
        "x_abm_status": False,
        **values,
    }


def refusal(name: str, message: str = "no", status: int = 422) -> Answer:
    body = {"name": f"odoo.exceptions.{name}", "message": message, "arguments": [], "context": {}, "debug": "Traceback"}
    return Answer(status=status, headers={}, body=json.dumps(body).encode())


@dataclass(slots=True)
class FakeOdoo(ShortMemory):
    """`leads` by id. `on`: model and method → what happens in place of the usual; an error in it is raised."""

    leads: dict[int, dict[str, Any]] = field(default_factory=dict)
    on: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, url: str, *, json: Any = None, **request: Any) -> Answer:
        self.calls.append({"method": method, "url": url, "json": json, **request})
        if url.endswith("/jsonrpc"):
            return self._rpc(json["params"])
        name = ".".join(url.split("/")[-2:])
        return self._answer(name, json)

    def methods(self) -> list[str]:
        """What was called, but for looking up."""
        return [name for name, _ in self.asked if not name.endswith((".fields_get", ".search_read"))]

    def _rpc(self, params: dict[str, Any]) -> Answer:
        args = params["args"]
        if params["method"] == "authenticate":
            return _json({"result": 2 if args[2] == KEY else False})
        ids, *rest = args[5] or [None]
        body = {**args[6], **({"ids": ids} if ids else {}), **({"vals": rest[0]} if rest else {})}
        answer = self._answer(f"{args[3]}.{args[4]}", body)
        if answer.status == 200:
            return _json({"result": answer.json()})
        return _json({"error": {"code": 200, "message": "Odoo Server Error", "data": answer.json()}})

    def _answer(self, name: str, body: dict[str, Any]) -> Answer:
        self.asked.append((name, body))
        result = self.on[name](body) if name in self.on else self._usual(name, body)
        if isinstance(result, Exception):
            raise result
        return result if isinstance(result, Answer) else _json(result)

    def _usual(self, name: str, body: dict[str, Any]) -> Any:
        if name == "crm.lead.search_read":
            return self._found(body)
        if name == "res.users.search_read":
            return [row for row in USERS if row["id"] > body["domain"][-1][-1]]
        ids = [one for one in body.get("ids", ()) if one in self.leads]
        if len(ids) < len(body.get("ids", ())):
            return refusal("MissingError", "Record does not exist or has been deleted.", 404)
        changes: dict[str, Callable[[], dict[str, Any]]] = {
            "crm.lead.write": lambda: {key: self._shown(key, value) for key, value in body["vals"].items()},
            "crm.lead.action_unarchive": lambda: {"active": True, "probability": 10.0},
            "crm.lead.action_set_lost": lambda: {"active": False, "probability": 0.0, **_reason(body)},
        }
        if name in changes:
            for one in ids:
                self.leads[one] |= changes[name]()
            return True
        return {
            "crm.lead.fields_get": FIELDS,
            "crm.stage.fields_get": {"name": {}, "team_id": {}},
            "crm.stage.search_read": STAGES,
            "crm.lead.read": [{"id": one} for one in ids],
            "res.users.context_get": {"uid": 2},
        }[name]

    def _found(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        rows = [self.leads[one] for one in sorted(self.leads)]
        for name, test, value in body["domain"]:
            rows = [
                row
                for row in rows
                if (test == "in" and row[name] in value)
                or (test == ">=" and row[name] >= value)
                or (test == ">" and row[name] > value)
            ]
        return rows[: body["limit"]]

    def _shown(self, name: str, value: Any) -> Any:
        labels = {row["id"]: row["name"] for row in (STAGES if name == "stage_id" else USERS)}
        return [value, labels[value]] if name in {"stage_id", "user_id"} and value else value


def _reason(body: dict[str, Any]) -> dict[str, Any]:
    return {"lost_reason_id": [body["lost_reason_id"], "x"]} if "lost_reason_id" in body else {}


def _json(value: Any) -> Answer:
    return Answer(status=200, headers={}, body=json.dumps(value).encode())


def busy(_body: dict[str, Any]) -> Exception:
    return CrmUnavailable("POST example.odoo.com: answered 503", 7.0)
