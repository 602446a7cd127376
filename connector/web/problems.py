"""The one place where an error becomes an HTTP answer: problem+json (RFC 9457) with a sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from connector.core.errors import BadPayload, BadSignature, ConnectorError, MissingProof, NotFound, SenderError
from connector.intake.receive import METHODS, NotStored, Paused, WrongContentType, WrongMethod

RETRY_SECONDS: Final = 30


class TooLarge(SenderError):
    """A body above the limit (413)."""

    reason = "too_large"


class Truncated(SenderError):
    """A body that is shorter than its Content-Length says: the sender went away (400)."""

    reason = "truncated"


class TooMany(SenderError):
    """More than a connection takes in a minute (429, with Retry-After)."""

    reason = "too_many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """How an error is answered. `meaning`: what the sender is to do, for docs/answers.md."""

    status: int
    title: str
    meaning: str


PROBLEMS: Final[dict[type[ConnectorError], Problem]] = {
    BadPayload: Problem(
        status=400,
        title="The body cannot be read",
        meaning="Correct what stands at the path that `detail` names. If its proof is right it is quarantined.",
    ),
    Truncated: Problem(
        status=400,
        title="The body is not complete",
        meaning="Send it again: fewer bytes arrived than Content-Length says.",
    ),
    BadSignature: Problem(
        status=401,
        title="The proof does not fit",
        meaning="Correct the secret on either side. It is quarantined, but for what comes in floods, and can be "
        "verified again by a corrected one.",
    ),
    NotFound: Problem(status=404, title="Not found", meaning="Correct the address: `/webhooks/<connection>`."),
    WrongMethod: Problem(
        status=405,
        title="Method not allowed",
        meaning="Send by a method that `Allow` names, or by a probe that the system documents.",
    ),
    TooLarge: Problem(
        status=413, title="The body is too large", meaning="Send less at once; `max_body_bytes` is the limit."
    ),
    WrongContentType: Problem(
        status=415,
        title="The content type is not supported",
        meaning="Send the content type that `detail` names, not compressed.",
    ),
    TooMany: Problem(
        status=429,
        title="Too many at once",
        meaning="Send it again after `Retry-After`: a site, and each address, may send a tracker so many in a minute.",
    ),
    Paused: Problem(
        status=503,
        title="Not available now",
        meaning="Send it again after `Retry-After`: somebody paused the connection.",
    ),
    NotStored: Problem(
        status=503,
        title="Not available now",
        meaning="Send it again after `Retry-After`: the database is away, full or busy, and nothing was acknowledged.",
    ),
}
"""By error; of one that is not listed its nearest ancestor's. What is not the sender's to mend is `NOT_THEIRS`."""
NOT_THEIRS: Final = Problem(
    status=503, title="Not available now", meaning="Send it again after `Retry-After`: the operators are told."
)
_NOWHERE: Final = "there is nothing at this address; webhooks are sent to /webhooks/<connection>"
_HTTP: Final = {404: "not_found", 405: "wrong_method", 413: "too_large", 500: "internal"}


def problem(status: int, reason: str, detail: str, *, title: str = "The request cannot be served") -> Response:
    """A problem document; 429 and 503 say when to come back."""
    body = orjson.dumps({"type": f"urn:connector:{reason}", "title": title, "status": status, "detail": detail})
    response = Response(body, status, content_type="application/problem+json")
    if status in {429, 503}:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def from_error(error: ConnectorError) -> Response:
    """The answer to one of our own errors. What only an operator can mend is not told to a sender."""
    found = next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), None)
    is_theirs = found is not None or isinstance(error, SenderError)
    detail = _told(error) if is_theirs else "nothing was acknowledged, send it again later"
    shown = found or (PROBLEMS[BadPayload] if isinstance(error, SenderError) else NOT_THEIRS)
    response = problem(shown.status, error.reason, detail, title=shown.title)
    if isinstance(error, WrongMethod):
        response.headers["Allow"] = ", ".join(METHODS)
    return response


def _told(error: ConnectorError) -> str:
    """What a sender is told: of a wrong proof what to do, and nothing of what is configured."""
    if isinstance(error, MissingProof):
        return "the proof is missing: sign the request, or send the token, as the connector's page of your system says"
    if isinstance(error, BadSignature):
        return "the proof does not fit: compare secret, time and address on both sides; the operator sees more"
    return str(error)


def from_http(error: HTTPException) -> Response:
    """The answer to an error of the HTTP layer, with the headers that belong to it, such as Allow."""
    status = error.code or 500
    reason = _HTTP.get(status, (error.name or "error").lower().replace(" ", "_").replace("'", ""))
    detail = _NOWHERE if status == 404 else error.description or ""  # noqa: PLR2004
    response = problem(status, reason, detail, title=error.name or "")
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response
