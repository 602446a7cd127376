"""Writes updates to a kintone app: actions of the process, fields and assignees, each with the revision it has.

https://cybozu.dev/ja/kintone/docs/rest-api/records/update-statuses/ and update-records/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from adapters.kintone.client import Conflict
from adapters.kintone.read import MANY, Source
from adapters.kintone.records import OBJECT, OWNER, STAGE, Record, login_in, number_of, ref_of
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.owners import people_for
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, Written, each, push_in_batches, write_batches
from connector.adapter_kit.push_in_batches import is_same as is_same_value
from connector.adapter_kit.records import present
from connector.core.errors import CrmRefused, CrmUnavailable

USERS: Final = frozenset({"USER_SELECT", "STATUS_ASSIGNEE"})
LISTS: Final = frozenset({"CHECK_BOX", "MULTI_SELECT"})
_LONGEST_ID: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(KitPlan):
    """What one update writes: `values` by field code, the `action` of the process, and the login of the `assignee`.

    `taker`: who gets the record by the action, where that must be said. `revision`: of the record as it was read, then
    as of each write.
    """

    revision: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    action: str | None = None
    taker: str | None = None
    assignee: str | None = None

    @property
    def number(self) -> int:
        """The record's id."""
        return int(self.id)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write; the stage may be there already."""
        return not self.values and self.action is None and self.assignee is None

    def is_same(self, shown: Any, wanted: Any) -> bool:
        """Whether a field shows a value; lists of users or options in any order."""
        if isinstance(wanted, list):
            return sorted(_codes(shown or ())) == sorted(_codes(wanted))
        return is_same_value(shown, wanted)


def push(source: Source, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when records or users cannot be read before."""
    records = source.records(int(update.record.id) for update in updates if is_ours(update))
    writer = Writer(source=source, records=records, people=people_for(updates, source.people))
    return push_in_batches(updates, writer.plan, writer.write, writer.read, size=MANY)


