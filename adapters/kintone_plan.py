"""Plans what an update writes to a kintone record: the action of the process, fields, assignee, and what it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adapters.kintone_reads import Reader, error_of
from adapters.kintone_records import OBJECT, OWNER, STAGE, Record, number_of
from adapters.kintone_rest import Gone
from connector.adapter import Outcome, Pushed, Update
from connector.core.errors import CrmError, CrmUnavailable

USERS: Final = frozenset({"USER_SELECT", "STATUS_ASSIGNEE"})
LISTS: Final = frozenset({"CHECK_BOX", "MULTI_SELECT"})
_LONGEST_ID: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes. `values`: field code → value; `names`: field code → name in the mapping.

    `action`: of the process, `taker` who gets the record by it where it must be said; `stage`: the one to be shown;
    `assignee`: the login name to be assigned. `revision`: of the record as it was read, then of each write.
    """

    update: Update
    revision: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    action: str | None = None
    taker: str | None = None
    stage: str | None = None
    assignee: str | None = None
    result: Pushed | None = None
    refusals: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """The record's id."""
        return int(self.update.record.id)

    @property
    def name(self) -> str:
        """The record, `record:345`."""
        return f"{OBJECT}:{self.number}"

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

    def refused(self, reason: str) -> Plan:
        """The plan with one more thing that it cannot write."""
        return replace(self, refusals=(*self.refusals, reason))

    def settled(self) -> Plan:
        """The plan that has nothing (more) to write, with its result."""
        return self.ended(Outcome.REFUSED, *self.refusals) if self.refusals else self.ended(Outcome.DONE)


def is_ours(update: Update) -> bool:
    """Whether the update is of a record that the app may have."""
    record = update.record
    return record.object == OBJECT and record.id.isdecimal() and len(record.id) <= _LONGEST_ID


def plan_of(reader: Reader, update: Update, records: Mapping[str, Any]) -> Plan:
    """What the update writes, by the records as they are now."""
    plan = Plan(update=update)
    if not is_ours(update):
        return plan.ended(Outcome.REFUSED, f"there is no record {update.record.object}:{update.record.id} in the app")
    record = records[plan.name]
    if record is None:
        return plan.ended(Outcome.GONE)
    if error := error_of(record):
        return plan.failed(error)
    plan = replace(plan, revision=number_of(record, "$revision"))
    wanted = dict(update.fields)
    if update.owner and update.owner_field:
        if code := reader.code_of(update.owner):
            wanted[update.owner_field] = code
        else:
            plan = plan.refused(f"{update.owner_field}: no active user of kintone has the e-mail {update.owner}")
    for name, value in sorted(wanted.items(), key=lambda pair: pair[0] == STAGE):  # the stage is to know the owner
        plan = _with(reader, plan, record, name, value)
    return plan if plan.values or plan.action or plan.assignee is not None else plan.settled()


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
    return replace(plan, values={**plan.values, code: _written(kind, value)}, names={**plan.names, code: name})


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
