"""The contract between the connector and an adapter: the values that cross it, the `Api`, and the methods in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

from connector.adapter_kit.payload import read_answer
from connector.core.errors import BadPayload, CrmUnavailable
from connector.core.event import Event, Identity, RecordRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One raw webhook request. `query`: pairs in order; `headers`: names in lower case; `received_at`: aware UTC.

    `path` and `query_string` are the address as it was sent, percent-encoded, for signatures that cover it. They are
    empty in a delivery that is read from the store.
    """

    method: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    path: str = ""
    query_string: str = ""

    def parameter(self, name: str) -> str | None:
        """The first query parameter of that name."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a webhook request."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What intake needs to know of a delivery.

    `key`: its identity for de-duplication, of 1 to 255 characters: the sender's id where there is one, else what tells
    two real changes apart. `lane`: what it is about, as cheap as can be said (a record, a visitor), or `""`.
    `reply`: the acknowledgement that the sender expects.
    """

    key: str
    lane: str
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the external system answered to a call: any status below 500 but 429 (those raise `CrmUnavailable`)."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON (`read_answer`); raises `CrmUnavailable` when it is none (a login page, a proxy's error)."""
        try:
            return read_answer(self.body)
        except BadPayload as error:
            message = f"the answer with status {self.status} is not JSON"
            raise CrmUnavailable(message) from error


class Api(Protocol):
    """The only way to the network. Time-outs, Retry-After, rate limit and circuit breaker are the connector's business.

    `call` raises `CrmUnavailable` when trying later may help: time-out, connection error, 429, 5xx, open circuit.
    Redirects are not followed: a 3xx is returned as any other answer.
    `memo` is a cache of the connection, which lives for some minutes in this process, for directories (owners, tokens).
    `set_secret` and `get_secret` are its lasting memory, encrypted and the same in every process: secrets that the
    system itself hands out (access and rotated refresh tokens), until somebody changes the connection's settings or
    secrets. A secret whose name begins with `rotated:` stays until the connection is removed: a refresh token that
    replaced the one that was entered is the only one that is still good; its name says by a digest which it replaced.
    """

    @property
    def memo(self) -> dict[str, Any]:
        """The connection's cache."""
        ...

    def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; the answer whatever its status below 500, but for 429."""
        ...

    def set_secret(self, name: str, value: str) -> None:
        """Store a secret under a name of at most 63 characters, in place of the one before."""
        ...

    def get_secret(self, name: str) -> str | None:
        """The secret of that name, as any process stored it last; None: there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The state that one record should show. `fields`: their field → value.

    `owner`: the e-mail of the person in charge, to be written into `owner_field` (None: leave the owner alone).
    `key`: the same for the same state, for systems that take an idempotency key. `since` is aware UTC.
    `attempted_at`: the time of this attempt, aware UTC, for systems that want requests signed with it.
    """

    key: str
    record: RecordRef
    status: str
    label: str
    since: datetime
    fields: Mapping[str, Any]
    owner: str | None = None
    owner_field: str | None = None
    identities: tuple[Identity, ...] = ()
    attempted_at: datetime | None = None


class PushOutcome(StrEnum):
    """What became of an update. `NO_ACCESS`: all of the connection is refused; `FORBIDDEN`: that, or this record."""

    DONE = "done"
    LATER = "later"
    REFUSED = "refused"
    GONE = "gone"
    NO_ACCESS = "no_access"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """The result for one update, in their order. `reason`: for people; `retry_after`: in seconds.

    `unwritten`: the fields that it certainly has not changed: nothing comes back of them. It is not compared.
    """

    key: str
    outcome: PushOutcome
    reason: str | None = None
    retry_after: float | None = None
    unwritten: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An owner in the external system."""

    id: str
    email: str | None
    name: str
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What the system has now.

    `stages`: object → pipeline (`""`: none) → stage → label; `fields`: object → field → label.
    """

    stages: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    owners: tuple[Person, ...] = ()
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionResult:
    """What a look at the connection showed, for people: `text` says what is there, or what is wrong and what to do.

    `topic` is one word: credentials, scopes, webhooks, limits, fields.
    """

    topic: str
    is_good: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How one field of an adapter is asked for. Secrets are encrypted and never shown again."""

    description: str
    is_secret: bool = False
    is_dictated: bool = False  # the external system hands it out, and nobody can choose a longer one
    is_required: bool = False
    default: Any = None


EMPTIED_STAGE: Final = "emptied stage"
"""A word of `ECHOES`: a stage's field that a push may empty before it sets it, so that two changes come back."""


def has_ordered_changes(adapter: Adapter) -> bool:
    """Whether `changes` gives the oldest event first, as an adapter may say by a class variable `CHANGES_IN_ORDER`.

    A backfill that was broken off then goes on where it was, and need not read everything again.
    """
    return bool(getattr(adapter, "CHANGES_IN_ORDER", False))


