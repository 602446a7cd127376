"""A small BowNow in memory as the `Api` of adapter tests: leads, accounts, tokens, answers on demand."""

from __future__ import annotations

import json as json_library
from datetime import UTC, datetime
from typing import Any

from adapters.bownow import BowNow
from connector.adapter_kit.contract import Answer, Delivery, Update
from connector.core.event import Event
from tests.adapters.builders import update_of, whole
from tests.adapters.support import Memory

URL = "https://api.bownow.jp/v1"
NOW = datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC)
TOKEN = "b0wn0w-t0ken"
BOW = BowNow(tracking_id="UTC-1", api_key=("k1",), webhook_token=(TOKEN,))
HANA = {"id": 501, "name": "森 花", "email": " Hana.Mori@Example.co.jp "}
KEN = {"id": "502", "email": None}


class FakeBowNow(Memory):
    """`leads` by sid; `answers`: "METHOD /path" → what is answered or raised instead, once each, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.leads: dict[str, dict[str, Any]] = {}
        self.accounts: list[dict[str, Any]] = []
        self.answers: dict[str, list[Answer | Exception]] = {}
        self.calls: list[tuple[str, Any, dict[str, str]]] = []
        self.hidden: set[str] = set()
        self.is_deaf = False

    def add(self, sid: str, **values: Any) -> None:
        """A lead with the usual values."""
        common = {"sid": sid, "email": f"{sid}@example.com", "status_id": 2, "staff_ids": [501], "tag_ids": []}
        times = {"created_at": "2026-03-24T16:02:11+09:00", "updated_at": "2026-03-26T17:16:02+09:00"}
        self.leads[sid] = {**common, "free_item1": None, **times, **values}

    def call(self, method: str, url: str, *, json: Any = None, headers: Any = None, **rest: Any) -> Answer:
        assert not rest
        line = f"{method} {url.removeprefix(URL)}"
        self.calls.append((line, json, dict(headers)))
        assert headers["Tracking-ID"] == "UTC-1"
        if waiting := self.answers.get(line):
            found = waiting.pop(0)
            if isinstance(found, Exception):
                raise found
            return found
        return self._answer(line, json)

    def lines(self) -> list[str]:
        """The calls, in order."""
        return [line for line, _, _ in self.calls]

    def _answer(self, line: str, body: Any) -> Answer:
        _, _, path = line.partition(" ")
        if path == "/auth/token":
            return reply({"access_token": "a1", "refresh_token": "r1", "client_token": "c1"})
        if path == "/statuses/search":
            return reply({"statuses": [{"id": 1, "name": "未設定"}, {"id": 2, "name": "潜在"}, {"name": "?"}]})
        if path == "/accounts/search":
            return reply({"accounts": self.accounts})
        if path == "/leads/search":
            found = [
                lead for sid, lead in self.leads.items() if sid in body.get("sids", [sid]) and sid not in self.hidden
            ]
            start = (body["page"] - 1) * body["per_page"]
            return reply({"total": len(found), "leads": found[start : start + body["per_page"]]})
        return self._lead(line.partition(" ")[0], path.removeprefix("/leads/"), body)

    def _lead(self, method: str, sid: str, body: Any) -> Answer:
        if sid not in self.leads:
            return reply({"errors": [{"message": "lead not found"}]}, 404)
        if method == "PATCH" and not self.is_deaf:
            self.leads[sid] |= body
        return reply({"lead": self.leads[sid]} if method == "GET" else {"sid": sid})


def reply(body: Any, status: int = 200) -> Answer:
    return Answer(status=status, headers={}, body=json_library.dumps(body).encode())


def webhook(body: Any) -> Delivery:
    content = body if isinstance(body, bytes) else json_library.dumps(body).encode()
    headers = {"content-type": "application/json"}
    return Delivery(method="POST", query=(("token", TOKEN),), headers=headers, body=content, received_at=NOW)


def read(one: Delivery, api: FakeBowNow, adapter: BowNow = BOW) -> list[Event]:
    return whole(adapter, one, api)


def update(sid: str = "sid_1", owner: str | None = None, of: str = "lead", **fields: Any) -> Update:
    return update_of(f"{of}:{sid}", fields, since=NOW, owner=owner, owner_field="staff_ids")
