"""Plans what an update writes to a kintone record: the action of the process, fields, assignee, and what it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adapters.kintone.read import Reader, error_of
from adapters.kintone.records import OBJECT, OWNER, STAGE, Record, number_of
from connector.adapter_kit import update_plan
from connector.adapter_kit.contract import PushOutcome, Update

USERS: Final = frozenset({"USER_SELECT", "STATUS_ASSIGNEE"})
LISTS: Final = frozenset({"CHECK_BOX", "MULTI_SELECT"})
_LONGEST_ID: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(update_plan.Plan):
    """What one update writes by field code. `names`: field code → name in the mapping.

    `action`: of the process, `taker` who gets the record by it where it must be said; `stage`: the one to be shown;
    `assignee`: the login name to be assigned. `revision`: of the record as it was read, then of each write.
    """

    revision: int = 0
    names: Mapping[str, str] = field(default_factory=dict)
    action: str | None = None
    taker: str | None = None
    stage: str | None = None
    assignee: str | None = None

    @property
    def number(self) -> int:
        """The record's id."""
        return int(self.id)


def is_ours(update: Update) -> bool:
    """Whether the update is of a record that the app may have."""
    record = update.record
    return record.object == OBJECT and record.id.isdecimal() and len(record.id) <= _LONGEST_ID


def plan_of(reader: Reader, update: Update, records: Mapping[str, Any], people: Mapping[str, Sequence[str]]) -> Plan:
    """What the update writes, by the records as they are now."""
    plan = Plan(update=update)
    if not is_ours(update):
        return replace(plan, result=plan.refused(f"there is no record {plan.name} in the app").settled())
    record = records[f"{OBJECT}:{plan.number}"]
    if record is None:
        return replace(plan, result=plan.pushed(PushOutcome.GONE))
    if error := error_of(record):
        return replace(plan, result=plan.failed(error))
    given = replace(plan, wanted=update.fields).with_owner(people, "active user of kintone")
    plan = replace(plan, revision=number_of(record, "$revision"), refusals=given.refusals)
    for name in sorted(given.wanted, key=lambda name: name == STAGE):  # the stage is to know the owner
        plan = _with(reader, plan, record, name, given.wanted[name])
    is_idle = not (plan.wanted or plan.action or plan.assignee is not None)
    return replace(plan, result=plan.settled()) if is_idle else plan


def _with(reader: Reader, plan: Plan, record: Record, name: str, value: Any) -> Plan:
    """The plan with one field more."""
    code = reader.shape.code_of(name, record)
    if code is None:
        known = {
            STAGE: "the process is off, and `stage_field` is not set",
            OWNER: "the process is off, set `owner_field`",
        }
        return plan.refused(f"{name}: {known.get(name, 'the app has no field with this code')}")
    kind = record[code].get("type")
    if kind == "STATUS":
        return _moved(reader, plan, record, str(value))
    if kind == "STATUS_ASSIGNEE":
        return replace(plan, assignee=str(value or ""), names={**plan.names, code: name})
    return replace(plan, wanted={**plan.wanted, code: _written(kind, value)}, names={**plan.names, code: name})


def _moved(reader: Reader, plan: Plan, record: Record, stage: str) -> Plan:
    """The plan with the action that leads to the state; kintone takes no state, only the action's name."""
    now, process = reader.shape.stage_of(record), reader.process()
    if now == stage:
        return replace(plan, stage=stage)
    actions = [one for one in process.get("actions") or () if one["from"] == now]
    name = next((str(one["name"]) for one in actions if one["to"] == stage), None)
    if name is None:
        reachable = ", ".join(dict.fromkeys(str(one["to"]) for one in actions)) or "no other state"
        return plan.refused(f"{STAGE}: no action leads from {now!r} to {stage!r}; from there one gets to {reachable}")
    # A state whose assignee is chosen among several wants to be told who.
    is_chosen = ((process["states"].get(stage) or {}).get("assignee") or {}).get("type") == "ONE"
    taker = (plan.assignee or reader.shape.owner_of(record)) if is_chosen else None
    return replace(plan, stage=stage, action=name, taker=taker)


def _written(kind: Any, value: Any) -> Any:
    """A value as kintone takes it for a field of that type: texts, and lists of texts or users."""
    listed = list(value) if isinstance(value, list | tuple) else [value] if value not in (None, "") else []
    if kind in USERS:
        return [{"code": str(one)} for one in listed]
    if kind in LISTS:
        return [str(one) for one in listed]
    return "" if value is None else str(value)
