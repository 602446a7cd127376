"""Writes updates to Jira issues one by one: fields, then the transition, then the assignee; reads back together.

Jira's calls for many issues only start a task whose end has to be asked for; several changes by them are no faster.
https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from adapters.jira.client import Refused
from adapters.jira.read import PAGE, Source
from adapters.jira.records import ASSIGNEE, OBJECT, STATUS
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, each, push_in_batches
from connector.adapter_kit.push_in_batches import is_same as is_same_value
from connector.adapter_kit.records import present
from connector.adapter_kit.rest import RecordGone
from connector.core.errors import AccessRefused, CrmRefused


class Plan(KitPlan):
    """What one update writes; after the write, what of it was taken."""

    __slots__ = ()

    @property
    def path(self) -> str:
        """The issue's address."""
        return f"/rest/api/3/issue/{self.id}"

    def is_same(self, shown: Any, wanted: Any) -> bool:
        """Whether a field shows a value: an option shows more of itself than what it was chosen by."""
        if isinstance(wanted, dict):
            return isinstance(shown, dict) and wanted.items() <= shown.items()
        if isinstance(wanted, list | tuple):
            return isinstance(shown, list) and len(shown) == len(wanted) and all(map(self.is_same, shown, wanted))
        return is_same_value(shown, wanted)


def push(source: Source, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when the issues cannot be read before."""
    writer = Writer(source=source, issues=source.issues(update.record.id for update in updates if is_ours(update)))
    return push_in_batches(updates, writer.plan, each(writer.write), writer.read, size=PAGE)


def is_ours(update: Update) -> bool:
    """Whether the update is of an issue, named by its number."""
    return update.record.object == OBJECT and update.record.id.isdecimal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates by the `issues` as they are now."""

    source: Source
    issues: Mapping[str, Any]

    def plan(self, update: Update) -> Plan:
        """What the update writes. Raises what stands in the place of the issue."""
        plan = Plan(update=update)
        if not is_ours(update):
            message = f"there is no record {plan.name} in Jira: issues are named by their numbers"
            raise CrmRefused(message)
        self._fields(self.issues, plan)
        owner = {ASSIGNEE: update.owner} if update.owner and update.owner_field else {}
        return replace(
            plan, wanted={**{name: value for name, value in update.fields.items() if name != ASSIGNEE}, **owner}
        )

    def write(self, plan: Plan) -> Plan:
        """The plan with what was taken: what one call refuses keeps none of the others away."""
        fields = {name: value for name, value in plan.wanted.items() if name not in {STATUS, ASSIGNEE}}
        done = self._fill(replace(plan, wanted={}), fields) if fields else replace(plan, wanted={})
        if STATUS in plan.wanted:
            done = self._move(done, str(plan.wanted[STATUS]))
        return self._assign(done, plan.wanted[ASSIGNEE]) if ASSIGNEE in plan.wanted else done

    def read(self, plans: Sequence[Plan]) -> Shown:
        """The fields of the issues, with status and assignee as they are written."""
        return each(partial(self._shown, self.source.issues(plan.id for plan in plans)))(plans)

    def _fill(self, plan: Plan, fields: Mapping[str, Any]) -> Plan:
        """Write the fields; without those that Jira names as wrong, if it does."""
        try:
            self.source.site.send("PUT", plan.path, json={"fields": dict(fields)})
        except Refused as error:
            for name, text in error.errors.items():
                plan = plan.refused(f"{name}: {text}")
            left = {name: value for name, value in fields.items() if name not in error.errors}
            return self._fill(plan, left) if left and len(left) < len(fields) else plan
        except (RecordGone, AccessRefused):
            raise
        except CrmRefused as error:
            return plan.refused(f"{', '.join(fields)}: {error}")
        return replace(plan, wanted=fields)

    def _move(self, plan: Plan, stage: str) -> Plan:
        """Carry out the transition that leads to the status, whatever its name is."""
        word, path = self._word, f"{plan.path}/transitions"
        now = str(self._fields(self.issues, plan)[STATUS][word])
        if now == stage:
            return replace(plan, wanted={**plan.wanted, STATUS: stage})
        transitions = self.source.site.get(path)["transitions"]
        # Names differ in capitals between the projects of a site.
        found = next((row for row in transitions if str(row["to"][word]).casefold() == stage.casefold()), None)
        if found is None:
            reachable = ", ".join(dict.fromkeys(str(row["to"][word]) for row in transitions)) or "no other status"
            return plan.refused(
                f"{STATUS}: no transition leads from {now!r} to {stage!r}; from there one gets to {reachable}"
            )
        body = {"transition": {"id": found["id"]}}
        refusal = f"{STATUS}: the transition {found['name']!r} "
        return self._send(plan, ("POST", path, body), {STATUS: str(found["to"][word])}, refusal)

    def _assign(self, plan: Plan, owner: str) -> Plan:
        account = self.source.account_of(owner)
        if account is None:
            return plan.refused(f"{ASSIGNEE}: no active user of Jira shows the e-mail {owner}; name it in `people`")
        call = ("PUT", f"{plan.path}/assignee", {"accountId": account})
        return self._send(plan, call, {ASSIGNEE: account}, f"{ASSIGNEE}: ")

    def _send(self, plan: Plan, call: tuple[str, str, Any], wanted: Mapping[str, Any], refusal: str) -> Plan:
        """The plan with what the call writes, or with its refusal. Raises `RecordGone` and `CrmUnavailable`."""
        method, path, body = call
        try:
            self.source.site.send(method, path, json=body)
        except (RecordGone, AccessRefused):
            raise
        except CrmRefused as error:
            return plan.refused(f"{refusal}{error}")
        return replace(plan, wanted={**plan.wanted, **wanted})

    def _shown(self, issues: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
        fields = self._fields(issues, plan)
        status, assignee = fields.get(STATUS), fields.get(ASSIGNEE)
        return {
            **fields,
            STATUS: str(status[self._word]) if status else None,
            ASSIGNEE: assignee["accountId"] if assignee else None,
        }

    def _fields(self, issues: Mapping[str, Any], plan: Plan) -> Mapping[str, Any]:
        issue = issues[plan.name]
        if issue is None:
            message = "the issue is not there, or the connector's user may not see it"
            raise RecordGone(message)
        fields: Mapping[str, Any] = present(issue)["fields"]
        return fields

    @property
    def _word(self) -> str:
        """What of a status the mapping names."""
        return "id" if self.source.shape.by_id else "name"
