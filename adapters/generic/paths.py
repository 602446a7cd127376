"""The JMESPaths of a connection: where in a body of any form its events stand, and where in each event what is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from adapters.generic.times import Clock
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_form, read_json
from connector.core.errors import BadPayload, UnknownEvent

MOST_ITEMS: Final = 500
BODIES: Final = ("json", "form")
_NAMES: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_PLACES: Final = frozenset({"field", "subexpression", "index_expression"})
_MAKERS: Final = frozenset({"function_expression", "multi_select_list"})
"""Parts of an expression that are made of other parts, each of which is looked up in the event itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """`paths`: the name of a setting → its JMESPath, empty ones left out."""

    paths: Mapping[str, str]
    body: str
    clock: Clock
    id_header: str

    def mistakes(self) -> list[str]:
        """What is wrong with the settings, a sentence each."""
        found = [] if self.body in BODIES else [f"the connection's setting `body` is {self.body!r}; json or form"]
        found += self.clock.mistakes()
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
            if missing := list(dict.fromkeys(_missing(jmespath.compile(path).parsed, part.value))):
                message = f"is missing; the connection's setting `{setting}` needs it"
                raise BadPayload(message, f"{part.path}.{missing[0]}") from error
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
        """A time as aware UTC, in any form that `Clock` reads; None: there is none."""
        return self.paths.clock.read(self.find(setting))

    def is_emptied(self, setting: str) -> bool:
        """Whether the event names the place of a setting and has nothing there; where it does not, it says nothing."""
        path, value = self.paths.paths.get(setting, ""), self.part.value
        if not _NAMES.fullmatch(path):
            return False
        *parents, last = path.split(".")
        for name in parents:
            value = value.get(name) if isinstance(value, dict) else None
        return isinstance(value, dict) and last in value and value[last] in (None, "")

    def at(self) -> datetime:
        """When it happened; without a time, the receipt."""
        return self.instant("at") or self.received_at

    def id(self) -> str:
        """The same however often it is sent: the event's own id, the delivery's, or else what is in it."""
        if given := self.word("id") or self.header_id:
            return given
        content = hashlib.sha256(json.dumps(self.part.value, sort_keys=True).encode()).hexdigest()[:40]
        return content if self.instant("at") else f"{content}@{self.received_at.isoformat()}"


def _missing(node: Any, value: Any) -> Iterator[str]:
    """The places in an expression, as `contact.changed`, at which a value has nothing."""
    if node["type"] in _MAKERS:
        for child in node["children"]:
            yield from _missing(child, value)
    elif node["type"] in _PLACES and (name := _name(node)) and TreeInterpreter().visit(node, value) is None:
        yield name


def _name(node: Any) -> str:
    """A place as it is written; empty where it is more than names and numbers of elements."""
    if node["type"] == "field":
        return str(node["value"])
    if node["type"] == "index":
        return f"[{node['value']}]"
    names = [_name(child) for child in node["children"]] if node["type"] in _PLACES else [""]
    return ".".join(names).replace(".[", "[") if all(names) else ""
