"""An `Api` that answers as a kintone domain with one app, and remembers what it was asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adapters.kintone import Kintone
from connector.adapter_kit.contract import Answer
from connector.core.errors import CrmUnavailable
from tests.adapters.support import ShortMemory

URL = "https://example.cybozu.com"
USERS = [
    {"code": "k.sato", "name": "佐藤 恵子", "email": "K.Sato@example.com", "valid": True},
    {"code": "mori@example.com", "name": "森 健", "email": "", "valid": True},
    {"code": "left", "name": "", "email": "left@example.com", "valid": False},
    {"code": "robot", "name": "robot", "email": "", "valid": True},
]
FIELDS = {
    "会社名": {"type": "SINGLE_LINE_TEXT", "label": "会社"},
    "確度": {"type": "DROP_DOWN", "options": {"B": {"label": "B", "index": "1"}, "A": {"label": "A", "index": "0"}}},
    "更新日時": {"type": "UPDATED_TIME"},
}
PROCESS = {
    "enable": True,
    "states": {
        "商談中": {"name": "商談中", "index": "1", "assignee": {"type": "ONE", "entities": []}},
        "未処理": {"name": "未処理", "index": "0", "assignee": {"type": "ALL", "entities": []}},
        "受注": {"name": "受注", "index": "2", "assignee": {"type": "ALL", "entities": []}},
    },
    "actions": [
        {"name": "始める", "from": "未処理", "to": "商談中"},
        {"name": "決める", "from": "商談中", "to": "受注"},
    ],
}


def kintone(**settings: Any) -> Kintone:
    return Kintone(**{"url": URL, "app": "27", "login": "bot", "password": ("pw",), **settings})


def record(number: int = 345, revision: int = 8, stage: str = "未処理", **values: Any) -> dict[str, Any]:
    """A record as the API shows it; `values` by field code: a value, or type and value."""
    given = {
        "$id": ("__ID__", str(number)),
        "$revision": ("__REVISION__", str(revision)),
        "作成日時": ("CREATED_TIME", "2026-02-03T01:15:00Z"),
        "更新日時": ("UPDATED_TIME", "2026-03-04T05:06:00Z"),
        "ステータス": ("STATUS", stage),
        "作業者": ("STATUS_ASSIGNEE", []),
        "会社名": ("SINGLE_LINE_TEXT", "ミナモト"),
        "見込金額": ("NUMBER", ""),
        "営業担当": ("USER_SELECT", []),
        "関心": ("CHECK_BOX", []),
        "確度": ("DROP_DOWN", ""),
        **values,
    }
    return {code: {"type": kind, "value": value} for code, (kind, value) in given.items()}


def refusal(code: str, status: int, message: str = "no", **errors: str) -> Answer:
    details = {path: {"messages": [text]} for path, text in errors.items()}
    return _json({"code": code, "id": "1", "message": message, "errors": details}, status)


def busy(_body: Any) -> Exception:
    return CrmUnavailable("PUT example.cybozu.com: answered 503", 7.0)


@dataclass(slots=True)
class FakeKintone(ShortMemory):
    """`records` by id. `on`: path below /k/v1/ → what happens in place of the usual; an error in it is raised."""

    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    on: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, url: str, *, json: Any = None, params: Any = None, **request: Any) -> Answer:
        self.calls.append({"method": method, "url": url, "json": json, "params": params, **request})
        path, body = url.partition("/v1/")[2], json if json is not None else params
        self.asked.append((path, body))
        result = self.on[path](body) if path in self.on else self._usual(path, body)
        if isinstance(result, Exception):
            raise result
        return result if isinstance(result, Answer) else _json(result)

    def writes(self) -> list[tuple[str, Any]]:
        """The calls that change something: path and body without the app."""
        puts = [call for call in self.calls if call["method"] == "PUT"]
        return [(call["url"].partition("/v1/")[2], {**call["json"], "app": 0}) for call in puts]

    def _usual(self, path: str, body: Any) -> Any:
        if path == "records.json" and "query" in body:
            return {"records": self._found(body["query"])}
        if path == "record.json" and "id" in body and "record" not in body:
            found = self.records.get(int(body["id"]))
            return {"record": found} if found else refusal("GAIA_RE01", 404)
        if path == "users.json":
            first = int(body["offset"])
            return {"users": USERS[first : first + int(body["size"])]}
        if path in {"app/form/fields.json", "app/status.json"}:
            return {"properties": FIELDS} if "form" in path else PROCESS
        entries = body.get("records", [body])
        for entry in entries:
            if int(self.records[entry["id"]]["$revision"]["value"]) != entry["revision"]:
                return refusal("GAIA_CO02", 409)
        created = [
            {"id": str(entry["id"]), "revision": self._save(self.records[entry["id"]], entry)} for entry in entries
        ]
        return {"records": created} if "records" in body else {"revision": created[0]["revision"]}

    def _save(self, found: dict[str, Any], entry: dict[str, Any]) -> str:
        step = 1
        for code, one in entry.get("record", {}).items():
            found[code]["value"] = one["value"]
        if "action" in entry:
            actions = {one["name"]: one["to"] for one in PROCESS["actions"]}  # type: ignore[attr-defined]
            found["ステータス"]["value"], step = actions[entry["action"]], 2
        if "assignees" in entry:
            found["作業者"]["value"] = [{"code": code, "name": code} for code in entry["assignees"]]
        found["$revision"]["value"] = str(int(found["$revision"]["value"]) + step)
        return str(found["$revision"]["value"])

    def _found(self, query: str) -> list[dict[str, Any]]:
        ids = re.search(r"in \((.*)\)", query)
        if ids:
            wanted = {int(part.strip(' "')) for part in ids[1].split(",")}
            return [self.records[number] for number in sorted(wanted & set(self.records))]
        first, limit = (re.search(pattern, query) for pattern in (r"\$id > ([0-9]+)", r"limit ([0-9]+)"))
        above = [number for number in sorted(self.records) if number > int(first[1] if first else 0)]
        return [self.records[number] for number in above[: int(limit[1] if limit else 500)]]


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status=status, headers={}, body=json.dumps(value).encode())
