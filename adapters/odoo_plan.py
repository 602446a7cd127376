"""Plans what an update writes to `crm.lead`: values, the way into and out of the archive, and what it cannot write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adapters.odoo_leads import ARCHIVED, LOST, OBJECT, Row, stage_of
from adapters.odoo_reads import Reader, error_of
from adapters.odoo_rpc import Gone
from connector.adapter import Outcome, Pushed, Update
from connector.core.errors import CrmError, CrmUnavailable

STAGE: Final = "stage_id"
_LONGEST_ID: Final = 18
"""Digits of a number of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes: `values` by `write`, and the stage as the mapping calls it.

    `is_back`: it is archived, and gets its stage out of the archive. `is_lost`: it becomes lost. `result`: nothing is
    written, since this came of it. `refusals`: what of it cannot be written.
    """

    update: Update
    values: Mapping[str, Any] = field(default_factory=dict)
    stage: str | None = None
    is_back: bool = False
    is_lost: bool = False
    result: Pushed | None = None
    refusals: tuple[str, ...] = ()

    @property
    def lead(self) -> int:
        """The record's id."""
        return int(self.update.record.id)

    @property
    def alike(self) -> str:
        """The same for plans that one call can do."""
        return json.dumps([self.values, self.is_back, self.is_lost], sort_keys=True, default=str)

    def ended(self, outcome: Outcome, *reasons: str, retry_after: float | None = None) -> Plan:
        """The plan with its result."""
        reason = "; ".join(reasons) or None
        result = Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)
        return replace(self, result=result)

    def failed(self, error: CrmError) -> Plan:
        """The plan whose result is an error."""
        if isinstance(error, CrmUnavailable):
            return self.ended(Outcome.LATER, str(error), retry_after=error.retry_after)
        return self.ended(Outcome.GONE if isinstance(error, Gone) else Outcome.REFUSED, str(error))


@dataclass(slots=True, kw_only=True)
class People:
    """Finds users by e-mail; who is not there yet is looked for once more in a fresh list."""

    reader: Reader
    is_fresh: bool = False

    def id_of(self, email: str) -> int | None:
        """The id of the active user with that e-mail."""
        found = self._among(self.reader.people, email)
        if found is None and not self.is_fresh:
            self.is_fresh = True
            found = self._among(lambda: self.reader.people(is_fresh=True), email)
        return found

    def _among(self, people: Callable[[], Any], email: str) -> int | None:
        wanted = email.casefold()
        return next((int(one.id) for one in people() if one.email == wanted and one.is_active), None)


def is_ours(update: Update) -> bool:
    """Whether the update is of a record that Odoo may have."""
    return update.record.object == OBJECT and update.record.id.isdecimal() and len(update.record.id) <= _LONGEST_ID


def plan_of(reader: Reader, update: Update, rows: Mapping[str, Any], people: People) -> Plan:
    """What the update writes, by the records as they are now."""
    plan = Plan(update=update)
    if not is_ours(update):
        return plan.ended(
            Outcome.REFUSED, f"there is no record {update.record.object}:{update.record.id} in Odoo's CRM"
        )
    row = rows[f"{OBJECT}:{update.record.id}"]
    if row is None:
        return plan.ended(Outcome.GONE)
    if error := error_of(row):
        return plan.failed(error)
    values, refusals = {name: value for name, value in update.fields.items() if name != STAGE}, []
    for name in [name for name in values if name not in reader.fields()]:
        del values[name]
        refusals.append(f"{name}: crm.lead has no such field; make it, or take it out of the mapping's `push`")
    if update.owner and update.owner_field:
        if user := people.id_of(update.owner):
            values[update.owner_field] = user
        else:
            refusals.append(f"{update.owner_field}: no active internal user of Odoo has the e-mail {update.owner}")
    plan = replace(plan, values=values, refusals=tuple(refusals))
    if STAGE in update.fields:
        plan = _staged(reader, plan, str(update.fields[STAGE]).strip(), row)
    is_idle = not (plan.values or plan.is_back or plan.is_lost)
    return settled(plan) if is_idle else plan


def _staged(reader: Reader, plan: Plan, stage: str, row: Row) -> Plan:
    """The plan with what brings the record into the stage."""
    shown = stage_of(row, by_id=reader.by_id)
    if stage == LOST:
        return replace(plan, stage=stage, is_lost=shown != LOST)
    if stage == ARCHIVED:
        return replace(plan, refusals=(*plan.refusals, f"{STAGE}: {ARCHIVED} can be read only; write {LOST}"))
    team = row["team_id"][0] if "team_id" in row else 0
    known = [one for one in reader.stages() if stage == (str(one["id"]) if reader.by_id else one["name"])]
    # Teams may have stages of the same name: its own comes before one of all teams, that before another team's.
    fitting = sorted(known, key=lambda one: (team not in one["teams"], bool(one["teams"])))
    if not fitting:
        names = ", ".join(str(one["id"] if reader.by_id else one["name"]) for one in reader.stages())
        return replace(
            plan, refusals=(*plan.refusals, f"{STAGE}: there is no stage {stage!r}; there are {names}, {LOST}")
        )
    values = {**plan.values, STAGE: fitting[0]["id"]}
    return replace(plan, stage=stage, values=values, is_back=not row.get("active", True))


def settled(plan: Plan) -> Plan:
    """The plan that has nothing (more) to write, with its result."""
    return plan.ended(Outcome.REFUSED, *plan.refusals) if plan.refusals else plan.ended(Outcome.DONE)
