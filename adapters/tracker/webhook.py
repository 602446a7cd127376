"""What the tracker's script posts, as events: `{"id", "visitor", "sent", "events": [{"id", "type", "at", …}]}`."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_json
from connector.adapter_kit.signatures import check_hmac
from connector.adapter_kit.tracking import inflow
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import Action, Event, Identity, IdentityKind, Kind

SHORTEST_SECRET: Final = 24
LONGEST: Final = timedelta(days=1)
"""How far ahead a token may expire: one that leaks must not be good for ever."""
_MOST: Final = 2_000


def email_of(token: Part, visitor: str, secrets: Sequence[str], now: datetime) -> str:
    """The e-mail that a token gives the visitor; `now` is aware UTC. Raises `BadPayload` at the token's path.

    A token is the base64url of `{"email", "visitor", "expires"}` (unix seconds), a full stop, and the HMAC-SHA256 of
    the part before it in hex.
    """
    content, _, signature = token.text(_MOST).partition(".")
    try:
        usable = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        check_hmac(signature, content.encode(), usable)
    except BadSignature as error:
        raise BadPayload(str(error), token.path) from error
    claims = Part(_decoded(content, token.path), token.path)
    if claims["visitor"].text() != visitor:
        message = "was made for another visitor"
        raise BadPayload(message, token.path)
    rest = claims["expires"].integer() - int(now.timestamp())
    if not 0 < rest <= LONGEST.total_seconds():
        message = f"has expired, or is good for more than a day ({rest} seconds)"
        raise BadPayload(message, token.path)
    return claims["email"].email()


def _decoded(content: str, path: str) -> object:
    try:
        return read_json(urlsafe_b64decode(content + "=" * (-len(content) % 4))).value
    except (BadPayload, binascii.Error, ValueError) as error:
        message = f"is signed, but not the base64url of JSON: {error}"
        raise BadPayload(message, path) from error


MOST_EVENTS: Final = 50
OLDEST: Final = timedelta(days=7)
"""An event that seems older was dated by a clock that was set meanwhile."""
_ID: Final = re.compile(r"[0-9A-Za-z_-]{16,64}")
_PARAMETERS_END: Final = re.compile(r"([&#])")
_MOST_FIELDS: Final = 30
_MOST_VALUE: Final = 200
_MOST_URL: Final = 2_000
TYPES: Final[dict[str, Action | None]] = {
    "page": Action.SITE_ACCESS,
    "form": Action.FORM_SUBMISSION,
    "signup": Action.MEMBERSHIP_REGISTRATION,
    "login": Action.LOGIN,
    "download": Action.FILE_DOWNLOAD,
    "event": None,
    "identify": None,
}
"""The type of an event → the action that it is; `event` is one by its own name."""
_FROM_MAIL: Final = {
    Action.FORM_SUBMISSION: Action.EMAIL_FORM_SUBMISSION,
    Action.MEMBERSHIP_REGISTRATION: Action.EMAIL_MEMBERSHIP_REGISTRATION,
}
"""In a session that a mail began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a connection reads its events: by which parameters a mail and COCOAR are told, and the tokens' secrets."""

    sites: Sequence[str]
    email_marks: Sequence[str]
    cocoar_marks: Sequence[str]
    identity_secret: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A body. `sent` is by the browser's clock, in milliseconds."""

    id: str
    visitor: str
    sent: int
    events: Sequence[Part]
    received_at: datetime


def read_batch(delivery: Delivery) -> Batch:
    """The body of a delivery. Raises `BadPayload`."""
    body = read_json(delivery.body)
    events = body["events"].items()
    if not 1 <= len(events) <= MOST_EVENTS:
        body["events"].refuse(f"a list of 1 to {MOST_EVENTS} events")
    return Batch(
        id=_id(body["id"]),
        visitor=_id(body["visitor"]),
        sent=body["sent"].integer(),
        events=events,
        received_at=delivery.received_at,
    )


def read_event(part: Part, batch: Batch, reading: Reading) -> Event:
    """One event of a batch. Raises `BadPayload`. Whatever e-mail it holds outside a token is left out."""
    word = part["type"].choice(TYPES)
    common: dict[str, Any] = {"at": _when(part["at"], batch)}
    visitor = Identity(kind=IdentityKind.VISITOR, value=batch.visitor)
    if word == "identify":
        email = email_of(part["token"], batch.visitor, reading.identity_secret, batch.received_at)
        key = f"{batch.visitor}:is:{hashlib.sha256(email.encode()).hexdigest()[:32]}"
        identities = (visitor, Identity(kind=IdentityKind.EMAIL, value=email))
        return Event(key=key, kind=Kind.IDENTIFY, identities=identities, is_lead=True, **common)
    page = _page(part["page"], reading.sites)
    entry = part["entry"].value if isinstance(part["entry"].value, str) else ""
    return Event(
        key=f"{batch.visitor}:{_id(part['id'])}",
        kind=Kind.ACTION,
        identities=(visitor,),
        name=_name(word, part, page, entry, reading),
        page=page,
        session=part["session"].maybe(_id),
        data=_data(word, part),
        **common,
    )


def _id(part: Part) -> str:
    return (
        part.value if isinstance(part.value, str) and _ID.fullmatch(part.value) else part.refuse("16 to 64 of A-z0-9_-")
    )


def _when(at: Part, batch: Batch) -> datetime:
    """Our receipt less the event's age by the browser's clock, which may be wrong but runs as fast as ours."""
    age = timedelta(milliseconds=min(max(batch.sent - at.integer(), 0), 2**40))
    return batch.received_at - (age if age <= OLDEST else timedelta())


def _page(part: Part, sites: Sequence[str]) -> str:
    url = without_emails(part.text(_MOST_URL))
    if not any(f"{url.casefold()}/".startswith((f"{site}/", f"{site}?", f"{site}#")) for site in sites):
        part.refuse(f"a page of {', '.join(sites)}")
    return url


def without_emails(url: str) -> str:
    """An address without the values of those parameters that hold an e-mail address."""
    return "".join(map(_without_email, _PARAMETERS_END.split(url)))


def _without_email(parameter: str) -> str:
    name, sign, value = parameter.partition("=")
    return f"{name}{sign}" if "@" in value or "%40" in value else parameter


def _name(word: str, part: Part, page: str, entry: str, reading: Reading) -> str:
    action = TYPES[word]
    if action is None:
        return part["name"].text(100)
    if action is Action.SITE_ACCESS:
        marked = inflow(page, reading.email_marks, reading.cocoar_marks) if part["entered"].value is True else None
        return marked or action.value
    from_mail = inflow(entry, reading.email_marks, ()) is not None
    return (_FROM_MAIL.get(action, action) if from_mail else action).value


def _data(word: str, part: Part) -> dict[str, Any]:
    """What conditions of triggers may ask for: the form, its marked fields, the file."""
    data: dict[str, Any] = {"type": word}
    for name in ("form", "file", "name"):
        if part[name].exists:
            data[name] = without_emails(part[name].text(_MOST_URL))
    if part["fields"].exists:
        fields = part["fields"].object()
        if len(fields) > _MOST_FIELDS:
            part["fields"].refuse(f"at most {_MOST_FIELDS} fields")
        data["fields"] = {name[:_MOST_VALUE]: value for name, value in fields.items() if _is_kept(value)}
    return data


def _is_kept(value: object) -> bool:
    """Short texts without an e-mail address."""
    return isinstance(value, str) and len(value) <= _MOST_VALUE and "@" not in value
