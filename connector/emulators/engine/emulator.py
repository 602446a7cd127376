"""What every emulated system shares: it is served on loopback, its people act, its webhooks go out, faults included."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Final, Protocol, Self

from flask import Flask, Response, jsonify

from connector.emulators.engine.courier import Courier, Message
from connector.emulators.engine.faults import Faults, Tally
from connector.emulators.engine.gate import Gate
from connector.emulators.engine.loopback import Loopback
from connector.emulators.engine.shelf import Change, Record, Shelf


def clock() -> datetime:
    """The time, aware UTC."""
    return datetime.now(UTC)


class Emulator(ABC):
    """A system on loopback; a context manager. A subclass gives `routes`, and acts by `self.courier.send`.

    `faults` may be switched at any time; `tally` counts what was done; `handlers`: the addresses of the webhooks.
    """

    NAME: ClassVar[str]
    """The adapter's."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        self.now: Final = now
        self.faults, self.tally = faults or Faults(), Tally()
        self.handlers: list[str] = []
        self.gate = Gate(
            faults=self.faults,
            tally=self.tally,
            now=now,
            too_many=self.too_many,
            unauthorized=self.unauthorized,
        )
        self._threads, self._port = threads, port
        self._courier: Courier | None = None
        self._served: Loopback | None = None
        self._open = ExitStack()

    def routes(self, app: Flask) -> None:
        """Put the REST interface into the application; nothing where the system has none."""
        del app

    @abstractmethod
    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets that a connection to this system has, while it runs."""

    def too_many(self) -> Response:
        """The answer when a limit is passed."""
        return Response('{"message": "too many requests"}', 429, {"Retry-After": "1"}, content_type="application/json")

    def unauthorized(self) -> Response:
        """The answer to credentials that are not good."""
        response = jsonify({"message": "unauthorized"})
        response.status_code = 401
        return response

    def __enter__(self) -> Self:
        app = Flask(f"emulated-{self.NAME}", static_folder=None)
        self.gate.guard(app)
        self.routes(app)
        self._served = self._open.enter_context(Loopback(app, port=self._port))
        self._courier = Courier(faults=self.faults, tally=self.tally, threads=self._threads)
        self._open.callback(self._courier.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def url(self) -> str:
        """The base address."""
        if self._served is None:
            message = "the emulated system does not run; enter it by `with`"
            raise RuntimeError(message)
        return self._served.url

    @property
    def courier(self) -> Courier:
        """What sends the webhooks."""
        if self._courier is None:
            message = "the emulated system does not run; enter it by `with`"
            raise RuntimeError(message)
        return self._courier

    def subscribe(self, handler_url: str) -> None:
        """Webhooks go to that address from now on."""
        self.handlers.append(handler_url)

    def drain(self, timeout: float = 30.0) -> bool:
        """Waits until all webhooks have been sent; False when the time is up before."""
        return self.courier.drain(timeout)


class Crm(Protocol):
    """An emulated CRM as tests and the demonstration play it; `CrmEmulator` is one.

    Class variables: `OBJECT` is the object whose stage and owner the methods set; `STAGE` and `STATUS` are the fields
    that a mapping's `push` writes the stage and the status label into; `STAGES` are stages that the shipped mapping
    `mappings/<NAME>.yaml` knows, the first one that of new records; `OWNERS`: owner id → e-mail.
    """

    NAME: ClassVar[str]
    OBJECT: ClassVar[str]
    STAGE: ClassVar[str]
    STATUS: ClassVar[str]
    STAGES: ClassVar[Sequence[str]]
    OWNERS: ClassVar[Mapping[str, str]]
    faults: Faults
    tally: Tally

    def __init__(self, *, now: Callable[[], datetime], faults: Faults | None = None) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets that a connection to this system has, while it runs."""
        ...

    def subscribe(self, handler_url: str) -> None:
        """Webhooks go to that address from now on."""
        ...

    def drain(self, timeout: float = 30.0) -> bool:
        """Waits until all webhooks have been sent."""
        ...

    def add(self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None) -> str:
        """A person makes a record; its id."""
        ...

    def move(self, record_id: str, stage: str, *, at: datetime | None = None) -> None:
        """A person moves the record to another stage."""
        ...

    def assign(self, record_id: str, owner: str, *, at: datetime | None = None) -> None:
        """A person hands the record to a colleague, by the owner's id."""
        ...

    def delete(self, record_id: str) -> None:
        """A person deletes the record."""
        ...

    def stage_of(self, record_id: str) -> str:
        """The stage that the system shows."""
        ...

    def owner_of(self, record_id: str) -> str | None:
        """The id of the owner that the system shows."""
        ...

    def status_of(self, record_id: str) -> str | None:
        """The status label that the system shows."""
        ...


