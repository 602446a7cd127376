"""The lines of a standard body, `{"events": [line, …]}`, as events; every mistake of a line is named with its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_json, refuse_unstorable
from connector.adapter_kit.placeholders import is_placeholder
from connector.adapter_kit.records import stand_in
from connector.core.errors import BadPayload
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

T = TypeVar("T")
Reader: TypeAlias = Callable[[Part], Any]

MOST_LINES: Final = 500
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of our clock a line may be; what is further ahead counts from its receipt."""
LEAD: Final = "lead"
_NOBODY: Final = "names nobody: all that it has stands for nobody, as `undefined` and `0000000000` do"


def _word(key: str, read: Reader = Part.text) -> Reader:
    return lambda line: read(line[key])


def _optional(key: str, read: Reader = Part.text) -> Reader:
    return lambda line: line[key].maybe(read)


def _tag(line: Part) -> str:
    if line["add"].exists == line["remove"].exists:
        line["add"].refuse("the tag to add, or else `remove` the tag to remove: one of the two")
    return line["add" if line["add"].exists else "remove"].text(200)


def _owner(line: Part) -> str | None:
    if "owner" not in line.object():
        line["owner"].refuse("an e-mail address, or null for nobody")
    return line["owner"].maybe(Part.email)


_IDENTITIES: Final = {"id": Part.identifier, "email": Part.email, "phone": Part.phone, "visitor": Part.identifier}
_EVERY: Final[Mapping[str, Reader]] = {
    "key": _word("id", Part.identifier),
    "at": _word("at", Part.instant),
    "is_lead": lambda line: line["kind"].exists and line["kind"].choice((LEAD, "unknown")) == LEAD,
    "data": _optional("fields", Part.object),
    "sequence": _optional("sequence", Part.integer),
}
TYPES: Final[Mapping[str, tuple[Kind, Mapping[str, Reader]]]] = {
    "action": (
        Kind.ACTION,
        {"name": _word("action"), "page": _optional("page"), "session": _optional("session", Part.identifier)},
    ),
    "stage": (
        Kind.STAGE,
        {"stage": _word("stage", Part.identifier), "pipeline": _optional("pipeline", Part.identifier)},
    ),
    "trigger": (Kind.TRIGGER, {"name": _word("trigger")}),
    "identify": (Kind.IDENTIFY, {}),
    "tag": (Kind.TAG, {"tag": _tag, "is_removed": lambda line: line["remove"].exists}),
    "owner": (Kind.OWNER, {"owner": _owner, "owner_email": _owner}),
    "profile": (Kind.PROFILE, {"data": _word("fields", Part.object)}),
}
"""The type of a line → its kind of event, and the event's values that are of this type alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: its event, or its mistakes; `place` counts from 0."""

    place: int
    part: Part
    event: Event | None
    mistakes: tuple[BadPayload, ...]

    def report(self) -> dict[str, Any]:
        """What the sender is told about a refused line; `line` counts from 0."""
        line_id = _attempt(self.part, _EVERY["key"], [])
        errors = [str(mistake) for mistake in self.mistakes]
        return {"line": self.place, "path": self.part.path, "id": line_id, "errors": errors}

    def refusal(self) -> BadPayload:
        """The mistakes as one error with the path of the first."""
        path = self.mistakes[0].path
        return BadPayload("; ".join(map(str, self.mistakes)).removeprefix(f"{path}: "), path)


def read_lines(delivery: Delivery) -> list[Line]:
    """The lines of a body. Raises `BadPayload` when it is none of 1 to 500 lines."""
    lines = read_json(delivery.body, keeps_nul=True)["events"]
    parts = lines.items()
    if not 1 <= len(parts) <= MOST_LINES:
        message = f"has {len(parts)} lines; it must have 1 to {MOST_LINES}"
        raise BadPayload(message, lines.path)
    body = _Body(received_at=delivery.received_at, has_nul=b"\\u0000" in delivery.body)
    return [_read(place, part, body) for place, part in enumerate(parts)]


