"""The models of an emulated Odoo database: rows as the API shows them, domains, and what `crm.lead` does by itself."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

STAGES: Final = {1: "New", 2: "Qualified", 3: "Proposition", 4: "Won"}
WON: Final = 4
REASONS: Final = {1: "Too expensive", 2: "We don't have people/skills"}
USERS: Final = {
    2: ("admin@connector.example", "Integration"),
    9: ("k.sato@example.com", "Keiko Sato"),
    11: ("k.mori@example.com", "Ken Mori"),
}
SELLER: Final = 9
"""Who does what nobody is named for."""
LEAD_FIELDS: Final = {
    **dict.fromkeys(("name", "contact_name", "partner_name", "email_from", "email_normalized", "phone"), "char"),
    **dict.fromkeys(("x_abm_status", "x_abm_since"), "char"),
    **dict.fromkeys(("stage_id", "user_id", "lost_reason_id", "team_id", "write_uid"), "many2one"),
    **dict.fromkeys(("create_date", "write_date", "date_last_stage_update", "date_closed"), "datetime"),
    "id": "integer",
    "active": "boolean",
    "probability": "float",
    "type": "selection",
}
LABELS: Final[Mapping[str, Mapping[int, str]]] = {
    "stage_id": STAGES,
    "lost_reason_id": REASONS,
    "user_id": {user: name for user, (_, name) in USERS.items()},
    "write_uid": {user: name for user, (_, name) in USERS.items()},
    "team_id": {1: "Sales"},
}
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "crm.lead": LEAD_FIELDS,
    "crm.stage": {"id": "integer", "name": "char", "sequence": "integer", "is_won": "boolean", "team_id": "many2one"},
    "res.users": {
        "id": "integer",
        "login": "char",
        "email": "char",
        "name": "char",
        "active": "boolean",
        "share": "boolean",
    },
    "ir.actions.server": {
        "id": "integer",
        "name": "char",
        "state": "char",
        "model_id.model": "char",
        "webhook_url": "char",
    },
}
_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda left, right: left in right,
}


@dataclass(slots=True, kw_only=True)
class Odd(Exception):
    """An exception of Odoo: its dotted name, its message, and the HTTP status that JSON-2 gives it."""

    text: str
    name: str = "builtins.ValueError"
    status: int = 500


def refused(*, text: str, kind: str = "ValidationError", status: int = 422) -> Odd:
    """An exception that Odoo raises on purpose."""
    return Odd(text=text, name=f"odoo.exceptions.{kind}", status=status)


def time_text(at: datetime | None) -> str | bool:
    """A time as Odoo writes it: UTC in whole seconds, without a zone; `false` where there is none."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else False


def directory(model: str) -> list[dict[str, Any]]:
    """The rows of the models that only look up."""
    if model == "crm.stage":
        return [
            {"id": number, "name": name, "sequence": number, "is_won": number == WON, "team_id": False}
            for number, name in STAGES.items()
        ]
    return [
        {"id": number, "login": login, "email": login, "name": name, "active": True, "share": False}
        for number, (login, name) in USERS.items()
    ]


def select(model: str, rows: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`search_read`: the rows that a domain of triples selects, in the order of their ids, with the wanted fields."""
    names = body.get("fields") or list(FIELDS[model])
    for name in [*names, *(triple[0] for triple in body["domain"])]:
        if name not in FIELDS[model]:
            raise Odd(text=f"Invalid field {name!r} on model {model!r}")
    hits = [row for row in rows if all(_TESTS[test](_plain(row[name]), value) for name, test, value in body["domain"])]
    shown = [{"id": row["id"], **{name: row[name] for name in names}} for row in hits]
    return shown[: body.get("limit") or len(shown)]


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def derived(before: Mapping[str, Any], values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What writing these values writes besides: the date of the stage, probability and date of the end."""
    more: dict[str, Any] = {}
    if "stage_id" in values and values["stage_id"] != before.get("stage_id"):
        is_won = values["stage_id"] == WON
        more |= {"date_last_stage_update": now, "date_closed": now if is_won else None}
        more |= {"probability": 100.0} if is_won else {}
    if values.get("active") is False:
        more["date_closed"] = now
    if values.get("active") is True:
        more |= {"date_closed": None, "lost_reason_id": None, "probability": 10.0}
    if "email_from" in values:
        more["email_normalized"] = str(values["email_from"] or "").strip().casefold() or None
    return more


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that `write` takes; raises `Odd` for unknown fields and relations to nothing."""
    read: dict[str, Any] = {}
    for name, value in values.items():
        if name not in LEAD_FIELDS:
            raise Odd(text=f"Invalid field {name!r} on model 'crm.lead'")
        if value is not False and name in LABELS and value not in LABELS[name]:
            raise refused(text=f"The record {value!r} of {name} does not exist or has been deleted.")
        read[name] = None if value is False and LEAD_FIELDS[name] != "boolean" else value
    return read


def shown(lead: int, fields: Mapping[str, Any], created: datetime, written: datetime) -> dict[str, Any]:
    """A lead as `search_read` shows it: relations as `[id, name]`, empty values as `false`."""
    row: dict[str, Any] = {"id": lead, "create_date": time_text(created), "write_date": time_text(written)}
    for name, kind in LEAD_FIELDS.items():
        value = fields.get(name)
        if name not in row:
            row[name] = [value, LABELS[name][value]] if kind == "many2one" and value else value or False
        if isinstance(value, datetime):
            row[name] = time_text(value)
    return {**row, "probability": fields.get("probability") or 0.0}
