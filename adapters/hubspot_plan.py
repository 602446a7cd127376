"""What one update writes to HubSpot, and what became of it by what the record shows afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from adapters.hubspot_records import Record, value_of
from adapters.hubspot_rest import OBJECTS, Failure
from connector.adapter import Outcome, Person, Pushed, Update

_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes, property → value; `refusal`: what of it cannot be written."""

    update: Update
    wanted: Mapping[str, str] = field(default_factory=dict)
    refusal: str | None = None

    @property
    def id(self) -> str:
        """The record's id."""
        return self.update.record.id

    def shown(self, record: Record | None) -> Pushed:
        """The result by what the record shows after the write."""
        if record is None:
            return self.pushed(Outcome.LATER, "written, but HubSpot did not show the record afterwards")
        wrong = [
            f"{name} shows {value_of(record, name)[:_SHOWN]!r} in place of {value[:_SHOWN]!r}"
            for name, value in self.wanted.items()
            if not _is_same(value_of(record, name), value)
        ]
        return self.settled(wrong)

    def settled(self, wrong: Sequence[str] = ()) -> Pushed:
        """The result of a plan with nothing (more) to write."""
        reasons = [*wrong, *([self.refusal] if self.refusal else [])]
        return self.pushed(Outcome.REFUSED, "; ".join(reasons)) if reasons else self.pushed(Outcome.DONE)

    def failed(self, failure: Failure) -> Pushed:
        """The result of a write that HubSpot did not take."""
        return self.pushed(failure.outcome, failure.reason, failure.retry_after)

    def pushed(self, outcome: Outcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)


def plan_of(update: Update, people: Sequence[Person]) -> Plan:
    """The plan of an update; `people` are the owners."""
    record_object = update.record.object
    if record_object not in OBJECTS:
        return Plan(update=update, refusal=f"records of the object {record_object!r} cannot be written")
    wanted = {name: _text(value) for name, value in update.fields.items()}
    if not update.owner or not update.owner_field:
        return Plan(update=update, wanted=wanted)
    email = update.owner.casefold()
    owner = next((one.id for one in people if one.is_active and one.email == email), None)
    if owner:
        return Plan(update=update, wanted={**wanted, update.owner_field: owner})
    # The rest is written all the same: a wrong owner must not keep the status away.
    return Plan(update=update, wanted=wanted, refusal=f"no active owner in HubSpot has the e-mail {update.owner}")


def _text(value: Any) -> str:
    """A value as HubSpot takes it: a text, which is empty to clear the property."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ";".join(map(str, value))
    return "" if value is None else str(value)


def _is_same(shown: str, wanted: str) -> bool:
    """Whether a property shows a value, as far as HubSpot writes one value in several ways."""
    left, right = shown.strip(), wanted.strip()
    if left == right or set(left.split(";")) == set(right.split(";")):
        return True
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        pass
    try:
        return datetime.fromisoformat(left) == datetime.fromisoformat(right)
    except (ValueError, TypeError):
        return False
