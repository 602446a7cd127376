"""The REST interface of the emulated HubSpot account: tokens, records in batches, search, owners, pipelines."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from flask import Flask, Response, request

from connector.emulators.engine.gate import Gate
from connector.emulators.engine.shelf import Record, Shelf
from connector.emulators.hubspot.directory import (
    LIFECYCLE,
    OPTIONS,
    OWNERS,
    PIPELINES,
    PROPERTIES,
    owner_row,
    pipeline_row,
    property_row,
)

KINDS: Final = {"contacts": "contact", "deals": "deal"}
MODIFIED: Final = {"contact": "lastmodifieddate", "deal": "hs_lastmodifieddate"}
TOKEN_LIFE: Final = timedelta(seconds=1800)
RECORD_ID: Final = "hs_object_id"
OPERATORS: Final = {"GTE": operator.ge, "EQ": operator.eq, "GT": operator.gt}
INDEXED_AFTER: Final = timedelta(seconds=5)
MOST: Final = 100
VERSION: Final = "2026-09"


@dataclass(slots=True, kw_only=True)
class HubSpotRest:
    """What the app may call. `moved`: id of a merged record → the survivor's; `contacts_of`: deal → contacts.

    `most_found`: how many records one search gives.
    """

    shelf: Shelf
    gate: Gate
    now: Callable[[], datetime]
    app_id: int
    portal: int
    most_found: int = 10_000
    refresh_token: str = ""
    client_secret: str = ""
    tokens: dict[str, datetime] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    contacts_of: dict[str, list[str]] = field(default_factory=dict)

    def routes(self, app: Flask) -> None:
        """Put the interface into the application."""
        app.before_request(self._enter)
        for rule, method, view in (
            (f"/oauth/{VERSION}/token", "POST", self.token),
            (f"/account-info/{VERSION}/details", "GET", lambda: shown({"portalId": self.portal})),
            (f"/crm/owners/{VERSION}", "GET", self.owners),
            (f"/crm/pipelines/{VERSION}/deals", "GET", pipelines),
            (f"/crm/properties/{VERSION}/<kind>", "GET", properties),
            (f"/crm/objects/{VERSION}/<kind>", "GET", self.first),
            (f"/crm/objects/{VERSION}/<kind>/batch/read", "POST", self.batch_read),
            (f"/crm/objects/{VERSION}/<kind>/batch/update", "POST", self.batch_update),
            (f"/crm/objects/{VERSION}/<kind>/search", "POST", self.search),
            (f"/crm/objects/{VERSION}/<kind>/<record_id>", "GET", self.read),
            (f"/crm/associations/{VERSION}/deals/contacts/batch/read", "POST", self.associations),
        ):
            app.add_url_rule(rule, f"{method} {rule}", view, methods=[method])

    def token(self) -> Response:
        """An access token for the refresh token; it is good for half an hour."""
        form = request.form
        given = (form.get("grant_type"), form.get("refresh_token"), form.get("client_secret"))
        if given != ("refresh_token", self.refresh_token, self.client_secret):
            return problem(400, "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        token = f"access-{len(self.tokens) + 1}-{self.now().timestamp():.0f}"
        self.tokens[token] = self.now() + TOKEN_LIFE
        return shown({"access_token": token, "refresh_token": self.refresh_token, "expires_in": 1800})

    def owners(self) -> Response:
        """Owners by pages of one, so that paging is used."""
        is_archived = request.args.get("archived") == "true"
        found = [owner for owner in OWNERS if owner.is_archived is is_archived]
        start = next((place + 1 for place, one in enumerate(found) if one.id == request.args.get("after")), 0)
        page = {"results": [owner_row(owner) for owner in found[start : start + 1]]}
        more = {"paging": {"next": {"after": found[start].id}}} if len(found) > start + 1 else {}
        return shown(page | more)

    def first(self, kind: str) -> Response:
        """The first records of a list."""
        return shown({"results": [self._row(record, set(), set()) for record in self.shelf.all(KINDS[kind])[:1]]})

    def read(self, kind: str, record_id: str) -> Response:
        """One record; the id of a merged one leads to the survivor."""
        record = self.shelf.find(KINDS[kind], self.moved.get(record_id, record_id))
        if record is None:
            return problem(404, "OBJECT_NOT_FOUND", "resource not found")
        names, with_history = (
            set(request.args.get(key, "").split(",")) for key in ("properties", "propertiesWithHistory")
        )
        return shown(self._row(record, names, with_history))

    def batch_read(self, kind: str) -> Response:
        """Up to 100 records, with history 50."""
        body = request.get_json()
        names, with_history = set(body.get("properties", ())), set(body.get("propertiesWithHistory", ()))
        ids = [str(entry["id"]) for entry in body["inputs"]]
        if len(ids) > (MOST // 2 if with_history else MOST):
            return problem(400, "VALIDATION_ERROR", "too many inputs")
        found = {record_id: self.shelf.find(KINDS[kind], record_id) for record_id in ids}
        return batch([self._row(record, names, with_history) for record in found.values() if record], missing(found))

    def batch_update(self, kind: str) -> Response:
        """Up to 100 records; one bad value refuses all of them."""
        inputs = {str(entry["id"]): entry["properties"] for entry in request.get_json()["inputs"]}
        if len(inputs) > MOST:
            return problem(400, "VALIDATION_ERROR", "too many inputs")
        try:
            for values in inputs.values():
                check(kind, values)
        except InvalidError as error:
            return problem(400, "VALIDATION_ERROR", f"Property values were not valid: {error}")
        found = {record_id: self.shelf.find(KINDS[kind], record_id) for record_id in inputs}
        rows = []
        for record_id, record in found.items():
            if record is None:
                continue
            values = {name: value for name, value in inputs[record_id].items() if not is_backward(record, name, value)}
            shows = self._row(record, set(values), set())
            if self.gate.is_lying(f"{record.object}:{record_id}"):
                rows.append({**shows, "properties": {**shows["properties"], **values}})
                continue
            self.shelf.change(record.object, record_id, values, origin="api")
            rows.append(self._row(record, set(values), set()))
        return batch(rows, missing(found))

    def search(self, kind: str) -> Response:
        """By the time of the last change and the id, sorted by one of them, and no further than `most_found`.

        What changed within the last seconds is not in the index yet.
        """
        body = request.get_json()
        name = MODIFIED[KINDS[kind]]
        filters = {
            (one["propertyName"], one["operator"]): int(one["value"]) for one in body["filterGroups"][0]["filters"]
        }
        (order,) = (one["propertyName"] for one in body["sorts"] if one["direction"] == "ASCENDING")
        start = int(body.get("after", 0))
        is_known = filters.keys() <= {(name, "GTE"), (name, "EQ"), (RECORD_ID, "GT")} and order in {name, RECORD_ID}
        if not is_known or body["limit"] > 2 * MOST or start + body["limit"] > self.most_found:
            return problem(400, "VALIDATION_ERROR", "There was a problem with the request.")
        found = [record for record in self.shelf.all(KINDS[kind]) if record.modified <= self.now() - INDEXED_AFTER]
        values = {record.id: {name: _millis(record.modified), RECORD_ID: int(record.id)} for record in found}
        for (field_name, compared), value in filters.items():
            found = [record for record in found if OPERATORS[compared](values[record.id][field_name], value)]
        found.sort(key=lambda record: values[record.id][order])
        page = found[start : start + body["limit"]]
        end = start + len(page)
        more = {"paging": {"next": {"after": str(end)}}} if end < len(found) else {}
        return shown({"total": len(found), "results": [self._row(record, {order}, set()) for record in page]} | more)

    def associations(self) -> Response:
        """The contacts of deals; deals without any are left out."""
        ids = [str(entry["id"]) for entry in request.get_json()["inputs"]]
        rows = [
            {
                "from": {"id": deal},
                "to": [{"toObjectId": self.moved.get(contact, contact)} for contact in self.contacts_of[deal]],
            }
            for deal in ids
            if deal in self.contacts_of
        ]
        return batch(rows, [])

    def _enter(self) -> Response | None:
        if request.path.startswith("/oauth/"):
            return None
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, datetime.min.replace(tzinfo=UTC)) > self.now():
            return None
        return problem(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired.")

    def _row(self, record: Record, names: set[str], with_history: set[str]) -> dict[str, Any]:
        values = {**record.fields, MODIFIED[record.object]: stamp(record.modified)}
        always = {"hs_object_id": record.id, MODIFIED[record.object]: stamp(record.modified)}
        row = {
            "id": record.id,
            "properties": {name: values.get(name) for name in sorted(names - {""})} | always,
            "createdAt": stamp(record.created),
            "updatedAt": stamp(record.modified),
            "archived": False,
        }
        return row | (
            {"propertiesWithHistory": {name: self._history(record, name) for name in with_history}}
            if with_history
            else {}
        )

    def _history(self, record: Record, name: str) -> list[dict[str, Any]]:
        rows = [
            {
                "value": change.after[name] or "",
                "timestamp": stamp(change.at),
                "sourceType": "INTEGRATION" if change.origin == "api" else "CRM_UI",
                "sourceId": str(self.app_id) if change.origin == "api" else "userId:70311845",
            }
            for change in self.shelf.changes
            if (change.object, change.id) == (record.object, record.id)
            and name in change.after
            and change.kind != "restore"
            and (change.after[name] or change.kind == "update")
        ]
        return rows[::-1]


class InvalidError(Exception):
    """A value that HubSpot refuses."""


def check(kind: str, values: Mapping[str, Any]) -> None:
    """Raises `InvalidError` for a property that is not there, or a value that it does not take."""
    for name, value in values.items():
        if name not in PROPERTIES[kind]:
            raise InvalidError([{"error": "PROPERTY_DOESNT_EXIST", "name": name}])
        if not isinstance(value, str) or (value and value not in OPTIONS.get(name, (value,))):
            raise InvalidError([{"error": "INVALID_OPTION", "name": name, "message": f"{value} was not allowed"}])


def is_backward(record: Record, name: str, value: str) -> bool:
    """A lifecycle stage that lies before the present one is left as it is, without a word."""
    shows = record.fields.get(name) or ""
    return name == "lifecyclestage" and bool(shows and value) and LIFECYCLE.index(value) < LIFECYCLE.index(shows)


def pipelines() -> Response:
    """The pipelines of deals."""
    return shown({"results": [pipeline_row(pipeline) for pipeline in PIPELINES]})


def properties(kind: str) -> Response:
    """The properties of an object."""
    return shown({"results": [property_row(name) for name in PROPERTIES[kind]]})


def shown(body: Mapping[str, Any], status: int = 200) -> Response:
    """A good answer."""
    headers = {"X-HubSpot-RateLimit-Daily": "625000", "X-HubSpot-RateLimit-Daily-Remaining": "412903"}
    return Response(orjson.dumps(body), status, headers, content_type="application/json")


def batch(rows: list[dict[str, Any]], errors: list[dict[str, Any]]) -> Response:
    """The answer of a batch: 207 when some records have errors."""
    wrong = {"numErrors": len(errors), "errors": errors} if errors else {}
    return shown({"status": "COMPLETE", "results": rows} | wrong, 207 if errors else 200)


def missing(found: Mapping[str, Record | None]) -> list[dict[str, Any]]:
    """The errors of a batch for the records that are not there."""
    ids = [record_id for record_id, record in found.items() if record is None]
    message = "Could not get some objects, they may be deleted or not exist. Check that ids are valid."
    error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": ids}}
    return [error] if ids else []


def problem(status: int, category: str, message: str) -> Response:
    """An error body."""
    body = {"status": "error", "message": message, "category": category, "correlationId": "5a1d0f64-22c1-4c7f"}
    return Response(orjson.dumps(body), status, content_type="application/json")


def _millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def stamp(at: datetime) -> str:
    """An instant as HubSpot writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