def columns_of(adapter: Adapter) -> Mapping[str, str]:
    """Where the system's own exports have what an import asks for, as an adapter may say by a class variable `COLUMNS`.

    What (id, at, made, stage, pipeline, email or phone) → the name of the column.
    """
    found: Mapping[str, str] = getattr(adapter, "COLUMNS", {})
    return found


def persons_of(adapter: Adapter) -> frozenset[str]:
    """The objects whose records are people, as an adapter may say by a class variable `PERSONS`.

    Two such records of one connection are two people until the system merges them. Records of all other objects are
    occasions (a lead, a deal, an order), of which one person may have several.
    """
    found: frozenset[str] = getattr(adapter, "PERSONS", frozenset())
    return found


RATE_SETTING: Final = Setting(description="Calls a second at most; 0: what the system allows by default", default=0)
"""Every adapter asks for it as `rate`."""


@runtime_checkable
class Adapter(Protocol):
    """One external system: a frozen dataclass of the connection's settings and secrets (tuples, newest first).

    `SETTINGS` describes each field. `CONTENT_TYPES`: what its webhooks are sent as. `SECRET_KEYS`: the body keys and
    query names whose values are masked before a delivery is stored (leaf names of JSON, whole keys of forms). `RATE`:
    calls in seconds that the system allows, as a default.
    `ECHOES`: how an update's fields show up in later events: their field → `stage`, `owner` or `EMPTIED_STAGE`.
    `EVENTS`: the sender's words for what happened, ignored ones too; the name of a captured request has each of them.
    """

    NAME: ClassVar[str]
    SETTINGS: ClassVar[Mapping[str, Setting]]
    CONTENT_TYPES: ClassVar[frozenset[str]]
    SECRET_KEYS: ClassVar[frozenset[str]]
    RATE: ClassVar[tuple[int, int]]
    ECHOES: ClassVar[Mapping[str, str]]
    EVENTS: ClassVar[frozenset[str]]

    @property
    def rate(self) -> int:
        """Calls a second at most; 0: as `RATE` says."""
        ...

    @property
    def takes_updates(self) -> bool:
        """Whether updates can be sent at all, as the connection is set up; without it none are asked for."""
        ...

    def greet(self, delivery: Delivery) -> Reply | None:
        """The answer to a registration challenge or probe; None: it is none."""
        ...

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Raises `BadSignature` on any doubt, and nothing else; constant time; closed when unconfigured."""
        ...

    def receive(self, delivery: Delivery) -> Received:
        """The delivery's key, lane and acknowledgement, out of one reading of the body.

        Raises `BadPayload` when nothing in it can be read. A delivery without a readable subject has the lane `""`.
        """
        ...

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """What parsing needs from the system, in batch calls; records by name (`lead:1907`); `{}`: bodies say it."""
        ...

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The delivery's events; `[]` = ignored on purpose; a `BadPayload` in the place of a part that cannot be read.

        Raises `UnknownEvent` (held) and `BadPayload` (nothing can be read).
        """
        ...

    def changes(self, since: datetime, api: Api) -> Iterator[Event | BadPayload]:
        """What changed since: for backfill, polling and reconciliation; the same keys as `parse` gives.

        A `BadPayload` stands in the place of what cannot be read.
        """
        ...

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """Sends a batch by the system's own batch call, reads back, and says per update what became of it."""
        ...

    def catalog(self, api: Api) -> Catalog:
        """The system's stages, owners and fields as they are now."""
        ...

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """What works and what does not: credentials, scopes, the webhooks registered for `url`, limits left.

        `url` is the address that the connection's webhooks are to be sent to. Raises `CrmError` when nothing answers.
        """
        ...

    def subscribe(self, url: str, now: datetime, api: Api) -> datetime | None:
        """Registers or renews the webhooks for `url` by the system's own call; when to do so again (aware UTC).

        None: nothing is to be renewed, as webhooks last for ever or are set up by hand.
        """
        ...


@runtime_checkable
class BrowserCollector(Protocol):
    """What an adapter has besides the contract when browsers post to it: `/collect/<connection>`, never `/webhooks/`.

    Anybody may post there, as the pages are public: the deliveries are bounded in number and screened.
    """

    @property
    def per_minute(self) -> int:
        """Deliveries a minute at most, of all visitors together, in each process of the web server."""
        ...

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of that origin (`https://www.example.com`) may post and read the answer; raises nothing."""
        ...

    def wants(self, delivery: Delivery) -> bool:
        """False for what is not to be stored at all: bots, visitors who ask not to be tracked; raises nothing."""
        ...


def is_browser_collector(adapter: type[Adapter]) -> bool:
    """Whether the class of an adapter is a `BrowserCollector`."""
    return hasattr(adapter, "allows_origin")
