"""Events and steps as JSON values for the store, without what is at its default; and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, Final

from connector.core.event import Conflict, Counting, Event, FieldValue, Identity, IdentityKind, Kind, RecordRef, Step


def _instant(value: datetime) -> str:
    return value.isoformat()


def _identities(value: tuple[Identity, ...]) -> list[list[str]]:
    return [[one.kind.value, one.value] for one in value]


def _record(value: RecordRef) -> list[str]:
    return [value.object, value.id]


def _fields(value: Mapping[str, FieldValue]) -> dict[str, list[Any]]:
    return {name: [one.value, one.conflict.value] for name, one in value.items()}


def _counting(value: Counting) -> list[Any]:
    return [value.counter, value.thing, list(value.statuses), value.of]


def _same(value: Any) -> Any:
    return value


_CONVERT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "at": _instant,
    "identities": _identities,
    "record": _record,
    "fields": _fields,
    "data": dict,
    "kind": str,
    "conflict": str,
    "counting": _counting,
}
"""The fields that are no JSON values by themselves; all others are."""


def _table(of: type[Event | Step]) -> tuple[tuple[str, Any, Callable[[Any], Any]], ...]:
    return tuple(
        (
            field.name,
            field.default_factory() if field.default_factory is not MISSING else field.default,
            _CONVERT.get(field.name, _same),
        )
        for field in fields(of)
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
    values["at"] = datetime.fromisoformat(values["at"])
    values["kind"] = Kind(values["kind"])
    identities = values.get("identities", ())
    values["identities"] = tuple(Identity(kind=IdentityKind(kind), value=value) for kind, value in identities)
    if "record" in values:
        values["record"] = RecordRef(object=values["record"][0], id=values["record"][1])
    return Event(**values)


def step_from_json(raw: Mapping[str, Any]) -> Step:
    """The step that `step_to_json` wrote."""
    values = dict(raw)
    values["at"] = datetime.fromisoformat(values["at"])
    values["kind"] = Kind(values["kind"])
    if "conflict" in values:
        values["conflict"] = Conflict(values["conflict"])
    if "fields" in values:
        values["fields"] = {
            name: FieldValue(value=value, conflict=Conflict(conflict))
            for name, (value, conflict) in raw["fields"].items()
        }
    if "counting" in values:
        counter, thing, statuses, of = values["counting"]
        values["counting"] = Counting(counter=counter, thing=thing, statuses=tuple(statuses), of=of)
    return Step(**values)
