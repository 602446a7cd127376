"""A small Bitrix24 portal in memory as the `Api` of adapter tests: records, users, stage history, errors on demand."""

from __future__ import annotations

import json as json_library
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from adapters.bitrix24 import Bitrix24
from connector.adapter_kit.contract import Answer, Delivery, Update
from connector.adapter_kit.payload import read_pairs
from connector.core.errors import CrmUnavailable
from connector.core.event import Event
from tests.adapters.builders import update_of, whole
from tests.adapters.support import Memory

NOW = datetime(2026, 3, 26, 8, 16, 5, 250_000, tzinfo=UTC)
TOKEN, OLDER, ROBOT, MEMBER = "k4w8zq1n6t0x5p2v", "u2e6g9s3k8d1q7w4", "r0b0tr0b0t", "7f3c9a51d20e4b6c"
MAREK = {"ID": "14", "ACTIVE": True, "NAME": "Marek", "LAST_NAME": "Dvorak", "EMAIL": "Marek.Dvorak@example.com"}
LINH = {"ID": "11", "ACTIVE": True, "NAME": "Linh", "LAST_NAME": "Nguyen", "EMAIL": "linh.nguyen@example.com"}

URL = "https://example-company.bitrix24.com/rest/1/s3cr3ts3cr3t/"
TIMES = {
    "createdTime": "2026-03-24T16:02:11+02:00",
    "updatedTime": "2026-03-26T10:16:02+02:00",
    "movedTime": "2026-03-26T10:16:02+02:00",
}
NOT_FOUND = ("NOT_FOUND", "Element not found")


class PortalError(Exception):
    """An error body: code and text."""


