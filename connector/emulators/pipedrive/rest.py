"""The REST interface of the emulated Pipedrive company: strict types, pages by cursor, webhooks by v1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from flask import Flask, Response, request

from connector.emulators.engine.gate import Gate
from connector.emulators.engine.shelf import Record, Shelf
from connector.emulators.pipedrive.directory import (
    BOT,
    CUSTOM,
    FIELDS,
    PIPELINES,
    STAGES,
    STATUSES,
    TIMES,
    USERS,
    field_rows,
)

KINDS: Final = {"deals": "deal", "persons": "person", "leads": "lead"}
MOST_WEBHOOKS: Final = 40


class InvalidError(Exception):
    """A value that Pipedrive refuses."""


@dataclass(slots=True, kw_only=True)
class PipedriveRest:
    """What the token's user may call. `handlers`: the addresses to which webhooks go."""

    shelf: Shelf
    gate: Gate
    now: Callable[[], datetime]
    token: str
    handlers: list[str]
    webhooks: dict[int, dict[str, Any]] = field(default_factory=dict)
    page: int = 500

    def routes(self, app: Flask) -> None:
        """Put the interface into the application."""
        app.before_request(self._enter)
        for rule, method, view in (
            ("/v1/users", "GET", lambda: shown([user.row() for user in USERS])),
            ("/v1/users/me", "GET", self.me),
            ("/v1/<kind>Fields", "GET", lambda kind: shown(field_rows(kind))),
            ("/v1/webhooks", "GET", lambda: shown(list(self.webhooks.values()))),
            ("/v1/webhooks", "POST", self.add_webhook),
            ("/v1/webhooks/<int:number>", "DELETE", self.delete_webhook),
            ("/v1/leads", "GET", self.leads),
            ("/v1/leads/archived", "GET", self.archived_leads),
            ("/v1/<kind>/<record_id>", "GET", self.read),
            ("/v1/<kind>/<record_id>", "PATCH", self.update),
            ("/api/v2/stages", "GET", stages),
            ("/api/v2/pipelines", "GET", pipelines),
            ("/api/v2/<kind>", "GET", self.listed),
            ("/api/v2/deals/archived", "GET", lambda: self.listed("deals", is_archived=True)),
            ("/api/v2/<kind>/<record_id>", "GET", self.read),
            ("/api/v2/<kind>/<record_id>", "PATCH", self.update),
        ):
            app.add_url_rule(rule, f"{method} {rule}", view, methods=[method])

    def me(self) -> Response:
        """The user of the token."""
        (user,) = (user for user in USERS if user.id == BOT)
        return shown({**user.row(), "company_name": "Minamoto Works"})

    def listed(self, kind: str, *, is_archived: bool = False) -> Response:
        """Records by id, or those that were changed since, in pages; archived ones stand apart."""
        args, records = request.args, self.shelf.all(KINDS[kind])
        if since := args.get("updated_since"):
            records = self.shelf.modified_since(KINDS[kind], datetime.fromisoformat(since))
        records = [record for record in records if is_in_archive(record) is is_archived]
        if ids := args.get("ids"):
            records = [record for record in records if record.id in ids.split(",")]
        start, most = int(args.get("cursor", 0)), min(int(args.get("limit", 100)), self.page)
        page = records[start : start + most]
        following = str(start + most) if start + most < len(records) else None
        return shown([row_of(record) for record in page], {"next_cursor": following})

    def leads(self) -> Response:
        """Leads that are not archived, the newest change first; all, or those that were changed since."""
        since = request.args.get("updated_since")
        records = self.shelf.modified_since("lead", datetime.fromisoformat(since)) if since else self.shelf.all("lead")
        return self._leads([record for record in records if not is_in_archive(record)])

    def archived_leads(self) -> Response:
        """Archived leads, the newest change first; there is no asking for those that were changed since."""
        return self._leads([record for record in self.shelf.all("lead") if is_in_archive(record)])

    def _leads(self, records: list[Record]) -> Response:
        start, most = int(request.args.get("start", 0)), min(int(request.args.get("limit", 100)), self.page)
        records = sorted(records, key=lambda record: record.modified, reverse=True)
        more = {"more_items_in_collection": start + most < len(records), "start": start, "limit": most}
        return shown([row_of(record) for record in records[start : start + most]], {"pagination": more})

    def read(self, kind: str, record_id: str) -> Response:
        """One record."""
        record = self.shelf.find(KINDS[kind], record_id)
        return shown(row_of(record)) if record else problem(404, f"{kind} not found")

    def update(self, kind: str, record_id: str) -> Response:
        """Changes the fields that are given."""
        record = self.shelf.find(KINDS[kind], record_id)
        if record is None:
            return problem(404, f"{kind} not found")
        body = request.get_json()
        if is_in_archive(record) and body.get("is_archived") is not False:
            return problem(403, f"Archived {kind} cannot be edited")
        given = dict(body.pop("custom_fields", {})) if record.object != "lead" else {}
        values = {**body, **given}
        try:
            check(record, values, customs=set(CUSTOM))
        except InvalidError as error:
            return problem(400, str(error))
        if self.gate.is_lying(f"{record.object}:{record_id}"):
            return shown({**row_of(record), **body, "custom_fields": given})
        if values.get("stage_id", record.fields.get("stage_id")) != record.fields.get("stage_id"):
            values["stage_change_time"] = stamp(self.now())
        if (status := values.get("status")) and status != record.fields.get("status"):
            values |= {field: stamp(self.now()) if field == f"{status}_time" else None for field in TIMES[1:]}
        self.shelf.change(record.object, record_id, values, by=str(BOT), origin="api")
        return shown(row_of(record))

    def add_webhook(self) -> Response:
        """Makes a webhook; deliveries go to its address from then on."""
        body = request.get_json()
        if len(self.webhooks) >= MOST_WEBHOOKS or not body.get("http_auth_password") or body.get("version") != "2.0":
            return problem(400, "the webhook cannot be made")
        number = 1190382 + len(self.webhooks)
        shows = {name: value for name, value in body.items() if name != "http_auth_password"}
        self.webhooks[number] = {**shows, "id": number, "is_active": 1}
        if body["subscription_url"] not in self.handlers:
            self.handlers.append(body["subscription_url"])
        return shown(self.webhooks[number])

    def delete_webhook(self, number: int) -> Response:
        """Deletes a webhook."""
        return shown({"id": number}) if self.webhooks.pop(number, None) else problem(404, "Webhook not found")

    def _enter(self) -> Response | None:
        return None if request.headers.get("x-api-token") == self.token else problem(401, "unauthorized access")


