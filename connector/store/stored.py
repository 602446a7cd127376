"""Stored events and steps to be read as such without being built anew, where there are millions of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, cast

from connector.core.event import TIE_ORDER, Event, Identity, Kind, RecordRef, Step
from connector.store.event_json import step_from_json, step_to_json

_KINDS: Final = {kind.value: kind for kind in Kind}
_RARE: Final = frozenset({"fields", "counting", "conflict"})
"""Fields of a step that are no JSON values by themselves."""
_PLAIN: Final = {
    one.name: None if one.default is MISSING else one.default
    for one in fields(Step)
    if one.name not in {"at", "fields", "counting"}
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
    def order(self) -> tuple[datetime, int, str]:
        own = self.__dict__
        return (own["at"], TIE_ORDER[own["kind"]], own["id"])


def _defaults(of: type[Event | Step]) -> Mapping[str, Any]:
    """The fields of a dataclass that have a default, with it."""
    return {
        one.name: one.default if one.default_factory is MISSING else one.default_factory()
        for one in fields(of)
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
    return raw["at"] == step.at.isoformat() and _values(step) == tuple(map(raw.get, _NAMES, _DEFAULTS))
