"""An emulated lead pool of Youyi cloud sales: binding by company, account and password; each lead once by its id."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.emulator import Emulator, clock
from connector.emulators.engine.faults import Faults

COMPANY: Final = "株式会社例 北京"
ACCOUNT: Final = "admin@company.example"
PASSWORD: Final = "a password of the emulated pool"  # noqa: S105 - opens nothing but the emulator
FIELDS: Final = frozenset(
    {"external_id", "name", "mobile", "phone", "email", "company", "department", "title", "address", "remark"}
)
CONTACTS: Final = ("mobile", "phone", "email")
TOKEN_LIFE: Final = timedelta(hours=2)


class YouyiPool(Emulator):
    """The lead pool of one company; `leads`: what is in it, by external id, in the order it came."""

    NAME: ClassVar[str] = "youyi"

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 1,
        port: int = 0,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self.leads: dict[str, dict[str, str]] = {}
        self.added = 0
        self._tokens: dict[str, datetime] = {}
        self._numbers = itertools.count(1)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets that a connection to this pool has."""
        return {"url": self.url, "company": COMPANY, "account": ACCOUNT}, {"password": [PASSWORD]}

    def routes(self, app: Flask) -> None:
        """Binding, the pool, and a lead in it."""
        app.add_url_rule("/openapi/bind", view_func=self._bind, methods=["POST"])
        app.add_url_rule("/openapi/lead-pool/leads", view_func=self._add, methods=["POST"])
        app.add_url_rule("/openapi/lead-pool/leads/<external_id>", view_func=self._show, methods=["GET"])

    def unauthorized(self) -> Response:
        """The answer to a token that is not known, or not any more."""
        return _answer(401, 1002, "token 无效或已过期")

    def forget_tokens(self) -> None:
        """All tokens end, as when the password is changed."""
        self._tokens.clear()

    def _bind(self) -> Response:
        given = request.get_json(silent=True)
        if given != {"company": COMPANY, "account": ACCOUNT, "password": PASSWORD}:
            return _answer(200, 1001, "企业名称、管理员账号或密码不正确")
        token = secrets.token_urlsafe(18)
        self._tokens[token] = self.now() + TOKEN_LIFE
        return _answer(200, 0, "绑定成功", {"token": token, "expires_in": int(TOKEN_LIFE.total_seconds())})

    def _add(self) -> Response:
        if not self._is_bound():
            return self.unauthorized()
        lead = request.get_json(silent=True)
        if not isinstance(lead, dict) or not all(isinstance(value, str) for value in lead.values()):
            return _answer(200, 2001, "请求格式不正确")
        if unknown := sorted(set(lead) - FIELDS):
            return _answer(200, 2002, f"未知字段: {', '.join(unknown)}")
        if not lead.get("external_id") or not any(lead.get(name) for name in CONTACTS):
            return _answer(200, 2003, "external_id 以及手机、电话、邮箱至少一项必填")
        if lead["external_id"] in self.leads:
            return _answer(200, 2004, "线索已存在")
        if not self.gate.is_lying(f"lead:{lead['external_id']}"):
            self.leads[lead["external_id"]] = lead
            self.added += 1
        return _answer(200, 0, "成功", {"id": str(next(self._numbers))})

    def _show(self, external_id: str) -> Response:
        if not self._is_bound():
            return self.unauthorized()
        lead = self.leads.get(external_id)
        return _answer(404, 2005, "线索不存在") if lead is None else _answer(200, 0, "成功", lead)

    def _is_bound(self) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return token in self._tokens and self.now() < self._tokens[token]


def _answer(status: int, code: int, message: str, data: Any = None) -> Response:
    response = jsonify({"code": code, "message": message, "data": data})
    response.status_code = status
    return response
