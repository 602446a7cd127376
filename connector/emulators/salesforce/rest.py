"""The REST interface of an emulated Salesforce: tokens that run out, queries in pages, collections, error bodies."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.gate import Gate
from connector.emulators.engine.shelf import Record, Shelf
from connector.emulators.salesforce.state import (
    COLUMNS,
    INTEGRATION,
    ORGANIZATION,
    PICKLISTS,
    QUEUE,
    READ_ONLY,
    USERS,
    Tables,
)

CLIENT: Final = {"client_id": "3MVG9exampleconsumerkey", "client_secret": "8C1E5A5exampleconsumersecret"}
MOST: Final = 200
PAGE: Final = 100
"""Salesforce gives up to 2,000 rows a page, and sometimes fewer."""


def error(status: int, code: str, text: str, *fields: str) -> Response:
    """An error as REST gives it: a list."""
    response = jsonify([{"message": text, "errorCode": code, "fields": list(fields)}])
    response.status_code = status
    return response


class Rest:
    """The routes. `tokens`: those that are good; `locked`: records that another transaction holds."""

    def __init__(self, *, shelf: Shelf, tables: Tables, gate: Gate, url: Callable[[], str]) -> None:
        self._shelf, self._tables, self._gate, self._url = shelf, tables, gate, url
        self._numbers = itertools.count(1)
        self._pages: dict[str, list[dict[str, Any]]] = {}
        self.tokens: set[str] = set()
        self.locked: set[str] = set()

    def put_into(self, app: Flask) -> None:
        """Add the routes to an application."""
        app.before_request(self._authorize)
        app.after_request(self._count)
        data = "/services/data/<version>"
        app.add_url_rule("/services/oauth2/token", "token", self._token, methods=["POST"])
        app.add_url_rule(f"{data}/query", "query", self._query)
        app.add_url_rule(f"{data}/queryAll", "queryAll", self._query)
        app.add_url_rule(f"{data}/query/<locator>", "more", self._more)
        app.add_url_rule(f"{data}/composite/sobjects", "collection", self._collection, methods=["PATCH"])
        app.add_url_rule(f"{data}/sobjects/<name>/describe", "describe", self._describe)

    def _authorize(self) -> Response | None:
        if not request.path.startswith("/services/data/"):
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and token in self.tokens:
            return None
        return error(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def _count(self, response: Response) -> Response:
        response.headers["Sforce-Limit-Info"] = f"api-usage={next(self._numbers)}/100000; api-bursts=1/750"
        return response

    def _token(self) -> Response:
        if request.form.get("grant_type") != "client_credentials":
            return self._no_token("unsupported_grant_type", "grant type not supported")
        if {name: request.form.get(name) for name in CLIENT} != CLIENT:
            return self._no_token("invalid_client", "invalid client credentials")
        token = f"{ORGANIZATION[:15]}!AQ0AQexampletoken{next(self._numbers)}"
        self.tokens.add(token)
        user = f"https://login.salesforce.com/id/{ORGANIZATION}/{INTEGRATION}"
        given = {"access_token": token, "instance_url": self._url(), "id": user, "token_type": "Bearer", "scope": "api"}
        return jsonify(given)

    def _no_token(self, code: str, text: str) -> Response:
        response = jsonify({"error": code, "error_description": text})
        response.status_code = 400
        return response

    def _query(self, version: str) -> Response:
        try:
            query = read_query(request.args.get("q", ""))
            if query.table not in COLUMNS:
                return error(400, "INVALID_TYPE", f"sObject type '{query.table}' is not supported.")
            rows = self._tables.rows(query.table, with_deleted=request.path.endswith("queryAll"))
            found = query.run(rows, COLUMNS[query.table])
        except SoqlError as wrong:
            return error(400, wrong.code, str(wrong))
        return self._page(version, found, len(found))

    def _more(self, version: str, locator: str) -> Response:
        found = self._pages.pop(locator, None)
        return error(400, "INVALID_QUERY_LOCATOR", "gone") if found is None else self._page(version, found, len(found))

    def _page(self, version: str, found: list[dict[str, Any]], size: int) -> Response:
        page: dict[str, Any] = {"totalSize": size, "done": len(found) <= PAGE, "records": found[:PAGE]}
        if not page["done"]:
            locator = f"01g{next(self._numbers):015d}-{PAGE}"
            self._pages[locator] = found[PAGE:]
            page["nextRecordsUrl"] = f"/services/data/{version}/query/{locator}"
        return jsonify(page)

    def _describe(self, version: str, name: str) -> Response:
        del version
        if name not in COLUMNS:
            return error(404, "NOT_FOUND", "The requested resource does not exist")
        fields = [{"name": field, "label": field} for field in sorted(COLUMNS[name]) if "." not in field]
        return jsonify({"name": name, "fields": fields})

    def _collection(self, version: str) -> Response:
        del version
        body = request.get_json()
        records = body["records"]
        if len(records) > MOST:
            return error(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MOST} records")
        for record in records:
            for name in set(record) - {"attributes", "id"}:
                if name not in COLUMNS.get(record["attributes"]["type"], ()):
                    kind = record["attributes"]["type"]
                    return error(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind}")
        return jsonify([self._save(record) for record in records])

    def _save(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        kind, record_id = sent["attributes"]["type"], sent["id"]
        fields = {name: value for name, value in sent.items() if name not in {"attributes", "id"}}
        record = self._shelf.find(kind, record_id)
        wrong = self._wrong(record, record_id, fields)
        if wrong:
            code, text, named = wrong
            return {"success": False, "errors": [{"statusCode": code, "message": text, "fields": named}]}
        assert record is not None  # noqa: S101 - one that is not there is wrong
        if kind == "Lead" and request.headers.get("Sforce-Auto-Assign", "TRUE").upper() != "FALSE":
            fields["OwnerId"] = QUEUE  # the active assignment rule
        if not self._gate.is_lying(f"{kind}:{record_id}"):
            self._shelf.change(kind, record_id, fields, by=INTEGRATION, origin="api")
        return {"id": record_id, "success": True, "errors": []}

    def _wrong(
        self, record: Record | None, record_id: str, fields: Mapping[str, Any]
    ) -> tuple[str, str, list[str]] | None:
        if record is None:
            return "ENTITY_IS_DELETED", "entity is deleted", []
        if record_id in self.locked:
            text = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
            return "UNABLE_TO_LOCK_ROW", text, []
        if record.fields.get("IsConverted"):
            return "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", []
        return _wrong_fields(fields)


def _wrong_fields(fields: Mapping[str, Any]) -> tuple[str, str, list[str]] | None:
    """Error code, text and fields of the first value that cannot be saved."""
    for name, value in fields.items():
        if name in READ_ONLY:
            return "INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {name}", [name]
        if value not in PICKLISTS.get(name, (value,)):
            text = f"{name}: bad value for restricted picklist field: {value}"
            return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, [name]
    owner = next((user for user in USERS if user.id == fields.get("OwnerId")), None)
    if "OwnerId" in fields and owner is None:
        return "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ["OwnerId"]
    if owner and not owner.is_active:
        return "INACTIVE_OWNER_OR_USER", f"operation performed with inactive user [{owner.id}]", ["OwnerId"]
    return None


# As much of SOQL as the organization is asked: one table, conditions joined by AND, an order.

Row: TypeAlias = Mapping[str, Any]
_QUERY: Final = re.compile(
    r"SELECT (?P<fields>.+?) FROM (?P<table>\w+)(?: WHERE (?P<where>.+?))?(?: ORDER BY (?P<order>[\w., ]+))?", re.DOTALL
)
_TEXT: Final = r"'(?:[^'\\]|\\.)*'"
_CONDITION: Final = re.compile(
    rf"(?P<field>[\w.]+) (?P<is>=|>=|IN) (?P<value>\({_TEXT}(?:, {_TEXT})*\)|{_TEXT}|true|false|[0-9T:Z-]+)(?: AND |$)"
)


class SoqlError(Exception):
    """A query that Salesforce refuses: `code` and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query as it was read; `order`: field and whether it is descending."""

    fields: tuple[str, ...]
    table: str
    conditions: tuple[tuple[str, Callable[[Any], bool]], ...]
    order: tuple[tuple[str, bool], ...]

    def run(self, rows: Sequence[Row], columns: frozenset[str]) -> list[dict[str, Any]]:
        """The rows that match, in order, with the fields asked for. Raises `SoqlError`."""
        for name in (*self.fields, *(name for name, _ in self.conditions), *(name for name, _ in self.order)):
            if name not in columns:
                raise SoqlError("INVALID_FIELD", f"No such column '{name}' on entity '{self.table}'")  # noqa: EM101
        found = [row for row in rows if all(matches(row.get(name)) for name, matches in self.conditions)]
        for name, is_down in reversed(self.order):
            found.sort(key=lambda row, name=name: str(row.get(name) or ""), reverse=is_down)  # type: ignore[misc]
        return [self._shown(row) for row in found]

    def _shown(self, row: Row) -> dict[str, Any]:
        shown: dict[str, Any] = {"attributes": {"type": self.table}}
        for name in self.fields:
            parent, _, child = name.rpartition(".")
            if not parent:
                shown[name] = row.get(name)
            elif name in row:
                shown.setdefault(parent, {"attributes": {"type": parent}})[child] = row[name]
            else:
                shown.setdefault(parent, None)
        return shown


def read_query(soql: str) -> Query:
    """The query. Raises `SoqlError`: MALFORMED_QUERY."""
    match = _QUERY.fullmatch(soql.strip())
    fields = tuple(name.strip() for name in match["fields"].split(",")) if match else ()
    if match is None or not all(re.fullmatch(r"[\w.]+", name) for name in fields) or len(set(fields)) < len(fields):
        raise SoqlError("MALFORMED_QUERY", f"unexpected token in: {soql[:60]}")  # noqa: EM101
    order = [part.split() for part in (match["order"] or "").split(",") if part]
    return Query(
        fields=fields,
        table=match["table"],
        conditions=tuple(_conditions(match["where"] or "")),
        order=tuple((part[0], part[1:] == ["DESC"]) for part in order),
    )


def _conditions(where: str) -> list[tuple[str, Callable[[Any], bool]]]:
    found, place = [], 0
    while place < len(where):
        match = _CONDITION.match(where, place)
        if match is None:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: {where[place : place + 40]}")  # noqa: EM101
        found.append((match["field"], _test(match["is"], match["value"])))
        place = match.end()
    return found


def _test(operator: str, written: str) -> Callable[[Any], bool]:
    texts = [re.sub(r"\\(.)", r"\1", text[1:-1]) for text in re.findall(_TEXT, written)]
    if operator == "IN" or texts:
        folded = {text.casefold() for text in texts}
        return lambda value: str(value).casefold() in folded
    if operator == ">=":
        since = datetime.fromisoformat(written)
        return lambda value: datetime.fromisoformat(value) >= since
    return lambda value: value is (written == "true")