class FakePortal(Memory):
    """`items` by name (`lead:1907`); `errors`: method, or method and id → code, text; `answers`: given as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, dict[str, Any]] = {}
        self.users: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.types: list[dict[str, Any]] = []
        self.statuses: dict[str, list[dict[str, Any]]] = {}
        self.errors: dict[str, tuple[Any, str]] = {}
        self.answers: list[Answer | CrmUnavailable] = []
        self.hidden: set[str] = set()
        self.urls: list[str] = []
        self.commands: list[tuple[str, Mapping[str, Any]]] = []
        self.sizes: list[int] = []
        self.is_deaf = False

    def call(self, method: str, url: str, *, json: Any = None, **rest: Any) -> Answer:
        assert (method, rest) == ("POST", {})
        self.urls.append(url)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, CrmUnavailable):
                raise answer
            return answer
        name = url.rpartition("/")[2]
        if name == "batch":
            return reply({"result": self._batch(json["cmd"]), "time": {"finish": 1774512972.0}})
        try:
            return reply({**self._run(name, json), "time": {}})
        except PortalError as error:
            code, text = error.args
            return reply({"error": code, "error_description": text}, 400)

    def add(self, record: str, /, **values: Any) -> None:
        """A record with the usual times."""
        number = int(record.partition(":")[2])
        self.items[record] = {"id": number, **TIMES, "assignedById": 11, "UF_CRM_ABM_STATUS": None, **values}

    def methods(self) -> list[str]:
        """The methods called, in order."""
        return [method for method, _ in self.commands]

    def _batch(self, lines: Mapping[str, str]) -> dict[str, Any]:
        self.sizes.append(len(lines))
        results: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for key, line in lines.items():
            method, _, query = line.partition("?")
            try:
                results[key] = self._run(method, read_pairs(parse_qsl(query, keep_blank_values=True)).value)["result"]
            except PortalError as error:
                errors[key] = {"error": error.args[0], "error_description": error.args[1]}
        times = {key: {"operating_reset_at": 1774513002} for key in results}
        return {"result": results or [], "result_error": errors or [], "result_time": times or []}

    def _run(self, method: str, values: Any) -> dict[str, Any]:
        self.commands.append((method, values))
        for name in (method, f"{method} {values.get('id')}" if isinstance(values, dict) else method):
            if name in self.errors:
                raise PortalError(*self.errors[name])
        answer: dict[str, Any] = getattr(self, "_" + method.replace(".", "_"))(values or {})
        return answer

    def _crm_item_get(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {"result": {"item": self._item(values)}}

    def _crm_item_update(self, values: Mapping[str, Any]) -> dict[str, Any]:
        item = self._item(values)
        if not self.is_deaf:
            item.update({name: value for name, value in values["fields"].items() if name in item})
        return {"result": {"item": item}}

    def _crm_item_list(self, values: Mapping[str, Any]) -> dict[str, Any]:
        kind, wanted = self._kind(values["entityTypeId"]), values["filter"]
        assert values["select"] == ["*"]
        found = [
            deepcopy(item)
            for name, item in self.items.items()
            if name.startswith(f"{kind}:") and name not in self.hidden
        ]
        if "@id" in wanted:
            assert len(wanted["@id"]) <= 50
            found = [item for item in found if str(item["id"]) in wanted["@id"]]
        else:
            found = [item for item in found if item["id"] > wanted[">id"]]
        return {"result": {"items": sorted(found, key=lambda item: int(item["id"]))[:50]}}

    def _crm_stagehistory_list(self, values: Mapping[str, Any]) -> dict[str, Any]:
        rows = [row for row in self.history if row["ID"] > values["filter"][">ID"]]
        rows = [row for row in rows if (values["entityTypeId"] == 1) is ("STATUS_ID" in row)]
        return {"result": {"items": rows[:50]}}

    def _user_get(self, values: Mapping[str, Any]) -> dict[str, Any]:
        wanted = values.get("FILTER", {})
        found = [user for user in self.users if all(str(user.get(key)) == value for key, value in wanted.items())]
        start = int(values.get("start", 0))
        page = found[start : start + 50]
        return {"result": page, **({"next": start + 50} if len(found) > start + 50 else {})}

    def _crm_status_entity_types(self, _values: Mapping[str, Any]) -> dict[str, Any]:
        return {"result": self.types}

    def _crm_status_list(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {"result": self.statuses[values["filter"]["ENTITY_ID"]]}

    def _crm_item_fields(self, _values: Mapping[str, Any]) -> dict[str, Any]:
        return {"result": {"fields": {"stageId": {"title": "Stage"}, "UF_CRM_ABM_STATUS": {"title": "ABM status"}}}}

    def _item(self, values: Mapping[str, Any]) -> dict[str, Any]:
        name = f"{self._kind(values['entityTypeId'])}:{values['id']}"
        if name not in self.items:
            raise PortalError(*NOT_FOUND)
        return self.items[name]

    def _kind(self, number: Any) -> str:
        return {1: "lead", 2: "deal", 3: "contact"}.get(int(number), f"dynamic_{number}")


def reply(body: Any, status: int = 200, **headers: str) -> Answer:
    """An answer with a JSON body."""
    return Answer(status=status, headers=headers, body=json_library.dumps(body).encode())


BITRIX = Bitrix24(webhook_url=(URL,), application_tokens=(TOKEN, OLDER), robot_token=(ROBOT,), contacts="all")


def delivery(query: dict[str, str] | None = None, **form: Any) -> Delivery:
    pairs = {name.replace("__", "[", 1).replace("__", "][") + "]" * ("__" in name): it for name, it in form.items()}
    return Delivery(
        method="POST",
        query=tuple((query or {}).items()),
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(pairs).encode(),
        received_at=NOW,
    )


def event(word: str, number: object = 1907, token: str = TOKEN, **form: Any) -> Delivery:
    form |= {"auth__member_id": MEMBER, "auth__application_token": token}
    return delivery(event=word, data__FIELDS__ID=number, ts="1774512963", **form)


def robot(document: str = "LEAD_1907", **query: str) -> Delivery:
    return delivery(
        {"token": ROBOT, **query},
        document_id__0="crm",
        document_id__1="CCrmDocumentLead",
        document_id__2=document,
        auth__member_id=MEMBER,
    )


def read(adapter: Bitrix24, one: Delivery, portal: FakePortal) -> list[Event]:
    return whole(adapter, one, portal)


def update(name: str = "lead:1907", owner: str | None = None, **fields: Any) -> Update:
    return update_of(name, fields, since=NOW, owner=owner, owner_field="ASSIGNED_BY_ID")


def moved(location: str) -> Answer:
    return Answer(status=302, headers={"LOCATION": location}, body=b"<html>Moved</html>")
