"""What one event of a body says, as events of the contract: identities, stage, owner, profile, action, or its end."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.generic.paths import Item
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.payload import Part
from connector.adapter_kit.signatures import check_hmac, check_hmac_base64, check_token, verify_webhook
from connector.core.errors import BadPayload, BadSignature, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

ALGORITHMS: Final = ("sha256", "sha1")
ENCODINGS: Final = ("hex", "base64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The settings of the proof; `secrets` newest first, `header` in any case, `query` a parameter's name."""

    way: str
    secrets: Sequence[str]
    header: str
    query: str
    algorithm: str
    encoding: str
    prefix: str

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Raises `BadSignature`; also when the settings cannot be used."""
        if mistakes := self.mistakes():
            raise BadSignature("; ".join(mistakes))
        WAYS[self.way](self, delivery, now)

    def mistakes(self) -> list[str]:
        """What is wrong with the settings, a sentence each."""
        allowed = {"proof": (self.way, WAYS), "algorithm": (self.algorithm, ALGORITHMS)}
        allowed |= {"encoding": (self.encoding, ENCODINGS)}
        return [
            f"the connection's setting `{name}` is {value!r}; it must be one of {', '.join(words)}"
            for name, (value, words) in allowed.items()
            if value not in words
        ]

    def given(self, delivery: Delivery) -> str | None:
        """What stands in the header, or else in the query."""
        found = delivery.headers.get(self.header.casefold()) if self.header else None
        return found or (delivery.parameter(self.query) if self.query else None)


def _standard(proof: Proof, delivery: Delivery, now: datetime) -> None:
    verify_webhook(delivery.headers, delivery.body, proof.secrets, now)


def _hmac(proof: Proof, delivery: Delivery, _now: datetime) -> None:
    check = check_hmac_base64 if proof.encoding == "base64" else check_hmac
    check(proof.given(delivery), delivery.body, proof.secrets, prefix=proof.prefix, digest=proof.algorithm)


def _basic(proof: Proof, delivery: Delivery, _now: datetime) -> None:
    """The secret is `user:password`."""
    scheme, _, text = delivery.headers.get("authorization", "").partition(" ")
    try:
        given = b64decode(text.strip(), validate=True).decode() if scheme.casefold() == "basic" else ""
    except (binascii.Error, ValueError) as error:
        message = "the header authorization is not Basic with base64 of `user:password`"
        raise BadSignature(message) from error
    check_token(given, [secret for secret in proof.secrets if ":" in secret])


def _token(proof: Proof, delivery: Delivery, _now: datetime) -> None:
    check_token((proof.given(delivery) or "").removeprefix(proof.prefix), proof.secrets)


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
_PEOPLE: Final = {IdentityKind.EMAIL: Part.email, IdentityKind.PHONE: Part.phone, IdentityKind.VISITOR: Part.identifier}


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The connection's words: `owners`: their id → e-mail; `types` that are read (none: all), and those ignored."""

    default_object: str
    owners: Mapping[str, str]
    types: frozenset[str]
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """Whom and what an event is about."""

    record: RecordRef | None
    identities: tuple[Identity, ...]

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
    common: dict[str, Any] = {"identities": about.identities, "record": about.record, "data": item.part.value}
    common["is_lead"] = about.is_lead
    if item.says("deleted"):
        return [Event(key=_key(about, "deleted"), at=at, kind=Kind.DELETED, **common)] if about.record else []
    known = "|".join(sorted(f"{identity.kind}:{identity.value}" for identity in about.identities))
    events = []
    if about.is_lead:
        digest = hashlib.sha256(known.encode()).hexdigest()[:16]
        events.append(Event(key=_key(about, "is", digest), at=at, kind=Kind.IDENTIFY, **common))
    events += _stage(item, about, id_, common)
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
    record_object = item.word("object") or naming.default_object
    if ":" in record_object:
        item.find("object").refuse("a word without a colon")
    record_id = item.word("record")
    record = RecordRef(object=record_object, id=record_id) if record_id else None
    identities = [Identity(kind=IdentityKind.RECORD, value=f"{record_object}:{record_id}")] if record_id else []
    for kind, read in _PEOPLE.items():
        if (value := item.find(kind).maybe(read)) is not None:
            identities.append(Identity(kind=kind, value=value))
    if not identities:
        message = "names nobody: the connection's settings record, email, phone and visitor find nothing in it"
        raise BadPayload(message, item.part.path)
    return _About(record=record, identities=tuple(identities))


def first_name(items: Sequence[Item], naming: Naming) -> str:
    """The record or the person that the first event names, or nothing; raises nothing."""
    try:
        return about_of(items[0], naming).name
    except BadPayload:
        return ""


def _stage(item: Item, about: _About, id_: str, common: Mapping[str, Any]) -> list[Event]:
    """Dated by `stage_at`; where the system does not say when a stage was entered, it was only seen then."""
    stage = item.word("stage")
    if stage is None or about.record is None:
        return []
    pipeline, entered = item.word("pipeline"), item.instant("stage_at")
    known = (f"{pipeline or ''}/{stage}@{entered.isoformat()}",) if entered else (id_, "stage")
    at, is_seen = entered or item.at(), entered is None
    return [
        Event(
            key=_key(about, *known), at=at, kind=Kind.STAGE, stage=stage, pipeline=pipeline, is_seen=is_seen, **common
        )
    ]


def _owner(item: Item, naming: Naming) -> dict[str, Any] | None:
    """None: nothing is said. An empty text is nobody; an id becomes an e-mail by the setting `owner_ids`."""
    found = item.paths.search("owner", item.part)
    if not found.exists:
        return None
    if found.value == "":
        return {"owner": None, "owner_email": None}
    owner = found.identifier().strip()
    return {"owner": owner, "owner_email": naming.owners.get(owner, normalize_email(owner))}
