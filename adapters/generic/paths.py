"""The JMESPaths of a connection: where in a body of any form its events stand, and where in each event what is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import jmespath
from jmespath.exceptions import JMESPathError

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_form, read_json
from connector.core.errors import BadPayload, UnknownEvent

MOST_ITEMS: Final = 500
BODIES: Final = ("json", "form")
_MILLISECONDS: Final = 10**11
"""A number of seconds beyond this is one of milliseconds: the year 5138."""
_OFFSET: Final = re.compile(r"[+-][0-9]{2}:?[0-9]{2}")
_LOCAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """`paths`: the name of a setting → its JMESPath, empty ones left out. `offset`: of times without one."""

    paths: Mapping[str, str]
    body: str
    offset: str
    id_header: str

    def mistakes(self) -> list[str]:
        """What is wrong with the settings, a sentence each."""
        found = [] if self.body in BODIES else [f"the connection's setting `body` is {self.body!r}; json or form"]
        if not _OFFSET.fullmatch(self.offset):
            found.append(f"the connection's setting `utc_offset` is {self.offset!r}; it must be such as +09:00")
        for name, path in self.paths.items():
            try:
                jmespath.compile(path)
            except JMESPathError as error:
                found.append(f"the connection's setting `{name}` ({path!r}) cannot be used: {error}")
        return found

    def items(self, delivery: Delivery) -> list[Item]:
        """The events of a body. Raises `BadPayload`, and `UnknownEvent` when the settings cannot be used."""
        if mistakes := self.mistakes():
            raise UnknownEvent("; ".join(mistakes))
        body = (read_form if self.body == "form" else read_json)(delivery.body)
        header_id = delivery.headers.get(self.id_header.casefold()) if self.id_header else None
        found = self.search("events", body) if "events" in self.paths else body
        parts = found.items() if isinstance(found.value, list) else [found]
        if not 1 <= len(parts) <= MOST_ITEMS:
            found.refuse(f"1 to {MOST_ITEMS} events")
        return [
            Item(
                paths=self,
                part=part,
                received_at=delivery.received_at,
                header_id=f"{header_id}:{place}" if header_id else None,
            )
            for place, part in enumerate(parts)
        ]

    def search(self, setting: str, part: Part) -> Part:
        """What a setting's path finds in a part. Raises `BadPayload` when it cannot be applied to it."""
        if (path := self.paths.get(setting)) is None:
            return Part(None, part.path)
        try:
            return Part(jmespath.search(path, part.value), f"{part.path}.{path}")
        except JMESPathError as error:
            message = f"the connection's setting `{setting}` cannot be applied: {error}"
            raise BadPayload(message, part.path) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One event of a body, read by the connection's paths; every reader raises `BadPayload` with the place."""

    paths: Paths
    part: Part
    received_at: datetime
    header_id: str | None = None

    def find(self, setting: str) -> Part:
        """What a setting's path finds; an empty text counts as nothing."""
        found = self.paths.search(setting, self.part)
        return Part(None, found.path) if found.value == "" else found

    def word(self, setting: str) -> str | None:
        """A text or whole number as text."""
        return self.find(setting).maybe(Part.identifier)

    def says(self, setting: str) -> bool:
        """Whether it is true; also as text, as forms send it."""
        return str(self.find(setting).value).casefold() in {"true", "1", "yes"}

    def instant(self, setting: str) -> datetime | None:
        """A time: ISO 8601, or unix seconds or milliseconds; aware UTC."""
        found = self.find(setting)
        value = found.value
        if isinstance(value, float) or type(value) is int or (isinstance(value, str) and value.isdecimal()):
            return _unix(found)
        if isinstance(value, str) and _DATE.fullmatch(value):
            value = f"{value}T00:00:00"
        if isinstance(value, str) and _LOCAL.fullmatch(value):
            value = f"{value}{self.paths.offset}"
        return Part(value, found.path).maybe(Part.instant)

    def at(self) -> datetime:
        """When it happened; without a time, the receipt."""
        return self.instant("at") or self.received_at

    def id(self) -> str:
        """The same however often it is sent: the event's own id, the delivery's, or else what is in it."""
        if given := self.word("id") or self.header_id:
            return given
        content = hashlib.sha256(json.dumps(self.part.value, sort_keys=True).encode()).hexdigest()[:40]
        return content if self.instant("at") else f"{content}@{self.received_at.isoformat()}"


def _unix(part: Part) -> datetime:
    number = float(part.value) if len(str(part.value)) <= 20 else -1.0  # noqa: PLR2004 - digits of any real time
    seconds = number / 1000 if number >= _MILLISECONDS else number
    if not 0 <= seconds < _MILLISECONDS:
        part.refuse("a time in unix seconds or milliseconds")
    instant = datetime.fromtimestamp(min(seconds, 7_000_000_000), UTC)
    return Part(instant.isoformat(), part.path).instant()