def is_ours(update: Update) -> bool:
    """Whether the update is of a record that the app may have."""
    record = update.record
    return record.object == OBJECT and record.id.isdecimal() and len(record.id) <= _LONGEST_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates by the `records` as they are now; `people`: e-mail → login names."""

    source: Source
    records: Mapping[str, Any]
    people: Mapping[str, Sequence[str]]

    def plan(self, update: Update) -> Plan:
        """What the update writes. Raises what stands in the place of the record."""
        plan = Plan(update=update)
        if not is_ours(update):
            message = f"there is no record {plan.name} in the app"
            raise CrmRefused(message)
        record = present(self.records[ref_of(plan.number).name])
        given = replace(plan, wanted=update.fields).with_owner(self.people, "active user of kintone")
        plan = replace(plan, revision=number_of(record, "$revision"), refusals=given.refusals)
        for name in sorted(given.wanted, key=lambda name: name == STAGE):  # the stage is to know the owner
            plan = self._with(plan, record, name, given.wanted[name])
        return plan

    def write(self, plans: Sequence[Plan]) -> list[Plan]:
        """The plans after their steps: a record that is told with its old stage after we moved it looks moved back."""
        plans = _step(plans, lambda plan: plan.action is not None, self._act)
        plans = _step(plans, lambda plan: bool(plan.values), self._fill)
        return _step(plans, lambda plan: plan.assignee is not None, each(self._assign))

    def read(self, plans: Sequence[Plan]) -> Shown:
        """What the records show, with stage and owner as the mapping calls them."""
        records = self.source.records(plan.number for plan in plans)
        return each(partial(self._shown, records))(plans)

    def _with(self, plan: Plan, record: Record, name: str, value: Any) -> Plan:
        """The plan with one field more."""
        code = self.source.shape.code_of(name, record)
        if code is None:
            known = {
                STAGE: "the process is off, and `stage_field` is not set",
                OWNER: "the process is off, set `owner_field`",
            }
            return plan.refused(f"{name}: {known.get(name, 'the app has no field with this code')}")
        kind = record[code].get("type")
        if kind == "STATUS":
            return self._moved(plan, record, str(value))
        if kind == "STATUS_ASSIGNEE":
            login = str(value or "")
            return replace(plan, assignee=login, wanted={**plan.wanted, name: login})
        written = _written(kind, value)
        return replace(plan, values={**plan.values, code: written}, wanted={**plan.wanted, name: written})

    def _moved(self, plan: Plan, record: Record, stage: str) -> Plan:
        """The plan with the action that leads to the state; kintone takes no state, only the action's name."""
        shape, process = self.source.shape, self.source.process()
        now, staged = shape.stage_of(record), replace(plan, wanted={**plan.wanted, STAGE: stage})
        if now == stage:
            return staged
        actions = [action for action in process.get("actions") or () if action["from"] == now]
        name = next((str(action["name"]) for action in actions if action["to"] == stage), None)
        if name is None:
            reachable = ", ".join(dict.fromkeys(str(action["to"]) for action in actions)) or "no other state"
            refusal = f"{STAGE}: no action leads from {now!r} to {stage!r}; from there one gets to {reachable}"
            return plan.refused(refusal)
        # A state whose assignee is chosen among several wants to be told who.
        is_chosen = ((process["states"].get(stage) or {}).get("assignee") or {}).get("type") == "ONE"
        return replace(staged, action=name, taker=(plan.assignee or shape.owner_of(record)) if is_chosen else None)

    def _act(self, plans: Sequence[Plan]) -> Written[Plan]:
        entries = [
            {"id": plan.number, "action": plan.action, "revision": plan.revision}
            | ({"assignee": plan.taker} if plan.taker else {})
            for plan in plans
        ]
        return self._send("status.json", plans, entries)

    def _fill(self, plans: Sequence[Plan]) -> Written[Plan]:
        entries = [
            {
                "id": plan.number,
                "revision": plan.revision,
                "record": {code: {"value": value} for code, value in plan.values.items()},
            }
            for plan in plans
        ]
        return self._send("", plans, entries)

    def _assign(self, plan: Plan) -> Plan:
        assignees = [plan.assignee] if plan.assignee else []
        body = {"id": plan.number, "assignees": assignees, "revision": plan.revision}
        answer = self.source.site.write("record/assignees.json", **body)
        return replace(plan, revision=int(answer["revision"]))

    def _send(self, path: str, plans: Sequence[Plan], entries: Sequence[dict[str, Any]]) -> Written[Plan]:
        """The plans with their new revisions.

        One record goes by the call for one, which webhooks tell of; several by the call for many, of which they do not.
        """
        site = self.source.site
        if len(entries) == 1:
            answer = site.write(f"record/{path}" if path else "record.json", **entries[0])
            return [replace(plans[0], revision=int(answer["revision"]))]
        answer = site.write(f"records/{path}" if path else "records.json", records=list(entries))
        revisions = {str(row["id"]): int(row["revision"]) for row in answer["records"]}
        missing = CrmUnavailable("kintone left the record out of its answer")
        return [
            replace(plan, revision=revisions[str(plan.number)]) if str(plan.number) in revisions else missing
            for plan in plans
        ]

    def _shown(self, records: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
        record = present(records[ref_of(plan.number).name])
        fields = {name: record.get(self.source.shape.code_of(name, record), {}) for name in plan.wanted}
        return {
            name: login_in(field.get("value")) if field.get("type") == "STATUS_ASSIGNEE" else field.get("value")
            for name, field in fields.items()
        }


def _step(
    plans: Sequence[Plan], has: Callable[[Plan], bool], write: Callable[[Sequence[Plan]], Written[Plan]]
) -> list[Plan]:
    """Carry out one step of those plans that have it and did not fail before."""
    chosen = [plan for plan in plans if plan.result is None and has(plan)]
    done = iter(write_batches(chosen, write, size=MANY, undone_by=(Conflict, CrmRefused)))
    return [next(done) if plan.result is None and has(plan) else plan for plan in plans]


def _written(kind: Any, value: Any) -> Any:
    """A value as kintone takes it for a field of that type: texts, and lists of texts or users."""
    values = list(value) if isinstance(value, list | tuple) else [value] if value not in (None, "") else []
    if kind in USERS:
        return [{"code": str(user)} for user in values]
    if kind in LISTS:
        return [str(option) for option in values]
    return "" if value is None else str(value)


def _codes(values: Sequence[Any]) -> list[str]:
    return [str(value.get("code") if isinstance(value, dict) else value) for value in values]
