"""The one place where an error becomes an HTTP answer: problem+json (RFC 9457) with a sentence that says what to do."""

from __future__ import annotations

from typing import Final

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException

from connector.core.errors import BadPayload, BadSignature, ConnectorError, NotFound
from connector.intake import NotStored, Paused, WrongContentType, WrongMethod

STATUS: Final[dict[type[ConnectorError], int]] = {
    BadSignature: 401,
    BadPayload: 400,
    NotFound: 404,
    WrongMethod: 405,
    WrongContentType: 415,
    Paused: 503,
    NotStored: 503,
}
TITLES: Final = {
    400: "The body cannot be read",
    401: "The signature does not fit",
    404: "Not found",
    405: "Method not allowed",
    408: "The request took too long",
    411: "Length required",
    413: "The body is too large",
    415: "The content type is not supported",
    500: "Internal error",
    503: "Not available now",
}
RETRY_SECONDS: Final = 30


def problem(status: int, reason: str, detail: str) -> Response:
    """A problem document; 405 says what is allowed, 503 when to come back."""
    title = TITLES.get(status, "The request cannot be served")
    body = orjson.dumps({"type": f"urn:connector:{reason}", "title": title, "status": status, "detail": detail})
    response = Response(body, status, content_type="application/problem+json")
    if status == 405:  # noqa: PLR2004 - the HTTP status itself
        response.headers["Allow"] = "POST"
    if status == 503:  # noqa: PLR2004
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def from_error(error: ConnectorError) -> Response:
    """The answer to one of our own errors."""
    return problem(STATUS.get(type(error), 500), error.reason, str(error))


def from_http(error: HTTPException) -> Response:
    """The answer to an error of the HTTP layer."""
    return problem(error.code or 500, (error.name or "error").lower().replace(" ", "_"), error.description or "")
