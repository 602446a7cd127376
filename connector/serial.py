"""Events and steps as JSON values for the store, without what is at its default; and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, Final

from connector.core.event import Conflict, Event, FieldValue, Identity, Kind, RecordRef, Step


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Identity):
        return [value.kind, value.value]
    if isinstance(value, RecordRef):
        return [value.object, value.id]
    if isinstance(value, FieldValue):
        return [value.value, value.conflict.value]
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value


def _defaults(of: type[Event | Step]) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (field.name, field.default_factory() if field.default_factory is not MISSING else field.default)
        for field in fields(of)
    )


_EVENT: Final = _defaults(Event)
_STEP: Final = _defaults(Step)


def event_to_json(event: Event) -> dict[str, Any]:
    """An event as JSON values."""
    return {name: _plain(value) for name, default in _EVENT if (value := getattr(event, name)) != default}


def step_to_json(step: Step) -> dict[str, Any]:
    """A step as JSON values."""
    return {name: _plain(value) for name, default in _STEP if (value := getattr(step, name)) != default}


def event_from_json(raw: Mapping[str, Any]) -> Event:
    """The event that `event_to_json` wrote."""
    values = dict(raw)
    values["at"] = datetime.fromisoformat(values["at"])
    values["kind"] = Kind(values["kind"])
    values["identities"] = tuple(Identity(kind=kind, value=value) for kind, value in values.get("identities", ()))
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
    return Step(**values)
