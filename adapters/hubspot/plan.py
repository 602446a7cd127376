"""What one update writes to HubSpot, and how its values compare with what a record shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.hubspot.client import OBJECTS
from connector.adapter_kit import update_plan
from connector.adapter_kit.contract import Update
from connector.adapter_kit.update_plan import Plan


def plan_of(update: Update, people: Mapping[str, Sequence[str]]) -> Plan:
    """The plan of an update; `people` are the owners, e-mail → ids."""
    if update.record.object not in OBJECTS:
        return Plan(update=update).refused(f"records of the object {update.record.object!r} cannot be written")
    wanted = {name: _text(value) for name, value in update.fields.items()}
    return Plan(update=update, wanted=wanted).with_owner(people, "active owner in HubSpot")


def is_same(shown: Any, wanted: str) -> bool:
    """Whether a property shows a value; of several options any order is the same."""
    return update_plan.is_same(shown, wanted) or set(str(shown or "").split(";")) == set(wanted.split(";"))


def _text(value: Any) -> str:
    """A value as HubSpot takes it: a text, which is empty to clear the property."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ";".join(map(str, value))
    return "" if value is None else str(value)
