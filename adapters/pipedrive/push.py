"""Writes updates to Pipedrive one by one, as it has no batch, and reads them back a hundred at a time.

https://developers.pipedrive.com/docs/api/v1/Deals#updateDeal
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.pipedrive.client import CLOSED, NOT_FOUND, OBJECTS, refused
from adapters.pipedrive.read import Source
from adapters.pipedrive.records import CUSTOM
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.owners import by_email, has_owner
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, Written, push_in_batches
from connector.adapter_kit.push_in_batches import is_same as is_same_value
from connector.adapter_kit.rest import RecordGone, is_good
from connector.core.errors import CrmRefused

NUMBERS: Final = frozenset({"stage_id", "pipeline_id", "owner_id", "person_id", "org_id", "organization_id"})
"""v2 takes no text for a number."""
ARCHIVED_ADVICE: Final = (
    "it is archived in Pipedrive, and what is archived cannot be written by the API: take it out of the archive there, "
    "or leave it as it is"
)
TRUE_FALSE: Final = frozenset({"is_archived", "was_seen"})
_WHOLE: Final = re.compile(r"[0-9]{1,18}")


class Plan(KitPlan):
    """What one update writes, field → value."""

    __slots__ = ()

    def body(self) -> dict[str, Any]:
        """The body of the call: custom fields stand apart, but not in those of leads."""
        plain = {name: value for name, value in self.wanted.items() if not CUSTOM.fullmatch(name)}
        custom = {name: value for name, value in self.wanted.items() if CUSTOM.fullmatch(name)}
        if not custom or self.object == "lead":
            return plain | custom
        return plain | {"custom_fields": custom}

    def is_same(self, shown: Any, wanted: Any) -> bool:
        """Whether a field shows a value; an empty list of labels is nothing."""
        return is_same_value(None if shown == [] else shown, wanted)


def push(source: Source, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when users or stages cannot be read before."""
    people = by_email(source.people(), int) if has_owner(updates) else {}
    has_stage = any("stage_id" in update.fields for update in updates)
    pipelines = {str(row["id"]): row["pipeline_id"] for row in source.stages()} if has_stage else {}
    writer = Writer(source=source, people=people, pipelines=pipelines)
    return push_in_batches(updates, writer.plan, writer.write, writer.read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates. `people`: e-mail → ids; `pipelines`: stage → pipeline."""

    source: Source
    people: Mapping[str, Sequence[int]]
    pipelines: Mapping[str, Any]

    def plan(self, update: Update) -> Plan:
        """What the update writes; a stage takes its pipeline along."""
        if update.record.object not in OBJECTS:
            message = f"records of the object {update.record.object!r} cannot be written"
            raise CrmRefused(message)
        wanted = {name: _value(name, value) for name, value in update.fields.items()}
        if (pipeline := self.pipelines.get(str(update.fields.get("stage_id")))) is not None:
            wanted = {"pipeline_id": pipeline, **wanted}
        return Plan(update=update, wanted=wanted).with_owner(self.people, "active user of Pipedrive")

    def write(self, plans: Sequence[Plan]) -> Written[Plan]:
        """One record; what nobody gives for it is not to be had for those after it either, and is raised."""
        (plan,) = plans
        answer = self.source.company.call("PATCH", f"{OBJECTS[plan.object]}/{plan.id}", plan.body())
        if is_good(answer):
            return [None]
        if answer.status in CLOSED:
            raise refused(answer)
        if self.source.is_archived(plan.object, plan.id):
            return [CrmRefused(ARCHIVED_ADVICE)]
        if answer.status in NOT_FOUND:
            return [RecordGone("the record was deleted in Pipedrive, or merged into another one")]
        return [refused(answer)]

    def read(self, plans: Sequence[Plan]) -> Shown:
        """The records with their custom fields among the others."""
        records = self.source.company.by_id(plans[0].object, [plan.id for plan in plans])
        shown = {id_: {**(record.get("custom_fields") or {}), **record} for id_, record in records.items()}
        return [shown.get(plan.id) for plan in plans]


def _value(name: str, value: Any) -> Any:
    """A value in the type that the field takes."""
    if name in NUMBERS and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if name in TRUE_FALSE and isinstance(value, str):
        return value.casefold() in {"true", "yes", "1"}
    return value
