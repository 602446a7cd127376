"""Writes updates to `crm.lead`, equal ones together, and moves records into the archive and out of it.

https://github.com/odoo/odoo/blob/master/addons/crm/models/crm_lead.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from adapters.odoo.read import PAGE, Source
from adapters.odoo.records import ARCHIVED, LOST, MODEL, OBJECT, Row, record_of, stage_of
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.owners import people_for
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, Written, each, push_in_batches
from connector.adapter_kit.push_in_batches import is_same as is_same_value
from connector.adapter_kit.records import present
from connector.core.errors import CrmRefused

REASON: Final = "lost_reason_id"
STAGE: Final = "stage_id"
_LONGEST_ID: Final = 18
"""Digits of a number of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(KitPlan):
    """What one update writes by `write`: field → value.

    `is_back`: it is archived, and gets its stage out of the archive. `is_lost`: it becomes lost.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    is_back: bool = False
    is_lost: bool = False

    @property
    def lead(self) -> int:
        """The record's id."""
        return int(self.id)

    @property
    def action(self) -> str:
        """The same for plans that one call can do."""
        return json.dumps([self.values, self.is_back, self.is_lost], sort_keys=True, default=str)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write; it may be lost already."""
        return not (self.values or self.is_back or self.is_lost)

    def is_same(self, shown: Any, wanted: Any) -> bool:
        """Whether a field shows a value; a relation is `[id, name]`."""
        if _written(wanted) is False:
            return shown in (None, False)
        if isinstance(shown, list) and isinstance(wanted, int):
            return bool(shown) and shown[0] == wanted
        return is_same_value(shown, wanted)


def push(source: Source, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when records or users cannot be read before."""
    rows = source.rows(int(update.record.id) for update in updates if is_ours(update))
    writer = Writer(source=source, rows=rows, people=people_for(updates, source.people, int))
    return push_in_batches(
        updates,
        writer.plan,
        writer.write,
        writer.read,
        size=PAGE,
        kind=lambda plan: plan.action,
        undone_by=(CrmRefused,),
    )


def is_ours(update: Update) -> bool:
    """Whether the update is of a record that Odoo may have."""
    return update.record.object == OBJECT and update.record.id.isdecimal() and len(update.record.id) <= _LONGEST_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates by the `rows` as they are now; `people`: e-mail → ids."""

    source: Source
    rows: Mapping[str, Any]
    people: Mapping[str, Sequence[int]]

    def plan(self, update: Update) -> Plan:
        """What the update writes. Raises what stands in the place of the record."""
        plan = Plan(update=update)
        if not is_ours(update):
            message = f"there is no record {plan.name} in Odoo's CRM"
            raise CrmRefused(message)
        row, fields = present(self.rows[record_of(plan.lead).name]), dict(update.fields)
        stage = fields.pop(STAGE, None)
        known = self.source.fields() if fields else {}
        for name in [name for name in fields if name not in known]:
            plan = plan.refused(f"{name}: crm.lead has no such field; make it, or take it out of the mapping's `push`")
            del fields[name]
        plan = replace(plan, wanted=fields).with_owner(self.people, "active internal user of Odoo")
        plan = replace(plan, values=plan.wanted)
        return plan if stage is None else self._staged(plan, str(stage).strip(), row)

    def write(self, plans: Sequence[Plan]) -> Written[Plan]:
        """Carry out what all of the plans have in common."""
        plan, ids, call = plans[0], [plan.lead for plan in plans], self.source.server.call
        values = dict(plan.values)
        reason = {REASON: values.pop(REASON)} if plan.is_lost and REASON in values else {}
        if values:
            call(MODEL, "write", ids, vals={name: _written(value) for name, value in values.items()})
        if plan.is_lost:
            call(MODEL, "action_set_lost", ids, **reason)
        if plan.is_back:  # last: a record that is back before it has its new stage would look like moved to its old one
            call(MODEL, "action_unarchive", ids)
        return [None for _ in plans]

    def read(self, plans: Sequence[Plan]) -> Shown:
        """The records as they are now, with the stage as the mapping calls it; that of a lost one is no field."""
        return each(partial(self._shown, self.source.rows(plan.lead for plan in plans)))(plans)

    def _shown(self, rows: Mapping[str, Any], plan: Plan) -> Row:
        row = present(rows[record_of(plan.lead).name])
        return {**row, STAGE: stage_of(row, by_id=self.source.by_id)}

    def _staged(self, plan: Plan, stage: str, lead: Row) -> Plan:
        """The plan with what brings the record into the stage."""
        source = self.source
        wanted = {STAGE: stage, **plan.wanted}
        if stage == LOST:
            return replace(plan, wanted=wanted, is_lost=stage_of(lead, by_id=source.by_id) != LOST)
        if stage == ARCHIVED:
            return plan.refused(f"{STAGE}: {ARCHIVED} can be read only; write {LOST}")
        team = lead["team_id"][0] if lead.get("team_id") else 0
        known = [row for row in source.stages() if stage == (str(row["id"]) if source.by_id else row["name"])]
        # Teams may have stages of the same name: its own comes before one of all teams, that before another team's.
        fitting = sorted(known, key=lambda row: (team not in row["teams"], bool(row["teams"])))
        if not fitting:
            names = ", ".join(str(row["id"] if source.by_id else row["name"]) for row in source.stages())
            return plan.refused(f"{STAGE}: there is no stage {stage!r}; there are {names}, {LOST}")
        values = {**plan.values, STAGE: fitting[0]["id"]}
        return replace(plan, wanted=wanted, values=values, is_back=not lead.get("active", True))


def _written(value: Any) -> Any:
    """A value as Odoo takes it: `false` empties a field."""
    return False if value is None or value == "" else value