def is_in_archive(record: Record) -> bool:
    """Whether a deal or lead is archived."""
    return record.fields.get("is_archived") is True


def check(record: Record, values: Mapping[str, Any], *, customs: set[str]) -> None:
    """Raises `InvalidError` for a field that is not there, or a value of another type or that does not exist."""
    known = {**FIELDS[record.object], **dict.fromkeys(customs, str)}
    for name, value in values.items():
        if name not in known:
            message = f"Parameter '{name}' is not allowed"
            raise InvalidError(message)
        if type(value) is not known[name]:
            message = f"Validation failed: {name}: must be of type {known[name].__name__}"
            raise InvalidError(message)
    stage = values.get("stage_id", record.fields.get("stage_id"))
    pipeline = values.get("pipeline_id", record.fields.get("pipeline_id"))
    wrong = {
        "stage_id": stage is not None and (stage not in STAGES or STAGES[stage][0] != pipeline),
        "status": values.get("status", "open") not in STATUSES,
        "owner_id": values.get("owner_id", BOT) not in {user.id for user in USERS if user.is_active},
        "lost_reason": "lost_reason" in values and values.get("status") != "lost",
    }
    if names := [name for name, is_wrong in wrong.items() if is_wrong]:
        message = f"Validation failed: {', '.join(names)}: invalid value"
        raise InvalidError(message)


def row_of(record: Record) -> dict[str, Any]:
    """A record as REST shows it; custom fields are bare, and of leads they stand among the others."""
    plain = {name: value for name, value in record.fields.items() if name not in CUSTOM}
    custom = {name: record.fields.get(name) for name in CUSTOM}
    times = {"add_time": stamp(record.created), "update_time": stamp(record.modified)}
    if record.object == "lead":
        return {"id": record.id, **plain, **times, **custom}
    more = {**dict.fromkeys(TIMES), "is_archived": False} if record.object == "deal" else {}
    return {"id": int(record.id), **more, **plain, **times, "custom_fields": custom}


def stages() -> Response:
    """All stages."""
    rows = [{"id": stage, "pipeline_id": home, "name": name} for stage, (home, name) in STAGES.items()]
    return shown(rows, {"next_cursor": None})


def pipelines() -> Response:
    """All pipelines."""
    return shown([{"id": pipeline, "name": name} for pipeline, name in PIPELINES.items()], {"next_cursor": None})


def shown(data: Any, additional: Mapping[str, Any] | None = None) -> Response:
    """A good answer; v1 writes an empty list as null."""
    body = {"success": True, "data": data or None, "additional_data": additional}
    headers = {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "19", "x-daily-ratelimit-token-remaining": "29871"}
    return Response(orjson.dumps(body), 200, headers, content_type="application/json")


def problem(status: int, error: str) -> Response:
    """An error body."""
    info = "Please check developers.pipedrive.com"
    body = {"success": False, "error": error, "error_info": info, "data": None, "additional_data": None}
    return Response(orjson.dumps(body), status, content_type="application/json")


def stamp(at: datetime) -> str:
    """An instant as Pipedrive writes it, in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
