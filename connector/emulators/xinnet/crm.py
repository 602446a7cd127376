"""An emulated Xinnet 线索管理: leads of the intake applications, what is done with them, and their customers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import CrmEmulator
from connector.emulators.engine.shelf import Change, Record

TOKEN: Final = "a token of the emulated Xinnet"  # noqa: S105 - opens nothing but the emulator
KEY: Final = "Bearer a key of the emulated Xinnet"
BEIJING: Final = timezone(timedelta(hours=8))
WORDS: Final = {"已处理": "处理", "已回复": "回复", "已转为客户": "转为客户"}
PAUSES: Final = (0.05, 0.1)


class XinnetLeads(CrmEmulator):
    """`customers`: what leads were made into, none twice for the same mobile or e-mail."""

    NAME: ClassVar[str] = "xinnet"
    EMAIL: ClassVar[str] = "邮箱"
    STAGE: ClassVar[str] = "状态"
    STAGES: ClassVar[Sequence[str]] = ("全部线索", "已处理", "已转为客户")
    OWNER: ClassVar[str] = ""
    FIRST_ID: ClassVar[int] = 201911280001

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.customers: list[dict[str, str]] = []
        self._numbers = itertools.count(1)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets that a connection to it has."""
        settings = {"url": f"{self.url}/leads/{{id}}", "method": "PUT", "read_url": f"{self.url}/leads/{{id}}"}
        return settings, {"token": [TOKEN], "auth_value": [KEY]}

    def submit(self, app: str, fields: Mapping[str, str], *, at: datetime | None = None) -> str:
        """Somebody fills in an intake application; the lead's 单号."""
        instant = at or self.now()
        values = {"应用": app, "状态": "全部线索", "提交时间": _local(instant), **fields}
        return self.shelf.add("lead", values, at=instant).id

    def routes(self, app: Flask) -> None:
        """A lead can be shown and changed."""
        app.add_url_rule("/leads/<number>", view_func=self._show, methods=["GET"])
        app.add_url_rule("/leads/<number>", view_func=self._change, methods=["PUT"])

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """What happened to the lead; deletions are not told."""
        if change.kind == "delete" or (record := self.shelf.find("lead", change.id)) is None:
            return
        if change.after.get("状态") == "已转为客户":
            self._convert(record)
        word = "新线索" if change.kind == "create" else WORDS.get(str(change.after.get("状态")), "lead_updated")
        named = ((name, value) for name, value in record.fields.items() if name not in {"应用", ""})
        lead = {name: "" if value is None else value for name, value in named}
        notice = {
            "event": word,
            "time": _local(change.at),
            "app": record.fields.get("应用"),
            "lead": {**lead, "单号": record.id},
        }
        body = json.dumps({name: value for name, value in notice.items() if value}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "X-Token": TOKEN}
        yield Message(url=url, about=f"{change.id}/{change.number}", make=lambda _: (body, headers), pauses=PAUSES)

    def _convert(self, record: Record) -> None:
        """No second customer for a mobile or an e-mail that a customer has."""
        mobile, email = (str(record.fields.get(name) or "").casefold() for name in ("手机", "邮箱"))
        for known in self.customers:
            if (mobile and known["手机"] == mobile) or (email and known["邮箱"] == email):
                return
        kind = "企业" if record.fields.get("企业名称") else "个人"
        self.customers.append({"手机": mobile, "邮箱": email, "类型": kind, "编号": str(next(self._numbers))})

    def _show(self, number: str) -> Response:
        if request.headers.get("Authorization") != KEY:
            return self.unauthorized()
        record = self.shelf.find("lead", number)
        if record is None:
            return _answer(404, "线索不存在")
        return _answer(200, "成功", {"单号": number, **{name: value for name, value in record.fields.items() if name}})

    def _change(self, number: str) -> Response:
        if request.headers.get("Authorization") != KEY:
            return self.unauthorized()
        given = request.get_json(silent=True)
        if not isinstance(given, dict) or given.pop("单号", None) != number:
            return _answer(400, "单号不一致")
        if self.shelf.find("lead", number) is None:
            return _answer(404, "线索不存在")
        if set(given) != {"状态"} or given["状态"] not in WORDS:
            return _answer(422, "只能处理、回复或转为客户")
        if not self.gate.is_lying(f"lead:{number}"):
            self.shelf.change("lead", number, given, origin="api")
        return _answer(200, "成功")


def _local(at: datetime) -> str:
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _answer(status: int, message: str, data: Any = None) -> Response:
    response = jsonify({"message": message, "data": data})
    response.status_code = status
    return response
