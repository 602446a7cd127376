"""What one event of a body says, as events of the contract: identities, stage, owner, profile, action, or its end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from adapters.generic.paths import Item
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.payload import Part
from connector.adapter_kit.placeholders import is_placeholder
from connector.adapter_kit.records import readable_identities
from connector.adapter_kit.signatures import (
    DIGESTS,
    ENCODINGS,
    PLACES,
    check_basic,
    check_hmac,
    check_time,
    check_token,
    entry_after,
    find_token,
    places_in,
    signed_content,
    verify_webhook,
)
from connector.adapter_kit.tracking import distinct, visitor
from connector.core.errors import BadPayload, BadSignature, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The settings of the proof; `secrets` newest first, the names of headers in any case.

    `header` or the parameter `query` has the HMAC or the token, after `prefix`. `signed` is what the HMAC covers. The
    time of the signature, after `timestamp_prefix`, may be `tolerance` seconds old or ahead.
    """

    way: str
    secrets: Sequence[str]
    header: str
    query: str
    algorithm: str
    encoding: str
    prefix: str
    signed: str
    id_header: str
    timestamp_header: str
    timestamp_prefix: str
    tolerance: int

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Raises `BadSignature`; also when the settings cannot be used."""
        if mistakes := self.mistakes():
            raise BadSignature("; ".join(mistakes))
        WAYS[self.way](self, delivery, now)

    def mistakes(self) -> list[str]:
        """What is wrong with the settings, a sentence each."""
        named = places_in(self.signed)
        checks = {
            f"`proof` is {self.way!r}; it must be one of {', '.join(WAYS)}": self.way in WAYS,
            f"`algorithm` is {self.algorithm!r}; it must be one of {', '.join(DIGESTS)}": self.algorithm in DIGESTS,
            f"`encoding` is {self.encoding!r}; it must be one of {', '.join(ENCODINGS)}": self.encoding in ENCODINGS,
            f"`signed` is {self.signed!r}; it may name {', '.join(PLACES)}, and must name body": named <= set(PLACES)
            and "body" in named,
            "`signed` names the timestamp; say in `timestamp_header` where it is": bool(self.timestamp_header)
            or "timestamp" not in named,
            "`signed` names the id; say in `id_header` where it is": bool(self.id_header) or "id" not in named,
            f"`tolerance` is {self.tolerance!r}; it must be 1 to {_DAY} seconds": self.tolerance in range(1, _DAY + 1),
        }
        return [f"the connection's setting {text}" for text, is_right in checks.items() if not is_right]

    def timestamp(self, delivery: Delivery, now: datetime) -> str:
        """The time of the signature as it was sent, once it is near enough; unix seconds, milliseconds or ISO 8601."""
        stamp = entry_after(self.timestamp_prefix, find_token(delivery, self.timestamp_header) or "")
        is_milliseconds = stamp.isdecimal() and len(stamp) > _MOST_SECONDS
        per_second = 1000 if is_milliseconds else 1
        check_time(self.timestamp_header, _unix(stamp), now, per_second=per_second, tolerance=self.tolerance)
        return stamp


def _standard(proof: Proof, delivery: Delivery, now: datetime) -> None:
    verify_webhook(delivery.headers, delivery.body, proof.secrets, now)


def _hmac(proof: Proof, delivery: Delivery, now: datetime) -> None:
    stamp = proof.timestamp(delivery, now) if proof.timestamp_header else ""
    texts = {
        "id": find_token(delivery, proof.id_header) or "",
        "timestamp": stamp,
        "method": delivery.method,
        "path": delivery.path,
        "query": delivery.query_string,
    }
    values = {"body": delivery.body, **{name: text.encode("utf-8", "surrogatepass") for name, text in texts.items()}}
    check_hmac(
        find_token(delivery, proof.header, proof.query),
        signed_content(proof.signed.replace("\\n", "\n"), values),
        proof.secrets,
        prefix=proof.prefix,
        digest=proof.algorithm,
        encoding=proof.encoding,
    )


def _unix(text: str) -> str:
    """An ISO 8601 time with an offset as whole unix seconds; digits, and what is no time, as they are."""
    try:
        return str(int(Part(text).instant().timestamp()))
    except BadPayload:
        return text


def _basic(proof: Proof, delivery: Delivery, _now: datetime) -> None:
    """The secret is `user:password`."""
    check_basic(delivery.headers.get("authorization"), proof.secrets)


def _token(proof: Proof, delivery: Delivery, _now: datetime) -> None:
    check_token((find_token(delivery, proof.header, proof.query) or "").removeprefix(proof.prefix), proof.secrets)


WAYS: Final[dict[str, Callable[[Proof, Delivery, datetime], None]]] = {
    "standard": _standard,
    "hmac": _hmac,
    "basic": _basic,
    "token": _token,
}
"""The setting `proof` → how a delivery is checked."""


WORDS: Final = ("identify", "stage", "owner", "profile", "action", "deleted")
"""What an event may say; one may say several of them."""
_LONGEST_KEY: Final = 300
_DAY: Final = 86_400
_MOST_SECONDS: Final = 11
"""Digits; a timestamp of more counts milliseconds: as seconds that would be the year 5138."""
_TYPED: Final = {IdentityKind.EMAIL: "an e-mail address", IdentityKind.PHONE: "a phone number"}
"""What people type into fields → what it must be to identify somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The connection's words: `owners`: their id → e-mail; `types` that are read (none: all), and those ignored."""

    default_object: str
    owners: Mapping[str, str]
    types: frozenset[str]
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """Whom and what an event is about. `left_out`: the values that identify nobody, and why."""

    record: RecordRef | None
    identities: tuple[Identity, ...]
    left_out: tuple[str, ...]

    @property
    def name(self) -> str:
        first = self.identities[0]
        return first.value if self.record else f"{first.kind}:{first.value}"

    @property
    def is_lead(self) -> bool:
        """Somebody whom the system knows, and not only a visitor."""
        return any(identity.kind is not IdentityKind.VISITOR for identity in self.identities)


