"""Writes updates to Zoho CRM in batches of 100, and moves records that are under a blueprint by their transitions.

https://www.zoho.com/crm/developer/docs/api/v8/update-records.html, get-blueprint.html and update-blueprint.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.zoho.client import CHUNK, Row, UnderBlueprint, among, error_in
from adapters.zoho.read import Source
from adapters.zoho.records import FIELDS, STAGES, id_of
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.owners import by_email, has_owner
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, push_in_batches
from connector.adapter_kit.rest import chunks
from connector.core.errors import AccessRefused, CrmError, CrmRefused, CrmUnavailable

BATCH: Final = 100
_ID: Final = re.compile(r"[0-9]{1,25}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(KitPlan):
    """What one update writes. `excuse`: why the stage could not be moved, which counts where it is not shown."""

    excuse: str | None = None

    @property
    def stage(self) -> str:
        """The name of the stage's field, which may be written or not."""
        return STAGES.get(self.object, "")

    def body(self) -> dict[str, Any]:
        """The record in a batch."""
        return {"id": self.id, **self.wanted}

    def judged(self, record: Mapping[str, Any] | None) -> Pushed:
        """The result by what the record shows; lookups by their ids."""
        plan = replace(self, wanted=_bare(self.wanted))
        if self.excuse and not self.is_same((record or {}).get(self.stage), self.wanted[self.stage]):
            plan = replace(plan, refusals=(self.excuse, *self.refusals))
        return KitPlan.judged(plan, record)


def push(source: Source, updates: Sequence[Update], trigger: Sequence[str]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when the users cannot be read before."""
    people = by_email(source.people(), lambda id_: {"id": id_}) if has_owner(updates) else {}
    writer = Writer(source=source, people=people, trigger=trigger)
    return push_in_batches(updates, writer.plan, writer.write, writer.read, size=BATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates, a batch to the records of one module. `people`: e-mail → lookups.

    `trigger`: which automations of the customer run. Without it they run as usual, and may write back what the
    connector then hears of.
    """

    source: Source
    people: Mapping[str, Sequence[Row]]
    trigger: Sequence[str]

    def plan(self, update: Update) -> Plan:
        """What the update writes."""
        record = update.record
        if record.object not in FIELDS or not _ID.fullmatch(record.id):
            message = f"{record.name} cannot be written: it is no record of {', '.join(FIELDS)}"
            raise CrmRefused(message)
        return Plan(update=update, wanted=update.fields).with_owner(self.people, "active user")

    def write(self, plans: Sequence[Plan]) -> list[Plan]:
        """A batch, and for records under a blueprint the transition and then the rest."""
        module, done = plans[0].object, list(plans)
        rests: dict[int, dict[str, Any]] = {}
        answers = self._save(module, [plan.body() for plan in plans])
        for place, (plan, answer) in enumerate(zip(plans, answers, strict=True)):
            if isinstance(answer, UnderBlueprint) and plan.stage in plan.wanted:
                done[place] = self._moved(plan)
                rest = {name: value for name, value in plan.body().items() if name != plan.stage}
                if done[place].result is None and len(rest) > 1:
                    rests[place] = rest
            elif answer is not None:
                done[place] = plan.ended(answer)
        try:
            again = self._save(module, list(rests.values())) if rests else []
        except CrmError as error:
            again = [error] * len(rests)
        for place, answer in zip(rests, again, strict=True):
            if answer is not None:
                done[place] = done[place].ended(answer)
        return done

    def read(self, plans: Sequence[Plan]) -> Shown:
        """The fields that were written, lookups by their ids."""
        rows: dict[str, Row] = {}
        for chunk in chunks(plans, CHUNK):
            names = (name for plan in chunk for name in plan.wanted)
            found = self.source.account.select(names, chunk[0].object, among(plan.id for plan in chunk))
            rows |= {str(row["id"]): _bare(row) for row in found}
        return [rows.get(plan.id) for plan in plans]

    def _save(self, module: str, records: Sequence[Row]) -> list[CrmError | None]:
        """What is wrong with each record of a batch; None: it was saved. Raises what is wrong with the whole call."""
        content = {"data": list(records), "trigger": list(self.trigger)}
        body = self.source.account.send("PUT", module, json=content).json()
        answers = body.get("data") if isinstance(body, dict) else None
        if isinstance(answers, list) and len(answers) == len(records):
            return [None if answer.get("code") == "SUCCESS" else error_in(answer) for answer in answers]
        if isinstance(body, dict) and body.get("code"):
            raise error_in(body)
        message = "Zoho answered for another number of records than were sent"
        raise CrmUnavailable(message)

    def _moved(self, plan: Plan) -> Plan:
        """The plan after the transition that leads to its stage, or with the excuse why there is none."""
        try:
            return replace(plan, excuse=self._move(plan, str(plan.wanted[plan.stage])))
        except (CrmUnavailable, AccessRefused) as error:
            return plan.ended(error)
        except CrmRefused as error:
            return replace(plan, excuse=f"{plan.stage}: {error}")

    def _move(self, plan: Plan, stage: str) -> str | None:
        """Take the transition that leads to a stage; None: taken, else why there is none. Raises `CrmError`."""
        account, path = self.source.account, f"{plan.object}/{plan.id}/actions/blueprint"
        blueprint = account.call("GET", path).get("blueprint") or {}
        transitions = [row for row in blueprint.get("transitions") or () if row.get("next_field_value")]
        fitting = [row for row in transitions if row["next_field_value"] == stage]
        if not fitting:
            reachable = ", ".join(sorted({f"'{row['next_field_value']}'" for row in transitions})) or "nothing"
            return f"{plan.stage}: the record is under a blueprint, whose transitions lead to {reachable} from here"
        chosen = {"transition_id": str(fitting[0]["id"]), "data": {}}
        account.call("PUT", path, json={"blueprint": [chosen]})
        return None


def _bare(row: Row) -> dict[str, Any]:
    """The row with the ids of lookups in their place."""
    return {name: id_of(value) or value for name, value in row.items()}
