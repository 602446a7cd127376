"""An emulated BowNow: leads with statuses by id, notices without values, and the API 1.0.0 with its tokens."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.bownow.tokens import Tokens
from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import CrmEmulator, clock
from connector.emulators.engine.faults import Faults
from connector.emulators.engine.shelf import Change, Record

TRACKING_ID: Final = "UTC-5f3a9b21"
WEBHOOK_TOKEN: Final = "b0wn0w-t0ken-8c1d5e7f2a"  # noqa: S105 - of an account that is not real
MOST_SIDS: Final = 1000
_PAGE: Final = 200
_STATUSES: Final = (
    *("未設定", "潜在", "準顕在", "顕在化", "アポ見込み", "アポ獲得"),
    *("訪問済", "案件化", "受注", "失注", "ターゲット外", "保留"),
)
_FIELDS: Final = frozenset(
    {"status_id", "staff_ids", "tag_ids", "email", "phone", "last_name", "first_name", "company_name", "free_item1"}
)
_SEARCHED: Final = frozenset({"page", "per_page", "sort", "sids", "updated_from"})


class BowNowCrm(CrmEmulator):
    """The leads of one tracking code."""

    NAME: ClassVar[str] = "bownow"
    STAGE: ClassVar[str] = "status_id"
    OWNER: ClassVar[str] = "staff_ids"
    STATUS: ClassVar[str] = "free_item1"
    STAGES: ClassVar[Sequence[str]] = ("2", "5", "6", "11")
    OWNERS: ClassVar[Mapping[str, str]] = {"501": "hana.mori@example.co.jp", "502": "ken.abe@example.co.jp"}

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self.tokens = Tokens(now=now, tracking_id=TRACKING_ID)
        self._sids = itertools.count(100_000_001)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running account."""
        secrets = {"api_key": [self.tokens.api_key], "webhook_token": [WEBHOOK_TOKEN]}
        return {"url": f"{self.url}/v1", "tracking_id": TRACKING_ID}, secrets

    def subscribe(self, handler_url: str) -> None:
        """Registers a webhook, whose address carries the token: BowNow signs nothing."""
        super().subscribe(f"{handler_url}?token={WEBHOOK_TOKEN}")

    def add(
        self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None, **more: Any
    ) -> str:
        """A person registers a lead; its sid."""
        values = {
            "email": email,
            "status_id": int(stage or self.STAGES[0]),
            "staff_ids": [int(owner)] if owner else [],
            "tag_ids": [],
            "free_item1": None,
            "last_name": email.partition("@")[0],
            **more,
        }
        return self.shelf.add(self.OBJECT, values, at=at, record_id=f"sid_{next(self._sids)}").id

    def move(self, record_id: str, stage: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person gives the lead another status, by its id."""
        self.shelf.change(self.OBJECT, record_id, {self.STAGE: int(stage)}, by=by, at=at)

    def assign(self, record_id: str, owner: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person makes a colleague the first person in charge."""
        others = [staff for staff in self.record(record_id).fields[self.OWNER][1:] if staff != int(owner)]
        self.shelf.change(self.OBJECT, record_id, {self.OWNER: [int(owner), *others]}, by=by, at=at)

    def owner_of(self, record_id: str) -> str | None:
        """The first person in charge."""
        staffs = self.record(record_id).fields[self.OWNER]
        return str(staffs[0]) if staffs else None

    def notify(self, sids: Sequence[str], items: Sequence[str], about: str) -> None:
        """Sends the notices of a change of many leads: at most 1,000 sids each; without sids: those of old."""
        chunks = [sids[start : start + MOST_SIDS] for start in range(0, len(sids), MOST_SIDS)] or [()]
        for url in self.handlers:
            for place, chunk in enumerate(chunks):
                self.courier.send(_message(url, f"{about}:{place}", {"items": list(items), "sids": list(chunk)}))

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """One notice with the sid and the changed items; never their values."""
        about = f"{change.id}:{change.number}"
        yield _message(url, about, {"sid": change.id, "items": sorted(change.after), "type": f"lead_{change.kind}"})

    def routes(self, app: Flask) -> None:
        """The API."""
        app.add_url_rule("/v1/auth/token", view_func=self.tokens.issue, methods=["POST"])
        app.add_url_rule("/v1/auth/refresh", view_func=self.tokens.renew, methods=["POST"])
        for path, view in (
            ("statuses/search", self._statuses),
            ("accounts/search", self._accounts),
            ("leads/search", self._search),
        ):
            app.add_url_rule(f"/v1/{path}", view_func=self.tokens.guarded(view), methods=["POST"], endpoint=path)
        app.add_url_rule("/v1/leads/<sid>", view_func=self.tokens.guarded(self._lead), methods=["GET"], endpoint="get")
        app.add_url_rule(
            "/v1/leads/<sid>", view_func=self.tokens.guarded(self._write), methods=["PATCH"], endpoint="patch"
        )

    def _statuses(self) -> Response:
        wanted = (request.get_json() or {}).get("ids")
        rows = [{"id": place, "name": name} for place, name in enumerate(_STATUSES, 1)]
        return jsonify({"statuses": [row for row in rows if wanted is None or row["id"] in wanted]})

    def _accounts(self) -> Response:
        rows = [
            {"id": int(staff), "name": mail.partition("@")[0], "email": mail} for staff, mail in self.OWNERS.items()
        ]
        return jsonify({"accounts": rows})

    def _search(self) -> Response:
        body = request.get_json()
        page, size = body.get("page", 1), body.get("per_page", 20)
        if set(body) - _SEARCHED or not 1 <= size <= _PAGE or page < 1:
            return _refused(400, "invalid parameters")
        since = datetime.fromisoformat(body["updated_from"]) if "updated_from" in body else None
        found = [
            lead
            for lead in self.shelf.all(self.OBJECT)
            if ("sids" not in body or lead.id in body["sids"]) and (since is None or lead.modified >= since)
        ]
        found.sort(key=lambda lead: lead.created, reverse=body.get("sort") == "desc")
        return jsonify({"leads": [_shown(lead) for lead in found[(page - 1) * size : page * size]]})

    def _lead(self, sid: str) -> Response:
        lead = self.shelf.find(self.OBJECT, sid)
        return _refused(404, "lead not found") if lead is None else jsonify({"lead": _shown(lead)})

    def _write(self, sid: str) -> Response:
        values = request.get_json()
        if self.shelf.find(self.OBJECT, sid) is None:
            return _refused(404, "lead not found")
        if unknown := sorted(set(values) - _FIELDS):
            return _refused(422, f"unknown items: {', '.join(unknown)}")
        if values.get("status_id", 1) not in range(1, len(_STATUSES) + 1):
            return _refused(422, "status_id does not exist")
        if not {str(staff) for staff in values.get("staff_ids", ())} <= self.OWNERS.keys():
            return _refused(422, "staff_ids: no such account")
        if not self.gate.is_lying(f"lead:{sid}"):
            self.shelf.change(self.OBJECT, sid, values, origin="api")
        return jsonify({"sid": sid})


def _shown(lead: Record) -> dict[str, Any]:
    times = {"created_at": lead.created.isoformat(), "updated_at": lead.modified.isoformat()}
    return {"sid": lead.id, "cid": "cid_1", **lead.fields, **times}


def _refused(status: int, message: str) -> Response:
    response = jsonify({"errors": [{"message": message}]})
    response.status_code = status
    return response


def _message(url: str, about: str, body: Mapping[str, Any]) -> Message:
    content: Content = (json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json"})
    return Message(url=url, about=about, make=lambda _attempt: content)