def events_of(item: Item, naming: Naming) -> list[Event]:
    """All that it says; none: it is ignored on purpose. Raises `BadPayload` and `UnknownEvent`."""
    item.part.object()
    word = item.word("type") or ""
    if word in naming.ignored:
        return []
    if naming.types and word not in naming.types:
        message = f"the type {word!r} is neither among the connection's `types` nor its `ignored_types`"
        raise UnknownEvent(message)
    about, id_, at = about_of(item, naming), item.id(), item.at()
    data = item.part.value | ({"left_out": list(about.left_out)} if about.left_out else {})
    common: dict[str, Any] = {"identities": about.identities, "record": about.record, "data": data}
    common |= {"is_lead": about.is_lead, "sequence": item.find("sequence").maybe(Part.integer)}
    if item.says("deleted"):
        return [Event(key=_key(about, id_, "deleted"), at=at, kind=Kind.DELETED, **common)] if about.record else []
    known = "|".join(sorted(f"{identity.kind}:{identity.value}" for identity in about.identities))
    events = []
    if about.is_lead:
        digest = hashlib.sha256(known.encode("utf-8", "replace")).hexdigest()[:16]
        events.append(Event(key=_key(about, "is", digest), at=at, kind=Kind.IDENTIFY, **common))
    events += _stages(item, about, id_, common)
    if owner := _owner(item, naming):
        events.append(Event(key=_key(about, id_, "owner"), at=at, kind=Kind.OWNER, **owner, **common))
    if about.is_lead:
        events.append(Event(key=_key(about, id_, "profile"), at=at, kind=Kind.PROFILE, **common))
    if name := item.word("action"):
        page, session = item.find("page").maybe(Part.text), item.word("session")
        action: dict[str, Any] = {"name": name, "page": page, "session": session}
        events.append(Event(key=_key(about, id_, "action"), at=at, kind=Kind.ACTION, **action, **common))
    return events


def _key(about: _About, *parts: str) -> str:
    """The same for the same fact; a long one becomes a hash."""
    key = ":".join((about.name, *parts))
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def about_of(item: Item, naming: Naming) -> _About:
    """Whom an event is about. Raises `BadPayload` when it names nobody."""
    record = _record(item, naming)
    itself = [Identity(kind=IdentityKind.RECORD, value=record.name)] if record else []
    typed, left_out = [], []
    for kind, allowed in _TYPED.items():
        given = item.find(kind)
        found = list(readable_identities(kind, given.value if isinstance(given.value, list) else [given.value]))
        typed += found
        left_out += [] if found or not given.exists else [_mistake(given, allowed)]
    identities = distinct(*itself, *typed, visitor(item.find("visitor")))
    if not identities:
        nobody = "names nobody: the connection's settings record, email, phone and visitor find nothing in it"
        raise BadPayload("; ".join([nobody, *left_out]), item.part.path)
    return _About(record=record, identities=identities, left_out=tuple(left_out))


def _record(item: Item, naming: Naming) -> RecordRef | None:
    """None: the event names none, or names it `undefined`."""
    record_object = item.word("object") or naming.default_object
    if ":" in record_object:
        item.find("object").refuse("a word without a colon")
    record = RecordRef(object=record_object, id=item.word("record") or "")
    return None if is_placeholder(IdentityKind.RECORD, record.name) else record


def _mistake(part: Part, allowed: str) -> str:
    try:
        part.refuse(allowed)
    except BadPayload as error:
        return str(error)


def first_name(items: Sequence[Item], naming: Naming) -> str:
    """The record or the person that the first event names, or nothing; raises nothing."""
    try:
        return about_of(items[0], naming).name
    except BadPayload:
        return ""


def _stages(item: Item, about: _About, id_: str, common: Mapping[str, Any]) -> list[Event]:
    """Dated by `stage_at`; where the system does not say when a stage was entered, it was only seen then.

    It is both where the time is a whole second and the very one: within it the record may have come back to the stage.
    """
    stage = item.word("stage")
    if stage is None or about.record is None:
        return []
    pipeline, entered, at = item.word("pipeline"), item.instant("stage_at"), item.at()
    event = partial(Event, kind=Kind.STAGE, stage=stage, pipeline=pipeline, **common)
    seen = event(key=_key(about, id_, "stage"), at=at, is_seen=True)
    if entered is None:
        return [seen]
    dated = event(key=_key(about, f"{pipeline or ''}/{stage}@{entered.isoformat()}"), at=entered)
    return [dated, replace(seen, read_at=at)] if entered == at.replace(microsecond=0) else [dated]


def _owner(item: Item, naming: Naming) -> dict[str, Any] | None:
    """None: nothing is said. Null and an empty text are nobody; an id becomes an e-mail by the setting `owner_ids`."""
    found = item.paths.search("owner", item.part)
    if found.value == "" or item.is_emptied("owner"):
        return {"owner": None, "owner_email": None}
    if not found.exists:
        return None
    owner = found.identifier().strip()
    return {"owner": owner, "owner_email": naming.owners.get(owner, normalize_email(owner))}
