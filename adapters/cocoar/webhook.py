"""The inflows in a body of COCOAR, JSON or form, one or many, as events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from connector.adapter_kit.payload import Part, read_json_or_form
from connector.adapter_kit.records import digest
from connector.adapter_kit.tracking import distinct, visitor, words
from connector.core.errors import BadPayload
from connector.core.event import Action, Event, Identity, IdentityKind, Kind

_MILLISECONDS = 100_000_000_000
"""Above it a number counts milliseconds: as seconds that would be the year 5138."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of an inflow."""

    visitor: str
    email: str
    content: str
    time: str
    id: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How inflows are read: their keys, the zone of times without one, and when they came (aware UTC)."""

    keys: Keys
    zone: str
    received_at: datetime


def parts_of(body: bytes, list_key: str) -> list[Part]:
    """The inflows of a body: those of its list, or the body itself. Raises `BadPayload`."""
    root = read_json_or_form(body)
    if isinstance(root.value, list):
        return root.items()
    listed = root[list_key]
    return listed.items() if listed.exists else [root]


def is_dated(part: Part, keys: Keys) -> bool:
    """Whether an inflow has something of its own that another of the same visitor has not: an id or a time."""
    return isinstance(part.value, dict) and any(part.value.get(name) not in (None, "") for name in (keys.id, keys.time))


def events_in(part: Part, reading: Reading) -> list[Event]:
    """The action, and before it the identity where an e-mail is given. Raises `BadPayload` with the path."""
    keys = reading.keys
    who, email = visitor(part[keys.visitor]), _given(part[keys.email])
    identities = distinct(who, Identity(kind=IdentityKind.EMAIL, value=email.email()) if email else None)
    if not identities:
        part[keys.visitor].refuse(f"the visitor's own id, or {keys.email} an e-mail address: one of the two at least")
    given_id, content = _given(part[keys.id]), _given(part[keys.content])
    at = _time(part[keys.time], reading)
    what = content.identifier() if content else "-"
    own = f"{identities[0].kind}:{identities[0].value}:{what}@{at.isoformat()}:{digest(part.object())}"
    key = given_id.identifier() if given_id else own
    action = Event(
        key=key,
        at=at,
        kind=Kind.ACTION,
        name=Action.COCOAR_INFLOW.value,
        identities=identities,
        is_lead=email is not None,
        page=words(part[keys.page]),
        data=part.object(),
    )
    if email is None:
        return [action]
    return [
        Event(
            key=f"{key}:identify", at=at, kind=Kind.IDENTIFY, identities=identities, is_lead=True, data=part.object()
        ),
        action,
    ]


def _given(part: Part) -> Part | None:
    """The part; None: it has no value, as forms write it."""
    return part if part.exists and part.value != "" else None


def _time(part: Part, reading: Reading) -> datetime:
    """ISO 8601 with or without a zone, or unix seconds or milliseconds; none: when it came."""
    if _given(part) is None:
        return reading.received_at
    text = str(part.value)
    if text.isdecimal() and text.isascii():
        number = part.integer()
        seconds = number / 1000 if number > _MILLISECONDS else number
        if not 0 < seconds < _MILLISECONDS:
            part.refuse("a time")
        return Part(datetime.fromtimestamp(seconds, UTC).isoformat(), part.path).instant()
    try:
        naive = datetime.fromisoformat(part.text(40).replace("/", "-"))
        if naive.tzinfo is None:
            naive = naive.replace(tzinfo=ZoneInfo(reading.zone)).astimezone(UTC)
            return Part(naive.isoformat(), part.path).instant()
    except (KeyError, OSError):
        message = f"has no zone, and the connection's setting zone ({reading.zone!r}) is none such as Asia/Tokyo"
        raise BadPayload(message, part.path) from None
    except (ValueError, OverflowError):
        return part.instant()
    return part.instant()
