"""A small AMIS CRM in memory as the `Api` of adapter tests: records, a token, answers on demand."""

from __future__ import annotations

import json
import json as json_library
from datetime import UTC, datetime
from typing import Any

from adapters.amis import Amis
from connector.adapter_kit.contract import Answer, Delivery
from tests.adapters.support import Memory

NOW = datetime(2026, 8, 12, 3, 15, 31, tzinfo=UTC)
SINCE = datetime(2026, 8, 12, tzinfo=UTC)
TOKEN = "amis-t0ken"
LAN = "lan.tran@example.vn"
AMIS = Amis(
    client_id="app", client_secret=("s1",), webhook_token=(TOKEN,), owners=(f"{LAN}=Trần Thị Lan", "MINH@x.vn=Lê Minh")
)

URL = "https://crmconnect.misa.vn/api/v2"


class FakeAmis(Memory):
    """`rows` by name (`Contacts:17`); `answers`: "METHOD /path" → what is answered or raised instead, once each."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, list[Answer | Exception]] = {}
        self.calls: list[tuple[str, Any]] = []
        self.tokens: list[str] = []
        self.hidden: set[int] = set()
        self.is_deaf = False
        self.numbers_from = 0

    def add(self, name: str, **values: Any) -> None:
        """A record with the usual times."""
        times = {"created_date": "2026-08-01T09:00:00+07:00", "modified_date": "2026-08-12T10:15:30+07:00"}
        self.rows[name] = {"id": int(name.partition(":")[2]), **times, **values}

    def call(
        self, method: str, url: str, *, json: Any = None, params: Any = None, headers: Any = None, **rest: Any
    ) -> Answer:
        assert not rest
        line = f"{method} {url.removeprefix(URL)}"
        self.calls.append((line, params or json))
        if line != "POST /Account":
            assert headers["Clientid"] == "app"
            self.tokens.append(headers["Authorization"])
        if waiting := self.answers.get(line):
            found = waiting.pop(0)
            if isinstance(found, Exception):
                raise found
            return found
        resource = line.partition(" /")[2].partition("/")[0]
        if line == "POST /Account":
            return reply({"success": True, "code": 200, "data": f"t{len(self.calls)}"})
        if method == "PUT":
            return self._put(resource, json)
        rows = [row for name, row in self.rows.items() if name.startswith(f"{resource}:")]
        if line.endswith("/id"):
            ids = params["ids"].split(",")
            shown = [row for row in rows if str(row["id"]) in ids]
            return good([row for row in shown if len(ids) == 1 or row["id"] not in self.hidden])
        rows.sort(key=lambda row: str(row["modified_date"]), reverse=True)
        size, page = int(params["pageSize"]), max(int(params["page"]) - self.numbers_from, 0)
        return good(rows[page * size : (page + 1) * size])

    def lines(self) -> list[str]:
        """The calls, in order."""
        return [line for line, _ in self.calls]

    def _put(self, resource: str, items: Any) -> Answer:
        for item in items:
            if (row := self.rows.get(f"{resource}:{item['id']}")) is not None and not self.is_deaf:
                row |= {name: value for name, value in item.items() if name != "form_layout"}
        return reply({"success": True, "results": [{"success": True, "data": {"id": item["id"]}} for item in items]})


def reply(body: Any, status: int = 200) -> Answer:
    return Answer(status=status, headers={}, body=json_library.dumps(body).encode())


def good(rows: Any) -> Answer:
    return reply({"success": True, "code": 0, "data": rows})


def webhook(body: Any, **headers: str) -> Delivery:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(method="POST", query=(("token", TOKEN),), headers=headers, body=content, received_at=NOW)


def notice(word: str | None, **data: Any) -> Delivery:
    return webhook({"event_type": word, "data": data})
