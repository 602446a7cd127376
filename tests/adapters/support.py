"""What the tests of every adapter share: captured requests as `.http` files, events as JSON, how each system signs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from adapters import ADAPTERS
from connector.adapter_kit.contract import Adapter, Answer, Delivery
from connector.core.errors import BadPayload
from connector.core.event import Event

FOLDER: Final = Path(__file__).parent


def payloads_of(system: str) -> Path:
    """Where a system's captured requests are."""
    return FOLDER / system / "payloads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How a system proves that a delivery is its own; `tests/adapters/<system>/signing.py` has one as `SIGNING`.

    `build` makes the adapter with these secrets, newest first; none: unconfigured. `delivery` is valid but for its
    proof. `sign` adds the proof by a secret at a time, whatever the body is. `secrets` are two good ones, `unusable`
    those that open nothing. `is_timed`: the proof says when it was made. `covers_body`: it is made over the body.
    `is_deaf`: the system sends nothing, and every delivery is refused.
    """

    build: Callable[[tuple[str, ...]], Adapter]
    delivery: Delivery
    sign: Callable[[Delivery, str, datetime], Delivery]
    secrets: tuple[str, str]
    unusable: tuple[str, ...] = ("",)
    is_timed: bool = False
    covers_body: bool = False
    is_deaf: bool = False


def signing_of(system: str) -> Signing:
    """The system's `SIGNING`."""
    module = importlib.import_module(f"tests.adapters.{system}.signing")
    signing: Signing = module.SIGNING
    return signing


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A captured request, `payloads/<system>/<name>.http`, and what stands beside it."""

    system: str
    name: str

    @property
    def folder(self) -> Path:
        return payloads_of(self.system)

    def connection(self) -> dict[str, Any]:
        """`settings` and `secrets` by field, and `now`, near the time of the signatures.

        Of `<name>.connection.json` where the case has one of its own, else of `connection.json`.
        """
        own = self.folder / f"{self.name}.connection.json"
        connection: dict[str, Any] = json.loads((own if own.exists() else self.folder / "connection.json").read_text())
        return connection

    def adapter(self) -> Adapter:
        connection = self.connection()
        secrets = {name: tuple(values) for name, values in connection.get("secrets", {}).items()}
        build: Callable[..., Adapter] = ADAPTERS[self.system]
        return build(**connection.get("settings", {}), **secrets)

    def now(self) -> datetime:
        return datetime.fromisoformat(self.connection()["now"])

    def delivery(self) -> Delivery:
        return read_http((self.folder / f"{self.name}.http").read_bytes(), self.now())

    def fetched(self) -> Mapping[str, Any]:
        """`<name>.fetched.json`: what `fetch` gave, where parsing needs it."""
        path = self.folder / f"{self.name}.fetched.json"
        fetched: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return fetched

    def events(self) -> list[dict[str, Any]]:
        """`<name>.events.json`: the events, and in the place of a bad part `{"path": …, "mistake": …}`."""
        events: list[dict[str, Any]] = json.loads((self.folder / f"{self.name}.events.json").read_text())
        return events


def cases() -> list[Case]:
    return [Case(system=path.parents[1].name, name=path.stem) for path in sorted(FOLDER.glob("*/payloads/*.http"))]


def read_http(raw: bytes, received_at: datetime) -> Delivery:
    """A request line, headers, a blank line and the body's bytes to the last one; lines end with LF or CRLF."""
    head, blank, body = raw.partition(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")
    assert blank, "a blank line must stand before the body"
    request, *lines = head.decode("latin-1").splitlines()
    method, target, *_ = request.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    return Delivery(
        method=method,
        query=tuple(parse_qsl(urlsplit(target).query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
        received_at=received_at,
    )


def write_http(delivery: Delivery) -> bytes:
    """A delivery as a `.http` file; `read_http` is its inverse."""
    query = f"?{urlencode(delivery.query)}" if delivery.query else ""
    head = [f"{delivery.method} /webhooks/test{query} HTTP/1.1", *(f"{n}: {v}" for n, v in delivery.headers.items())]
    return "\n".join(head).encode("latin-1") + b"\n\n" + delivery.body


def shown(events: Sequence[Event | BadPayload]) -> list[dict[str, Any]]:
    """Events as JSON values: only what differs from an event's defaults."""
    return [_shown(event) for event in events]


def _shown(event: Event | BadPayload) -> dict[str, Any]:
    if isinstance(event, BadPayload):
        return {"path": event.path, "mistake": str(event)}
    values: dict[str, Any] = {
        one.name: value
        for one in fields(event)
        if (value := getattr(event, one.name)) not in (None, (), {}) and (value is not False or one.default is None)
    }
    values |= {name: value.isoformat() for name, value in values.items() if isinstance(value, datetime)}
    values["identities"] = [
        f"{identity.kind}:{identity.value}{' (local)' if identity.is_local else ''}" for identity in event.identities
    ]
    if event.record is not None:
        values["record"] = f"{event.record.object}:{event.record.id}"
    as_json: dict[str, Any] = json.loads(json.dumps(values))
    return as_json


@dataclass(slots=True, kw_only=True)
class Memory:
    """What an `Api` remembers for an adapter: in `memo` for its process, in `keeps` for good."""

    memo: dict[str, Any] = field(default_factory=dict)
    keeps: dict[str, str] = field(default_factory=dict)

    def set_secret(self, name: str, value: str) -> None:
        self.keeps[name] = value

    def get_secret(self, name: str) -> str | None:
        return self.keeps.get(name)


@dataclass(slots=True, kw_only=True)
class ShortMemory:
    """The memory of an `Api` whose adapter has nothing to remember for good."""

    memo: dict[str, Any] = field(default_factory=dict)

    def set_secret(self, name: str, value: str) -> None:
        raise AssertionError((name, value))

    def get_secret(self, name: str) -> str | None:
        raise AssertionError(name)


@dataclass(slots=True, kw_only=True)
class FakeApi(Memory):
    """An `Api` that answers in order from a list and remembers the calls; an error in the list is raised."""

    answers: list[Answer | Exception]
    calls: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, url: str, **request: Any) -> Answer:
        self.calls.append({"method": method, "url": url, **request})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, headers=headers or {}, body=body)
