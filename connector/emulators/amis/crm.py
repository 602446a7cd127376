"""An emulated AMIS CRM: customers, contacts and sale orders by Open API v2, whose 200 may carry a failure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import CrmEmulator, clock
from connector.emulators.engine.faults import Faults
from connector.emulators.engine.shelf import Change, Record

CLIENT_ID: Final = "abmconnector"
SECRET: Final = "Qk9PS0VELVJFVkVOVUU="  # noqa: S105 - of a company that is not real
WEBHOOK_TOKEN: Final = "amis-t0ken-41b7e0"  # noqa: S105 - the same
TOKEN_LIFE: Final = timedelta(hours=24)
PAUSES: Final = (0.05, 0.1, 0.2)
RESOURCES: Final = ("Customers", "Contacts", "SaleOrders")
_ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_MOST: Final = 100
_FIELDS: Final = frozenset(
    {
        *("contact_code", "contact_name", "account_name", "account_number", "email", "office_email", "mobile"),
        *("owner_name", "form_layout", "custom_field1", "custom_field2", "custom_field3"),
    }
)
_WORDS: Final = {"Customers": "customer", "Contacts": "contact", "SaleOrders": "order"}


class AmisCrm(CrmEmulator):
    """The records of one company. `stage` of the mapping is `custom_field1`, the status label `custom_field2`."""

    NAME: ClassVar[str] = "amis"
    OBJECT: ClassVar[str] = "Contacts"
    STAGE: ClassVar[str] = "stage"
    OWNER: ClassVar[str] = "owner_name"
    STATUS: ClassVar[str] = "custom_field2"
    STAGES: ClassVar[Sequence[str]] = ("Lead", "MQL", "SQL", "Disqualified")
    OWNERS: ClassVar[Mapping[str, str]] = {"Trần Thị Lan": "lan.tran@example.vn", "Lê Minh": "minh.le@example.vn"}

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self.tokens: dict[str, datetime] = {}
        self._numbers = itertools.count(1)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running company."""
        owners = [f"{email}={name}" for name, email in self.OWNERS.items()]
        settings = {"url": f"{self.url}/api/v2", "client_id": CLIENT_ID, "owners": owners}
        return settings, {"client_secret": [SECRET], "webhook_token": [WEBHOOK_TOKEN]}

    def subscribe(self, handler_url: str) -> None:
        """The address is given to the administrator, with the token in it."""
        super().subscribe(f"{handler_url}?token={WEBHOOK_TOKEN}")

    def add(
        self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None, **more: Any
    ) -> str:
        """A person makes a contact; its id."""
        values = {
            "contact_code": f"LH{next(self._numbers):06}",
            "contact_name": email.partition("@")[0],
            "email": email,
            "owner_name": owner,
            "custom_field1": stage or self.STAGES[0],
            "custom_field2": None,
            **more,
        }
        return self.shelf.add(self.OBJECT, values, at=at).id

    def move(self, record_id: str, stage: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person gives the contact another life-cycle stage."""
        self.shelf.change(self.OBJECT, record_id, {"custom_field1": stage}, by=by, at=at)

    def stage_of(self, record_id: str) -> str:
        """The life-cycle stage."""
        return str(self.record(record_id).fields["custom_field1"])

    def order(self, contact_id: str) -> str:
        """A person writes a sale order for a contact, its revenue a draft; its id."""
        code = self.record(contact_id).fields["contact_code"]
        values = {"sale_order_no": f"DH{next(self._numbers):06}", "contact_name": code, "revenue_status": "Bản nháp"}
        return self.shelf.add("SaleOrders", {**values, "is_deleted": False}).id

    def book(self, order_id: str) -> None:
        """A person books the revenue of an order."""
        self.shelf.change("SaleOrders", order_id, {"revenue_status": "Đã ghi"})

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """One webhook with the record's id, sent until it is answered with 200."""
        word = f"{_WORDS[change.object]}.{'update' if change.kind == 'restore' else change.kind}d"
        data = {f"{_WORDS[change.object]}_id": int(change.id), "modified_date": _time(change.at)}
        body = json.dumps({"event_type": word, "app_id": CLIENT_ID, "data": data}).encode()
        content = (body, {"Content-Type": "application/json", "X-App-Id": CLIENT_ID})
        about = f"{change.id}:{change.number}"
        yield Message(url=url, about=about, make=lambda _attempt: content, pauses=PAUSES)

    def routes(self, app: Flask) -> None:
        """Open API v2."""
        app.add_url_rule("/api/v2/Account", view_func=self._account, methods=["POST"])
        app.add_url_rule("/api/v2/<resource>", view_func=self._list, methods=["GET"])
        app.add_url_rule("/api/v2/<resource>/id", view_func=self._by_id, methods=["GET"])
        app.add_url_rule("/api/v2/<resource>", view_func=self._update, methods=["PUT"])

    def _account(self) -> Response:
        if request.get_json(silent=True) != {"client_id": CLIENT_ID, "client_secret": SECRET}:
            return _failure("InvalidAppID", "AppID or secret is wrong")
        token = f"token-{next(self._numbers):012}"
        self.tokens[token] = self.now() + TOKEN_LIFE
        return jsonify({"success": True, "code": 200, "data": token})

    def _refusal(self, resource: str) -> Response | None:
        """Why a request is not carried out; None: it is."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        until = self.tokens.get(token)
        if until is None or request.headers.get("Clientid") != CLIENT_ID:
            return _failure("InvalidToken", "Token is invalid", 401)
        if until <= self.now():
            return _failure("ExpiredToken", "Token has expired")
        return None if resource in RESOURCES else _failure("InvalidParam", "No such resource", 404)

    def _list(self, resource: str) -> Response:
        if refusal := self._refusal(resource):
            return refusal
        page, size = int(request.args.get("page", 0)), int(request.args.get("pageSize", 10))
        if size > _MOST or page < 0:
            return _failure("InvalidParam", "pageSize is 100 at most", 400)
        rows = self.shelf.all(resource)
        rows.sort(key=lambda row: row.modified, reverse=request.args.get("isDescending", "true") == "true")
        shown = [_shown(row) for row in rows[page * size : (page + 1) * size]]
        return jsonify({"success": True, "code": 0, "data": shown, "total_records": len(rows)})

    def _by_id(self, resource: str) -> Response:
        if refusal := self._refusal(resource):
            return refusal
        found = [self.shelf.find(resource, record_id) for record_id in request.args["ids"].split(",")]
        return jsonify({"success": True, "code": 0, "data": [_shown(row) for row in found if row]})

    def _update(self, resource: str) -> Response:
        if refusal := self._refusal(resource):
            return refusal
        items = request.get_json()
        if not isinstance(items, list) or not 1 <= len(items) <= _MOST:
            return _failure("InvalidParam", "an array of 1 to 100 records is expected", 400)
        results = [self._saved(resource, item) for item in items]
        is_good = all(result["success"] for result in results)
        return jsonify({"success": is_good, "code": 0 if is_good else 400, "results": results})

    def _saved(self, resource: str, item: Mapping[str, Any]) -> dict[str, Any]:
        number = str(item.get("id"))
        if self.shelf.find(resource, number) is None:
            return _invalid(number, "id", "The record does not exist")
        values = {name: value for name, value in item.items() if name not in {"id", "form_layout"}}
        for name, value in values.items():
            if name not in _FIELDS:
                return _invalid(number, name, "The field does not exist")
            if name == "owner_name" and value not in self.OWNERS:
                return _invalid(number, name, "The employee does not exist")
            if name in {"email", "mobile"}:
                return _invalid(number, name, "The value exists already")
        if not self.gate.is_lying(f"{resource}:{number}"):
            self.shelf.change(resource, number, values, origin="api")
        return {"success": True, "data": {"id": int(number)}}


def _time(at: datetime) -> str:
    return at.astimezone(_ZONE).isoformat()


def _shown(row: Record) -> dict[str, Any]:
    times = {"created_date": _time(row.created), "modified_date": _time(row.modified)}
    return {"id": int(row.id), **row.fields, **times}


def _invalid(number: str, field: str, message: str) -> dict[str, Any]:
    info = {"field_name": field, "error_message": message}
    return {"success": False, "data": {"id": number}, "validate_infos": [info]}


def _failure(code: str, message: str, status: int = 200) -> Response:
    body = {"success": False, "ErrorCode": code, "DevMsg": message, "UserMsg": message, "TraceId": "0HN"}
    response = jsonify(body)
    response.status_code = status
    return response