class CrmEmulator(Emulator):
    """An emulated CRM: `shelf` is its state, people act by the methods below, the connector by REST.

    A subclass says in class variables how the system names things (see `Crm`; `EMAIL` and `OWNER` are field names too)
    and gives `routes`, `messages` and `connection`.
    """

    OBJECT: ClassVar[str] = "lead"
    EMAIL: ClassVar[str] = "email"
    STAGE: ClassVar[str] = "stage"
    OWNER: ClassVar[str] = "owner"
    STATUS: ClassVar[str] = "abm_status"
    STAGES: ClassVar[Sequence[str]] = ()
    OWNERS: ClassVar[Mapping[str, str]] = {}
    FIRST_ID: ClassVar[int] = 1

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self.shelf = Shelf(now=now, on_change=self._changed, first_id=self.FIRST_ID)

    @abstractmethod
    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """The webhooks that a change causes at a handler's address."""

    def add(
        self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None, **more: Any
    ) -> str:
        """A person makes a record; its id. `owner` is an owner's id; `more` are other fields."""
        values = {self.EMAIL: email, self.STAGE: stage or self.STAGES[0], self.OWNER: owner, **more}
        return self.shelf.add(self.OBJECT, values, by=owner or "", at=at).id

    def move(self, record_id: str, stage: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person moves the record to another stage."""
        self.shelf.change(self.OBJECT, record_id, {self.STAGE: stage}, by=by, at=at)

    def assign(self, record_id: str, owner: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person hands the record to a colleague."""
        self.shelf.change(self.OBJECT, record_id, {self.OWNER: owner}, by=by, at=at)

    def delete(self, record_id: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person deletes the record."""
        self.shelf.delete(self.OBJECT, record_id, by=by, at=at)

    def record(self, record_id: str) -> Record:
        """The record as it is. Raises `KeyError` when there is none."""
        found = self.shelf.find(self.OBJECT, record_id)
        if found is None:
            raise KeyError(record_id)
        return found

    def stage_of(self, record_id: str) -> str:
        """The stage that the system shows."""
        return str(self.record(record_id).fields.get(self.STAGE))

    def owner_of(self, record_id: str) -> str | None:
        """The id of the owner that the system shows."""
        owner = self.record(record_id).fields.get(self.OWNER)
        return None if owner is None else str(owner)

    def status_of(self, record_id: str) -> str | None:
        """What the field that the mapping writes the status into shows."""
        status = self.record(record_id).fields.get(self.STATUS)
        return None if status is None else str(status)

    def _changed(self, change: Change) -> None:
        for url in self.handlers:
            for message in self.messages(change, url):
                self.courier.send(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorAction:
    """What a visitor does on a site. `kind` is an action of ours (`site_access`, `form_submission`, …) or `identify`.

    `email` where the site knows it: of a form, a sign-up, a log-in, an identify. `at` is aware UTC.
    """

    kind: str
    visitor: str
    at: datetime
    page: str = "https://www.example.com/"
    email: str | None = None


class SiteEmulator(Emulator):
    """An emulated tracker: `do` sends, or keeps for polling, what visitors do. A subclass gives `do` and `connection`.

    `KINDS`: the actions of ours that the system can tell, by the shipped mapping.
    """

    KINDS: ClassVar[Sequence[str]] = ("site_access", "form_submission")
    IS_POLLED: ClassVar[bool] = False

    @abstractmethod
    def do(self, action: VisitorAction) -> None:
        """A visitor does something."""
