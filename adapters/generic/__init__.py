"""Any other system: its proof, its JSON or form bodies and its way to be written to are described by settings.

https://jmespath.org/specification.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, cast

import orjson

from adapters.generic.connect import look
from adapters.generic.paths import Item, Paths
from adapters.generic.push import FIELDS, Target
from adapters.generic.read import Changes
from adapters.generic.settings import PATHS, SETTINGS
from adapters.generic.times import Clock
from adapters.generic.webhook import WORDS, Naming, Proof, events_of, first_name
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import Api, Delivery, InspectionResult, Pushed, Received, Reply, Setting, Update
from connector.adapter_kit.settings import pairs
from connector.core.errors import BadPayload, UnknownEvent
from connector.core.event import Event

_LONGEST_KEY: Final = 200


class _Echoes:
    """What comes back of an update is a matter of the connection's settings; the class has none."""

    def __get__(self, connection: Generic | None, _owner: type[Generic]) -> Mapping[str, str]:
        return {} if connection is None else {connection.stage_field: "stage", connection.owner_field: "owner"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Generic:
    """A connection to a system that its settings describe."""

    NAME: ClassVar[str] = "generic"
    SETTINGS: ClassVar[Mapping[str, Setting]] = SETTINGS
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json", "application/x-www-form-urlencoded"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"access_token", "api_key", "password", "secret", "token"})
    RATE: ClassVar[tuple[int, int]] = (10, 1)
    ECHOES: ClassVar[Mapping[str, str]] = cast("Mapping[str, str]", _Echoes())
    EVENTS: ClassVar[frozenset[str]] = frozenset(WORDS)

    proof: str = "standard"
    secret: tuple[str, ...] = field(default=(), repr=False)
    proof_header: str = "X-Signature"
    proof_query: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp_header: str = ""
    timestamp_prefix: str = ""
    tolerance: int = 300
    body: str = "json"
    events: str = ""
    id: str = "event_id"
    at: str = "at"
    sequence: str = ""
    type: str = "type"
    object: str = "object"
    record: str = "record"
    email: str = "email"
    phone: str = "phone"
    visitor: str = "visitor"
    stage: str = "stage"
    stage_at: str = "stage_at"
    pipeline: str = "pipeline"
    owner: str = "owner"
    action: str = "action"
    page: str = "page"
    session: str = "session"
    deleted: str = "deleted"
    changes_items: str = "@"
    changes_next: str = ""
    id_header: str = ""
    default_object: str = "lead"
    types: tuple[str, ...] = ()
    ignored_types: tuple[str, ...] = ()
    person_objects: tuple[str, ...] = ()
    time_format: str = ""
    zone: str = ""
    utc_offset: str = "+00:00"
    owner_ids: tuple[str, ...] = ()
    stage_field: str = "stage"
    owner_field: str = "owner"
    url: str = ""
    method: str = "PATCH"
    auth_header: str = "Authorization"
    auth_value: tuple[str, ...] = field(default=(), repr=False)
    headers: tuple[str, ...] = ()
    template: str = FIELDS
    read_url: str = ""
    read: str = "@"
    changes_url: str = ""
    rate: int = 0

    @property
    def PERSONS(self) -> frozenset[str]:  # noqa: N802 - as the contract calls it
        """The kinds of record that the connection says are people."""
        return frozenset(self.person_objects)

    @property
    def takes_updates(self) -> bool:
        """Only where an address is set."""
        return bool(self.url)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the proof that the settings describe."""
        self._proof().verify(delivery, now)

    def receive(self, delivery: Delivery) -> Received:
        """The key is made of the ids of the events.

        The lane is the record or the person that the first event names. The answer is 202 with the number of events,
        and with what is wrong with those that have no id. With settings that cannot be used the delivery is stored too,
        and held.
        """
        try:
            items = self._paths().items(delivery)
        except UnknownEvent:
            key = f"{hashlib.sha256(delivery.body).hexdigest()}@{delivery.received_at.isoformat()}"
            return Received(key=key, lane="", reply=_accepted(0))
        ids, refused = _ids(items)
        is_short = len(ids) == 1 and len(ids[0]) <= _LONGEST_KEY and ids[0].isprintable()
        key = ids[0] if is_short else hashlib.sha256("\n".join(ids).encode("utf-8", "replace")).hexdigest()
        return Received(key=key, lane=first_name(items, self._naming()), reply=_accepted(len(items), refused))

    fetch = defaults.fetch

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """What each event of the body says. With settings that cannot be used the delivery is held."""
        del fetched
        naming = self._naming()
        return [event for item in self._paths().items(delivery) for event in _read(item, naming)]

    def changes(self, since: datetime, api: Api) -> Iterator[Event | BadPayload]:
        """The records that `changes_url` lists, read as events; nothing where it is not set."""
        listing = Changes(
            url=self.changes_url,
            headers=self._headers(),
            paths=self._paths(),
            naming=self._naming(),
            secrets=self._secrets(),
        )
        return listing.since(since, api)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """One request per update; without `read_url` a 2xx counts as done, with the reason `not read back`."""
        return self._target(api).push(updates)

    catalog = defaults.catalog

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Whether the settings can be used, and whether the system answers `changes_url`."""
        del url
        return look(self.mistakes(), self.changes_url, self._headers(), self._secrets(), api)

    subscribe = defaults.subscribe

    def mistakes(self) -> list[str]:
        """What cannot be used."""
        api: Any = None  # no mistake is found by asking
        return [*self._proof().mistakes(), *self._paths().mistakes(), *self._target(api).mistakes()]

    def _proof(self) -> Proof:
        return Proof(
            way=self.proof,
            secrets=self.secret,
            header=self.proof_header,
            query=self.proof_query,
            algorithm=self.algorithm,
            encoding=self.encoding,
            prefix=self.prefix,
            signed=self.signed,
            id_header=self.id_header,
            timestamp_header=self.timestamp_header,
            timestamp_prefix=self.timestamp_prefix,
            tolerance=self.tolerance,
        )

    def _paths(self) -> Paths:
        given = {name: str(getattr(self, name)).strip() for name in PATHS}
        id_header = self.id_header or ("webhook-id" if self.proof == "standard" else "")
        return Paths(
            paths={name: path for name, path in given.items() if path},
            body=self.body,
            clock=Clock(zone=self.zone, offset=self.utc_offset, form=self.time_format),
            id_header=id_header,
        )

    def _naming(self) -> Naming:
        return Naming(
            default_object=self.default_object,
            owners={owner: email for email, owner in self._owners().items()},
            types=frozenset(self.types),
            ignored=frozenset(self.ignored_types),
        )

    def _target(self, api: Api) -> Target:
        return Target(
            api=api,
            url=self.url,
            method=self.method,
            headers=self._headers(),
            template=self.template,
            read_url=self.read_url,
            read=self.read,
            owners=self._owners() if self.owner_ids else None,
            secrets=self._secrets(),
        )

    def _owners(self) -> dict[str, str]:
        """E-mail → their id."""
        return {email.casefold(): owner for owner, email in pairs(self.owner_ids)}

    def _headers(self) -> dict[str, str]:
        more = dict(pairs(self.headers, ":"))
        return {**more, self.auth_header: self.auth_value[0]} if self.auth_value else more

    def _secrets(self) -> tuple[str, ...]:
        return (*self.auth_value, *self.secret)


def _ids(items: Sequence[Item]) -> tuple[list[str], list[str]]:
    """The ids of the events that have one, and what is wrong with the others."""
    ids, mistakes = [], []
    for item in items:
        try:
            ids.append(item.id())
        except BadPayload as error:
            mistakes.append(error)
    if not ids:
        raise mistakes[0]
    return ids, [str(mistake) for mistake in mistakes]


def _accepted(count: int, refused: Sequence[str] = ()) -> Reply:
    body = {"accepted": count - len(refused), **({"refused": refused} if refused else {})}
    return Reply(status=202, body=orjson.dumps(body))


def _read(item: Item, naming: Naming) -> Sequence[Event | BadPayload]:
    try:
        return events_of(item, naming)
    except BadPayload as error:
        return [error]
