"""Events and steps as JSON values for the store, without what is at its default; and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, cast

from connector.core.event import (
    TIE_ORDER,
    Conflict,
    Counting,
    Event,
    FieldValue,
    Identity,
    IdentityKind,
    Kind,
    RecordRef,
    Step,
)
from connector.core.order import Order, order_of


def _instant(value: datetime) -> str:
    return value.isoformat()


def _identities(value: tuple[Identity, ...]) -> list[list[str]]:
    return [[one.kind.value, one.value] for one in value]


def _record(value: RecordRef) -> list[str]:
    return [value.object, value.id]


def _fields(value: Mapping[str, FieldValue]) -> dict[str, list[Any]]:
    return {name: [one.value, one.conflict.value] for name, one in value.items()}


def _counting(value: Counting) -> list[Any]:
    return [value.counter, value.thing, list(value.statuses), value.counted]


def _same(value: Any) -> Any:
    return value


_CONVERT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "at": _instant,
    "read_at": _instant,
    "identities": _identities,
    "record": _record,
    "fields": _fields,
    "data": dict,
    "kind": str,
    "conflict": str,
    "counting": _counting,
}
"""The fields that are no JSON values by themselves; all others are."""


def _table(kind: type[Event | Step]) -> tuple[tuple[str, Any, Callable[[Any], Any]], ...]:
    return tuple(
        (
            field.name,
            field.default_factory() if field.default_factory is not MISSING else field.default,
            _CONVERT.get(field.name, _same),
        )
        for field in fields(kind)
    )


_EVENT: Final = _table(Event)
_STEP: Final = _table(Step)


def event_to_json(event: Event) -> dict[str, Any]:
    """An event as JSON values; its `data` is as the adapter made it."""
    return {name: convert(value) for name, default, convert in _EVENT if (value := getattr(event, name)) != default}


def step_to_json(step: Step) -> dict[str, Any]:
    """A step as JSON values; those of its fields are as the mapping made them."""
    return {name: convert(value) for name, default, convert in _STEP if (value := getattr(step, name)) != default}


def event_from_json(raw: Mapping[str, Any]) -> Event:
    """The event that `event_to_json` wrote."""
    values = dict(raw)
    for name in ("at", "read_at"):
        if name in values:
            values[name] = datetime.fromisoformat(values[name])
    values["kind"] = Kind(values["kind"])
    identities = values.get("identities", ())
    values["identities"] = tuple(Identity(kind=IdentityKind(kind), value=value) for kind, value in identities)
    if "record" in values:
        values["record"] = RecordRef(object=values["record"][0], id=values["record"][1])
    return Event(**values)


def step_from_json(raw: Mapping[str, Any]) -> Step:
    """The step that `step_to_json` wrote."""
    values = dict(raw)
    for name in ("at", "read_at"):
        if name in values:
            values[name] = datetime.fromisoformat(values[name])
    values["kind"] = Kind(values["kind"])
    if "conflict" in values:
        values["conflict"] = Conflict(values["conflict"])
    if "fields" in values:
        values["fields"] = {
            name: FieldValue(value=value, conflict=Conflict(conflict))
            for name, (value, conflict) in raw["fields"].items()
        }
    if "counting" in values:
        counter, thing, statuses, counted = values["counting"]
        values["counting"] = Counting(counter=counter, thing=thing, statuses=tuple(statuses), counted=counted)
    return Step(**values)


_KINDS: Final = {kind.value: kind for kind in Kind}
_RARE: Final = frozenset({"fields", "counting", "conflict"})
"""Fields of a step that are no JSON values by themselves."""
_PLAIN: Final = {
    one.name: None if one.default is MISSING else one.default
    for one in fields(Step)
    if one.name not in {"at", "read_at", "fields", "counting"}
}
_NAMES: Final = tuple(_PLAIN)
_DEFAULTS: Final = tuple(_PLAIN.values())
_values: Final = attrgetter(*_NAMES)


class _Read:
    """Has the fields of a dataclass: what its JSON holds as its own, the defaults from the class.

    To make an `Event` or a `Step` costs four times as much; most of that goes into the fields at their defaults.
    """

    def __init__(self, raw: dict[str, Any]) -> None:
        raw["at"] = datetime.fromisoformat(raw["at"])
        if "read_at" in raw:
            raw["read_at"] = datetime.fromisoformat(raw["read_at"])
        raw["kind"] = _KINDS[raw["kind"]]
        self.__dict__ = raw


class _Event(_Read):
    @property
    def identities(self) -> tuple[Identity, ...]:
        return tuple(Identity(kind=kind, value=value) for kind, value in self.__dict__.get("identities", ()))

    @property
    def record(self) -> RecordRef | None:
        raw = self.__dict__.get("record")
        return None if raw is None else RecordRef(object=raw[0], id=raw[1])


class _Step(_Read):
    @property
    def order(self) -> Order:
        raw = self.__dict__
        return order_of(raw["at"], TIE_ORDER[raw["kind"]], raw["id"], raw.get("sequence"), raw.get("read_at"))


def _defaults(kind: type[Event | Step]) -> Mapping[str, Any]:
    """The fields of a dataclass that have a default, with it."""
    return {
        one.name: one.default if one.default_factory is MISSING else one.default_factory()
        for one in fields(kind)
        if one.default is not MISSING or one.default_factory is not MISSING
    }


for _reader, _of in ((_Event, Event), (_Step, Step)):
    for _name, _default in _defaults(_of).items():
        if not hasattr(_reader, _name):
            setattr(_reader, _name, _default)


def read_event(raw: dict[str, Any]) -> Event:
    """An event out of what `event_to_json` gave, which it takes for its own."""
    return cast("Event", _Event(raw))


def read_step(raw: dict[str, Any]) -> Step:
    """A step out of what `step_to_json` gave, which it takes for its own; it equals itself alone."""
    return step_from_json(raw) if _RARE & raw.keys() else cast("Step", _Step(raw))


def says(raw: Mapping[str, Any], step: Step) -> bool:
    """Whether what `step_to_json` gave once is what it would give for this step."""
    if step.fields or step.counting is not None or "fields" in raw or "counting" in raw:
        return step_to_json(step) == raw
    read_at = step.read_at and step.read_at.isoformat()
    return (
        raw["at"] == step.at.isoformat()
        and raw.get("read_at") == read_at
        and _values(step) == tuple(map(raw.get, _NAMES, _DEFAULTS))
    )
