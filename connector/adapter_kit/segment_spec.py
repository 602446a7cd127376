"""Messages of the Segment spec (track, page, screen, identify, alias, group), which RudderStack sends too, as events.

https://segment.com/docs/connections/spec/ and https://www.rudderstack.com/docs/event-spec/standard-events/
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from connector.adapter_kit.contract import Delivery, Received, Reply
from connector.adapter_kit.payload import Part, read_json, refuse_unstorable
from connector.adapter_kit.tracking import address, distinct, person, reached, under, visitor, words
from connector.core.errors import BadPayload, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind

TYPES: Final = frozenset({"track", "page", "screen", "identify", "alias", "group"})
OWN_EMAIL: Final = ("Form Submitted", "Signed Up", "Sign Up Completed", "Signed In", "Account Created")
"""The default of the setting `email_events`: events whose `properties.email` is the visitor's own."""
MOST: Final = 4000
"""Segment's largest batch."""
LONGEST_ID: Final = 150
_TIMES: Final = ("timestamp", "originalTimestamp", "receivedAt", "sentAt")
"""The first is the time by a clock that the tracker has set right."""


def messages(delivery: Delivery) -> list[Part]:
    """The messages of a body: one, or 1 to 4,000 in a list. Raises `BadPayload`."""
    root = read_json(delivery.body, keeps_nul=True)
    if not isinstance(root.value, list):
        root.object()
        return [root]
    parts = root.items()
    if not 1 <= len(parts) <= MOST:
        message = f"has {len(parts)} messages; it must have 1 to {MOST}"
        raise BadPayload(message)
    return parts


def receive(delivery: Delivery) -> Received:
    """By the message's id, or those of all messages of a batch; the lane is the visitor or user of the first of them.

    202 with the number of messages. Raises `BadPayload`.
    """
    parts = messages(delivery)
    reply = Reply(status=202, body=orjson.dumps({"accepted": len(parts)}))
    return Received(key=_key(parts), lane=_lane(parts[0]), reply=reply)


def _key(parts: Sequence[Part]) -> str:
    """The message's id; of a batch a hash of all, for it may be cut in another way when it is sent again."""
    if parts[0].path == "$":
        return _id(parts[0])
    if not any(isinstance(part.value, dict) for part in parts):
        parts[0].object()
    ids = [words(under(part, "messageId")) or _digest(part) for part in parts]
    return f"batch:{hashlib.sha256(chr(10).join(ids).encode()).hexdigest()}"


def _id(part: Part) -> str:
    """The message's own id; where it has none, as requests to delete a user, what it says and when that was."""
    given = part["messageId"]
    return given.identifier(LONGEST_ID) if given.exists and given.value != "" else _digest(part)


def _digest(part: Part) -> str:
    """Of a message, but for the times of its transport, which are others when it is sent again."""
    said = part.value
    if isinstance(said, dict):
        when = next((name for name in _TIMES if part[name].exists), "")
        said = {name: value for name, value in said.items() if name == when or name not in _TIMES}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]


