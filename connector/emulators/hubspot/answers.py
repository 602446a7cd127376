"""How the emulated HubSpot account answers: bodies, batches, errors, and the values that it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Response

from connector.emulators.engine.shelf import Record
from connector.emulators.hubspot.directory import LIFECYCLE, OPTIONS, PIPELINES, PROPERTIES, pipeline_row, property_row


class InvalidError(Exception):
    """A value that HubSpot refuses."""


def check(kind: str, values: Mapping[str, Any]) -> None:
    """Raises `InvalidError` for a property that is not there, or a value that it does not take."""
    for name, value in values.items():
        if name not in PROPERTIES[kind]:
            raise InvalidError([{"error": "PROPERTY_DOESNT_EXIST", "name": name}])
        if not isinstance(value, str) or (value and value not in OPTIONS.get(name, (value,))):
            raise InvalidError([{"error": "INVALID_OPTION", "name": name, "message": f"{value} was not allowed"}])


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


def problem(status: int, category: str, message: str) -> Response:
    """An error body."""
    body = {"status": "error", "message": message, "category": category, "correlationId": "5a1d0f64-22c1-4c7f"}
    return Response(orjson.dumps(body), status, content_type="application/json")


def missing(found: Mapping[str, Record | None]) -> list[dict[str, Any]]:
    """The errors of a batch for the records that are not there."""
    ids = [of for of, record in found.items() if record is None]
    message = "Could not get some objects, they may be deleted or not exist. Check that ids are valid."
    error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": ids}}
    return [error] if ids else []


def is_backward(record: Record, name: str, value: str) -> bool:
    """A lifecycle stage that lies before the present one is left as it is, without a word."""
    shows = record.fields.get(name) or ""
    return name == "lifecyclestage" and bool(shows and value) and LIFECYCLE.index(value) < LIFECYCLE.index(shows)


def stamp(at: datetime) -> str:
    """An instant as HubSpot writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
