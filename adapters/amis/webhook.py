"""What a webhook of AMIS is about: the word for what happened, whose record, and what can be read out of it alone.

Its form is not published; every key here is a setting. https://www.misa.vn/155017/tai-lieu-open-api-tich-hop-misa-crm
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from adapters.amis.records import CODES, CONTACTS, CUSTOMERS, MARKETING, ORDERS, Shape
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import digest
from connector.core.errors import BadPayload, UnknownEvent
from connector.core.event import Event, Kind, RecordRef

RESOURCES: Final[Mapping[str, str]] = {
    "customer": CUSTOMERS,
    "account": CUSTOMERS,
    "contact": CONTACTS,
    "lead": CONTACTS,
    "order": ORDERS,
    "saleorder": ORDERS,
    "sale_order": ORDERS,
}
"""The first part of an event's word → what it is about. A lead of aiMarketing is a contact's interest."""
RECORD_VERBS: Final = frozenset(
    {"created", "updated", "deleted", "changed", "stage_changed", "create", "update", "delete"}
)
"""The second part, where the record says the rest; any other is an action of that name."""
IGNORED: Final = frozenset({"ping"})
_SPLIT: Final = re.compile(r"(sale_order|[^._:\-]+)[._:\-]+(.+)")
_PLURALS: Final = {f"{word}s": resource for word, resource in RESOURCES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of a webhook, each in the order in which they are looked for; `{what}` stands for `contact` or such."""

    event: Sequence[str] = ("event_type", "event", "EventType")
    data: Sequence[str] = ("data", "Data")
    id: Sequence[str] = ("id", "{what}_id")
    stage: Sequence[str] = ("stage", "life_cycle_stage", "giai_doan")
    time: Sequence[str] = ("modified_date", "time", "timestamp", "created_date")


def is_pair(pair: str) -> bool:
    """Whether it is one of our words for a key, `=`, and the key."""
    word, _, name = pair.partition("=")
    return word.strip() in {key.name for key in fields(Keys)} and bool(name.strip())


def keys_of(pairs: Iterable[str]) -> Keys:
    """The keys, with those of the setting before them, such as `stage=ContactStage`; what is no pair is left out."""
    split = [pair.partition("=") for pair in pairs if is_pair(pair)]
    known = Keys()
    return Keys(
        **{
            key.name: (
                *(name.strip() for word, _, name in split if word.strip() == key.name),
                *getattr(known, key.name),
            )
            for key in fields(Keys)
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """One thing that a webhook tells: `word` in small letters, `resource`, the record's `id`, its values `data`."""

    word: str
    resource: str
    verb: str
    data: Mapping[str, Any]
    path: str
    id: str | None = None

    @property
    def name(self) -> str:
        """The record, `Contacts:17`, or nothing."""
        return f"{self.resource}:{self.id}" if self.id else ""


def read_messages(root: Part, keys: Keys) -> list[WebhookMessage]:
    """What a body tells; nothing: it is ignored. Raises `BadPayload`, and `UnknownEvent` for a word never seen."""
    entries = root.items() if isinstance(root.value, list) else [root]
    return [webhook for entry in entries for webhook in _entry(entry, keys)]


def first_name(root: Part, keys: Keys) -> str:
    """The first record, or nothing; raises nothing."""
    try:
        return next((webhook.name for webhook in read_messages(root, keys)), "")
    except (BadPayload, UnknownEvent):
        return ""


def key_of(root: Part, delivery: Delivery, keys: Keys) -> str:
    """The hash of the body; one without a time in it also has the time of receipt. Raises `BadPayload`."""
    if not isinstance(root.value, dict | list):
        root.refuse("an object or a list")
    digest = hashlib.sha256(delivery.body).hexdigest()
    inner = [_found(root, (name,)) for name in keys.data] if isinstance(root.value, dict) else []
    is_timed = any(_found(part, keys.time) for part in (root, *inner) if part and isinstance(part.value, dict))
    return digest if is_timed else f"{digest}:{delivery.received_at.isoformat()}"


def events_in(webhook: WebhookMessage, shape: Shape, keys: Keys, delivery: Delivery) -> list[Event]:
    """The events of a message that names no record: whom its values name, the stage in them, or the action.

    Raises `BadPayload` when they name nobody.
    """
    identities = tuple(shape.identities_in(webhook.data))
    if not identities:
        message = f"has neither an id nor any of {', '.join(shape.found_by)}: nobody is named"
        raise BadPayload(message, webhook.path)
    times = (shape.time_in(webhook.data, name) for name in keys.time)
    at = next((time for time in times if time is not None), delivery.received_at)
    about = f"{identities[0].kind}:{identities[0].value}"
    record = RecordRef(object=MARKETING, id=about)
    common: dict[str, Any] = {"at": at, "is_lead": True, "identities": identities, "data": dict(webhook.data)}
    mark = f"@{at.isoformat()}:{digest(webhook.data)}"
    stage = next((str(webhook.data[name]) for name in keys.stage if webhook.data.get(name)), None)
    name = f"{MARKETING}:{about}"
    found = []
    if webhook.verb not in RECORD_VERBS:
        found.append(Event(key=f"{name}:{webhook.word}{mark}", kind=Kind.ACTION, name=webhook.word, **common))
    if stage:
        key = f"{name}:stage:{stage}@{at.isoformat()}"
        is_seen = webhook.verb != "stage_changed"
        found.append(Event(key=key, kind=Kind.STAGE, record=record, stage=stage, is_seen=is_seen, **common))
    return [*found, Event(key=f"{name}:profile{mark}", kind=Kind.PROFILE, **common)]


def _entry(entry: Part, keys: Keys) -> list[WebhookMessage]:
    found = _found(entry, keys.event)
    word = found.text(80).strip().casefold() if found else ""
    if word in IGNORED:
        return []
    inner = _found(entry, keys.data) or entry
    rows = inner.items() if isinstance(inner.value, list) else [inner]
    return [_message(word, row, keys) for row in rows]


def _message(word: str, row: Part, keys: Keys) -> WebhookMessage:
    data = row.object()
    split = _SPLIT.fullmatch(word)
    what, verb = (split[1], split[2]) if split else ("", "updated")
    resource = RESOURCES.get(what) or _PLURALS.get(what) or ("" if word else _resource_of(data, keys))
    if not resource:
        found = f"the event {word!r} is not known" if word else f"no event is named by {', '.join(keys.event)}"
        message = f"{found}; known: {', '.join(RESOURCES)}, then a dot and what happened"
        raise UnknownEvent(message)
    if what == "lead":  # of aiMarketing, whose ids are not those of AMIS CRM
        return WebhookMessage(word=word, resource=resource, verb=verb, data=data, path=row.path)
    given = _found(row, [name.replace("{what}", what or "contact") for name in keys.id])
    number = given.identifier(60) if given and given.value != "" else None
    return WebhookMessage(word=word, resource=resource, verb=verb, data=data, path=row.path, id=number)


def _resource_of(data: Mapping[str, Any], keys: Keys) -> str:
    """What a body without an event's word is about, by the fields that only one resource has."""
    named = [resource for resource in (ORDERS, CONTACTS, CUSTOMERS) if data.get(CODES[resource])]
    return named[0] if named else CONTACTS if any(data.get(name) for name in keys.stage) else ""


def _found(part: Part, names: Sequence[str]) -> Part | None:
    """The first of the names that has a value."""
    given = part.object()
    return next((part[name] for name in names if given.get(name) is not None), None)