def _lane(part: Part) -> str:
    try:
        found = distinct(visitor(under(part, "anonymousId")), person(under(part, "userId")))
    except BadPayload:
        return ""
    return f"{found[0].kind}:{found[0].value}" if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecReader:
    """Reads messages by a connection's settings: `email_events`, `email_marks` and `cocoar_marks`."""

    email_events: Sequence[str]
    email_marks: Sequence[str]
    cocoar_marks: Sequence[str]

    def read(self, delivery: Delivery) -> list[Event | BadPayload]:
        """The events of a body; in a batch the mistake in the place of a message that cannot be read.

        Raises `UnknownEvent` for a single message of an unknown type, `BadPayload`: nothing can be read.
        """
        parts = messages(delivery)
        has_nul = b"\\u0000" in delivery.body
        found: list[Event | BadPayload] = []
        for part in parts:
            try:
                if has_nul:
                    refuse_unstorable(part)
                found += self._events(part)
            except BadPayload as error:
                found.append(error)
            except UnknownEvent as error:
                if len(parts) == 1:
                    raise
                found.append(BadPayload(str(error), f"{part.path}.type"))
        return found

    def _events(self, part: Part) -> list[Event]:
        kind = part["type"].text(100)
        if kind not in TYPES:
            message = f"the type {kind!r} is none of {', '.join(sorted(TYPES))}"
            raise UnknownEvent(message)
        if kind == "group":
            return []
        word = part["event"].text(200).strip() if kind == "track" else kind
        identities = self._identities(part, word)
        event = Event(
            key=_id(part),
            at=_at(part),
            kind=Kind.ACTION,
            identities=identities,
            is_lead=_is_known(part, identities),
            name=self._word(part, kind, word),
            page=_page(part, kind),
            session=_session(part),
            data=_data(part),
        )
        return [*_ties(event, kind), *_profile(event, part, kind), *([] if kind == "alias" else [event])]

    def _identities(self, part: Part, word: str) -> tuple[Identity, ...]:
        is_own = word.casefold() in {name.strip().casefold() for name in self.email_events}
        found = distinct(
            visitor(part["anonymousId"]),
            person(_user(part)),
            address(under(part, "traits", "email")),
            address(under(part, "context", "traits", "email")),
            address(under(part, "properties", "email")) if is_own else None,
            *_former(part),
        )
        return found or part["anonymousId"].refuse("a visitor's id, where userId and traits.email name nobody either")

    def _word(self, part: Part, kind: str, word: str) -> str:
        if kind != "page":
            return word
        campaign = under(part, "context", "campaign").value
        named = campaign if isinstance(campaign, dict) else {}
        return reached(word, _page(part, kind), named, self.email_marks, self.cocoar_marks)


def _former(part: Part) -> tuple[Identity | None, ...]:
    """Whom an alias names besides: the visitor's id before, or an older id of the user."""
    if part["type"].value != "alias":
        return ()
    former = part["previousId"] if part["previousId"].exists else part["Previous ID"]
    return () if former.value == part["anonymousId"].value else (visitor(former), person(former))


def _user(part: Part) -> Part:
    """The user's id, by both of the names that the samples of `alias` have for it."""
    return part["userId"] if part["userId"].exists else part["User ID"]


def _is_known(part: Part, identities: Sequence[Identity]) -> bool:
    return person(_user(part)) is not None or any(identity.kind is IdentityKind.EMAIL for identity in identities)


def _ties(event: Event, kind: str) -> list[Event]:
    """That an unknown visitor is known now; an action alone makes nobody known who was met before."""
    is_needed = kind in {"identify", "alias"} or len(event.identities) > 1
    return [_beside(event, Kind.IDENTIFY)] if event.is_lead and is_needed else []


def _profile(event: Event, part: Part, kind: str) -> list[Event]:
    traits = {**_object(under(part, "context", "traits")), **_object(part["traits"])}
    return [_beside(event, Kind.PROFILE, traits)] if kind == "identify" and traits else []


def _beside(event: Event, kind: Kind, data: Mapping[str, Any] | None = None) -> Event:
    return Event(
        key=f"{event.key}#{kind}",
        at=event.at,
        kind=kind,
        identities=event.identities,
        is_lead=event.is_lead,
        data=data or {},
    )


def _at(part: Part) -> datetime:
    given = next((part[name] for name in _TIMES if part[name].exists), part[_TIMES[0]])
    return given.instant()


def _page(part: Part, kind: str) -> str | None:
    """The address of the page, or where a link leads that was clicked in a mail; an application's screen by name."""
    if kind == "screen":
        return words(part["name"])
    places = (("properties", "url"), ("context", "page", "url"), ("properties", "link_url"))
    return next(filter(None, (words(under(part, *names)) for names in places)), None)


def _session(part: Part) -> str | None:
    """With the visitor: RudderStack's number is the time of the session's start, which others have too."""
    number, visitor_id = under(part, "context", "sessionId").value, part["anonymousId"].value or part["userId"].value
    is_given = isinstance(number, str | int) and not isinstance(number, bool) and bool(number)
    return f"{visitor_id}:{number}"[:300] if is_given else None


def _data(part: Part) -> dict[str, Any]:
    """What a mapping's expressions read, by the names of the message; what is about the device is left out."""
    context = _object(part["context"])
    kept = {name: context[name] for name in ("page", "campaign") if name in context}
    return {
        **{name: part[name].value for name in ("event", "name", "category", "properties") if part[name].exists},
        **({"context": kept} if kept else {}),
    }


def _object(part: Part) -> dict[str, Any]:
    return part.value if isinstance(part.value, dict) else {}
