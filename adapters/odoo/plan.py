"""Plans what an update writes to `crm.lead`: values, the way into and out of the archive, and what it cannot write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.odoo.read import Reader, error_of
from adapters.odoo.records import ARCHIVED, LOST, OBJECT, Row, stage_of
from connector.adapter_kit import update_plan
from connector.adapter_kit.contract import PushOutcome, Update

STAGE: Final = "stage_id"
_LONGEST_ID: Final = 18
"""Digits of a number of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(update_plan.Plan):
    """What one update writes by `write`, and the stage as the mapping calls it.

    `is_back`: it is archived, and gets its stage out of the archive. `is_lost`: it becomes lost.
    """

    stage: str | None = None
    is_back: bool = False
    is_lost: bool = False

    @property
    def lead(self) -> int:
        """The record's id."""
        return int(self.id)

    @property
    def alike(self) -> str:
        """The same for plans that one call can do."""
        return json.dumps([self.wanted, self.is_back, self.is_lost], sort_keys=True, default=str)


def is_ours(update: Update) -> bool:
    """Whether the update is of a record that Odoo may have."""
    return update.record.object == OBJECT and update.record.id.isdecimal() and len(update.record.id) <= _LONGEST_ID


def plan_of(reader: Reader, update: Update, rows: Mapping[str, Any], people: Mapping[str, Sequence[int]]) -> Plan:
    """What the update writes, by the records as they are now."""
    plan = Plan(update=update)
    if not is_ours(update):
        plan = plan.refused(f"there is no record {plan.name} in Odoo's CRM")
        return replace(plan, result=plan.settled())
    row = rows[plan.name]
    if row is None:
        return replace(plan, result=plan.pushed(PushOutcome.GONE))
    if error := error_of(row):
        return replace(plan, result=plan.failed(error))
    for name, value in update.fields.items():
        if name == STAGE:
            continue
        if name in reader.fields():
            plan = replace(plan, wanted={**plan.wanted, name: value})
        else:
            plan = plan.refused(f"{name}: crm.lead has no such field; make it, or take it out of the mapping's `push`")
    plan = plan.with_owner(people, "active internal user of Odoo")
    if STAGE in update.fields:
        plan = _staged(reader, plan, str(update.fields[STAGE]).strip(), row)
    is_idle = not (plan.wanted or plan.is_back or plan.is_lost)
    return replace(plan, result=plan.settled()) if is_idle else plan


def _staged(reader: Reader, plan: Plan, stage: str, row: Row) -> Plan:
    """The plan with what brings the record into the stage."""
    shown = stage_of(row, by_id=reader.by_id)
    if stage == LOST:
        return replace(plan, stage=stage, is_lost=shown != LOST)
    if stage == ARCHIVED:
        return plan.refused(f"{STAGE}: {ARCHIVED} can be read only; write {LOST}")
    team = row["team_id"][0] if "team_id" in row else 0
    known = [one for one in reader.stages() if stage == (str(one["id"]) if reader.by_id else one["name"])]
    # Teams may have stages of the same name: its own comes before one of all teams, that before another team's.
    fitting = sorted(known, key=lambda one: (team not in one["teams"], bool(one["teams"])))
    if not fitting:
        names = ", ".join(str(one["id"] if reader.by_id else one["name"]) for one in reader.stages())
        return plan.refused(f"{STAGE}: there is no stage {stage!r}; there are {names}, {LOST}")
    wanted = {**plan.wanted, STAGE: fitting[0]["id"]}
    return replace(plan, stage=stage, wanted=wanted, is_back=not row.get("active", True))
