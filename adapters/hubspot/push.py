"""Writes updates to HubSpot in batches, and empties a lifecycle stage before it goes back.

https://developers.hubspot.com/docs/api-reference/latest/crm/using-object-apis
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.hubspot.client import ADVICE, BATCH, OBJECTS, good, refusal, words_of
from adapters.hubspot.read import NOT_FOUND, Source
from adapters.hubspot.records import Record, value_of
from connector.adapter_kit.contract import Answer, Pushed, Update
from connector.adapter_kit.owners import by_email, has_owner
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, Written, push_in_batches
from connector.adapter_kit.push_in_batches import is_same as is_same_value
from connector.adapter_kit.rest import RecordGone, as_list, as_object, is_good, refused
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable

LIFECYCLE: Final = "lifecyclestage"
LADDER: Final = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
"""HubSpot takes moves along it; to any other stage the property has to be emptied first."""


class BatchRefused(CrmRefused):
    """One bad value refuses a whole batch, without a word whose it is."""


class Plan(KitPlan):
    """What one update writes: property → text."""

    __slots__ = ()

    def is_same(self, shown: Any, wanted: Any) -> bool:
        """Whether a property shows a value; of several options any order is the same."""
        return is_same_value(shown, wanted) or set(str(shown or "").split(";")) == set(wanted.split(";"))


def push(source: Source, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when the owners cannot be read before."""
    people = by_email(source.people()) if has_owner(updates) else {}
    writer = Writer(source=source, people=people)
    return push_in_batches(updates, writer.plan, writer.write, writer.read, size=BATCH, undone_by=(BatchRefused,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates, a batch to the records of one object. `people`: the owners, e-mail → ids."""

    source: Source
    people: Mapping[str, Sequence[str]]

    def plan(self, update: Update) -> Plan:
        """What the update writes."""
        if update.record.object not in OBJECTS:
            message = f"records of the object {update.record.object!r} cannot be written"
            raise CrmRefused(message)
        wanted = {name: _text(value) for name, value in update.fields.items()}
        return Plan(update=update, wanted=wanted).with_owner(self.people, "active owner in HubSpot")

    def write(self, plans: Sequence[Plan]) -> Written[Plan]:
        """At most 100 updates: what must be emptied first, then the values.

        A batch that is tried again in halves empties nothing twice: what is empty already does not go back.
        """
        record_object = plans[0].object
        failures = self._update(record_object, {plan.id: {LIFECYCLE: ""} for plan in self._backward(plans)})
        left = {plan.id: plan.wanted for plan in plans if plan.id not in failures}
        failures |= self._update(record_object, left)
        return [failures.get(plan.id) for plan in plans]

    def read(self, plans: Sequence[Plan]) -> Shown:
        """The properties that were written."""
        records = self._records(plans)
        return [(records[plan.id].get("properties") or {}) if plan.id in records else None for plan in plans]

    def _backward(self, plans: Sequence[Plan]) -> list[Plan]:
        moving = [plan for plan in plans if plan.wanted.get(LIFECYCLE)]
        records = self._records(moving)
        return [
            plan
            for plan in moving
            if (record := records.get(plan.id))
            and (shown := value_of(record, LIFECYCLE))
            and shown != plan.wanted[LIFECYCLE]
            and not _is_forward(shown, plan.wanted[LIFECYCLE])
        ]

    def _records(self, plans: Sequence[Plan]) -> dict[str, Record]:
        if not plans:
            return {}
        names = sorted({name for plan in plans for name in plan.wanted})
        inputs = [{"id": plan.id} for plan in plans]
        rows = self.source.account.batch(self._path(plans[0].object, "read"), inputs, BATCH, properties=names)
        return {str(row["id"]): row for row in rows}

    def _update(self, record_object: str, values: Mapping[str, Mapping[str, str]]) -> dict[str, CrmError]:
        """The records that were not written, and why. Raises `BatchRefused`."""
        if not values:
            return {}
        body = {"inputs": [{"id": id_, "properties": dict(properties)} for id_, properties in values.items()]}
        answer = self.source.account.post(self._path(record_object, "update"), body)
        if is_good(answer):
            content = good(answer)
            written = {str(as_object(row).get("id")) for row in as_list(content.get("results"))}
            errors = [as_object(error) for error in as_list(content.get("errors"))]
            return {id_: self._failure(record_object, id_, errors) for id_ in values if id_ not in written}
        if answer.status in ADVICE:
            raise refused(answer.status, refusal(answer))
        if len(values) > 1:
            raise BatchRefused(refusal(answer))
        return {id_: self._single_failure(record_object, id_, answer) for id_ in values}

    def _failure(self, record_object: str, record_id: str, errors: Sequence[Mapping[str, Any]]) -> CrmError:
        """What the errors of a batch mean for a record: those that name it, else those that name none."""
        named_by = [error for error in errors if record_id in _ids(error)]
        fitting = named_by or [error for error in errors if not _ids(error)]
        if not fitting:
            return CrmUnavailable("HubSpot left the record out of its answer")
        if fitting[0].get("category") == "OBJECT_NOT_FOUND":
            return self._gone(record_object, record_id)
        return CrmRefused(f"HubSpot: {words_of(fitting[0])}")

    def _single_failure(self, record_object: str, record_id: str, answer: Answer) -> CrmError:
        return self._gone(record_object, record_id) if answer.status == NOT_FOUND else CrmRefused(refusal(answer))

    def _gone(self, record_object: str, record_id: str) -> CrmError:
        """A record that a batch does not find was deleted, or merged into one that only a single read tells."""
        record = self.source.single(record_object, record_id, ())
        if record is None:
            return RecordGone("the record was deleted in HubSpot")
        if str(record["id"]) == record_id:
            return CrmUnavailable("HubSpot did not find the record at first")
        return RecordGone(f"the record was merged into {record['id']}")

    def _path(self, record_object: str, action: str) -> str:
        return self.source.account.path("objects", f"/{OBJECTS[record_object]}/batch/{action}")


def _is_forward(shown: str, wanted: str) -> bool:
    return shown in LADDER and wanted in LADDER and LADDER.index(shown) < LADDER.index(wanted)


def _ids(error: Mapping[str, Any]) -> list[str]:
    return [str(id_) for id_ in as_list(as_object(error.get("context")).get("ids"))]


def _text(value: Any) -> str:
    """A value as HubSpot takes it: a text, which is empty to clear the property."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ";".join(map(str, value))
    return "" if value is None else str(value)