def first_identity(lines: Sequence[Line]) -> Identity | None:
    """The first identity of the first line, which may have mistakes, or None; raises nothing."""
    first = lines[0]
    if first.event is not None:
        return first.event.identities[0]
    if not isinstance(first.part.value, dict):
        return None
    return next(iter(_identities(first.part, _attempt(first.part, _object, []) or LEAD, [])), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """What the lines of a body share. `paths`: each id so far and the path of the first line that has it."""

    received_at: datetime
    has_nul: bool
    paths: dict[str, str] = field(default_factory=dict)


def _read(place: int, line: Part, body: _Body) -> Line:
    mistakes: list[BadPayload] = []
    event = None
    if _attempt(line, Part.object, mistakes) is not None:
        event = _event(line, body, mistakes)
    distinct = {str(mistake): mistake for mistake in mistakes}
    return Line(place=place, part=line, event=event, mistakes=tuple(distinct.values()))


def _event(line: Part, body: _Body, mistakes: list[BadPayload]) -> Event | None:
    if body.has_nul:
        _attempt(line, refuse_unstorable, mistakes)
    kind, readers = _attempt(line, _type, mistakes) or (Kind.IDENTIFY, {})
    values: dict[str, Any] = {
        name: _attempt(line, read, mistakes) for name, read in (*_EVERY.items(), *readers.items())
    }
    key = values["key"]
    if key is not None and body.paths.setdefault(key, line.path) != line.path:
        message = f"{key!r} is the id of {body.paths[key]} too; each line must have its own"
        mistakes.append(BadPayload(message, f"{line.path}.id"))
    record_object = _attempt(line, _object, mistakes) or LEAD
    identities = _identities(line, record_object, mistakes)
    if mistakes:
        return None
    data = {**line.value, **(values.pop("data") or {})}
    if values["at"] > body.received_at + CLOCK_SKEW:
        values["at"] = body.received_at
        data["future_at"] = line["at"].value
    record = _record(line, kind, record_object, identities)
    return Event(**values, kind=kind, identities=identities, record=record, data=data)


def _attempt(part: Part, read: Callable[[Part], T], mistakes: list[BadPayload]) -> T | None:
    try:
        return read(part)
    except BadPayload as error:
        mistakes.append(error)
        return None


def _type(line: Part) -> tuple[Kind, Mapping[str, Reader]]:
    if line["type"].value == "jump":
        line["type"].refuse("`stage` with `object` and `stage`; the connection's mapping says which status that is")
    return TYPES[line["type"].choice(TYPES)]


def _object(line: Part) -> str:
    """The kind of record in the sender's words; a colon would make a record's identity ambiguous."""
    if not line["object"].exists and line["type"].value != "stage":
        return LEAD
    name = line["object"].text(64)
    return line["object"].refuse("a word without a colon") if ":" in name else name


def _identities(line: Part, record_object: str, mistakes: list[BadPayload]) -> tuple[Identity, ...]:
    """What a line names somebody by; what stands for nobody, such as `undefined`, is passed over."""
    has_more = line["type"].value == "identify" and line["identities"].exists
    found: dict[Identity, bool] = {}
    for part in (line["subject"], line["identities"]) if has_more else (line["subject"],):
        for name in _attempt(part, _given_identities, mistakes) or ():
            value = _attempt(part[name], _IDENTITIES[name], mistakes)
            if value is not None:
                kind = IdentityKind.RECORD if name == "id" else IdentityKind(name)
                text = f"{record_object}:{value}" if name == "id" else value
                found[Identity(kind=kind, value=text)] = is_placeholder(kind, text)
    if found and all(found.values()):
        mistakes.append(BadPayload(_NOBODY, line["subject"].path))
    return tuple(identity for identity, is_nobody in found.items() if not is_nobody)


def _given_identities(part: Part) -> list[str]:
    given = part.object()
    names = [name for name in _IDENTITIES if given.get(name) is not None]
    return names or part.refuse(f"an object with at least one of {', '.join(_IDENTITIES)}")


def _record(line: Part, kind: Kind, record_object: str, identities: tuple[Identity, ...]) -> RecordRef | None:
    """A stage without a record's id is about the record that its first identity names, as in `email:a@example.com`."""
    given = line["subject"]["id"].maybe(Part.identifier)
    if given is not None and not is_placeholder(IdentityKind.RECORD, f"{record_object}:{given}"):
        return RecordRef(object=record_object, id=given)
    return stand_in(record_object, identities[0]) if kind is Kind.STAGE else None
