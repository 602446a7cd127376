"""Writes updates to Zoho CRM in batches of 100 and by blueprint, reads back, says per update what the records show.

https://www.zoho.com/crm/developer/docs/api/v8/update-records.html
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.zoho.blueprint import move
from adapters.zoho.client import CHUNK, Account, Row, among, failure_of
from adapters.zoho.read import Reader
from adapters.zoho.records import FIELDS, STAGES, id_of
from connector.adapter_kit import update_plan
from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.owners import has_owner
from connector.adapter_kit.rest import chunks
from connector.adapter_kit.update_plan import Failure, is_same
from connector.core.errors import CrmRefused, CrmUnavailable

BATCH: Final = 100
_BLUEPRINT: Final = "RECORD_IN_BLUEPRINT"
_ID: Final = re.compile(r"[0-9]{1,25}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(update_plan.Plan):
    """What one update writes. `excuse`: why the stage could not be moved, which counts where it is not shown."""

    excuse: str | None = None

    @property
    def stage(self) -> str:
        """The name of the stage's field, which may be written or not."""
        return STAGES.get(self.update.record.object, "")

    def body(self) -> dict[str, Any]:
        """The record in a batch."""
        return {"id": self.id, **self.wanted}

    def judged(self, row: Row | None) -> Pushed:
        """The result by what Zoho said and what the record shows after it was written."""
        if self.result is not None:
            return self.result
        plan = replace(self, wanted=_bare(self.wanted))
        if self.excuse and not is_same((row or {}).get(self.stage), self.wanted[self.stage]):
            plan = replace(plan, refusals=(self.excuse, *self.refusals))
        return plan.shown(None if row is None else _bare(row))


def push(reader: Reader, updates: Sequence[Update], trigger: Sequence[str]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when nothing was tried yet."""
    people = _people(reader.users()) if has_owner(updates) else {}
    plans = [_plan(update, people) for update in updates]
    results = {plan.update.key: plan.settled() for plan in plans if not plan.wanted}
    by_module: dict[str, list[Plan]] = defaultdict(list)
    for plan in plans:
        if plan.wanted:
            by_module[plan.update.record.object].append(plan)
    for module, own in by_module.items():
        for chunk in chunks(own, BATCH):
            written = _write_all(reader.account, module, chunk, trigger)
            results |= {one.key: one for one in _read_back(reader.account, module, written)}
    return [results[update.key] for update in updates]


def _people(users: Sequence[Row]) -> dict[str, list[Row]]:
    """E-mail → the lookups of the active users who have it."""
    people: dict[str, list[Row]] = defaultdict(list)
    for row in users:
        if row.get("status") == "active" and row.get("email"):
            people[str(row["email"]).casefold()].append({"id": str(row["id"])})
    return people


def _plan(update: Update, people: Mapping[str, Sequence[Row]]) -> Plan:
    if update.record.object not in FIELDS or not _ID.fullmatch(update.record.id):
        name = f"{update.record.object}:{update.record.id}"
        return Plan(update=update).refused(f"{name} cannot be written: it is no record of {', '.join(FIELDS)}")
    return Plan(update=update, wanted=update.fields).with_owner(people, "active user")


def _write_all(account: Account, module: str, plans: Sequence[Plan], trigger: Sequence[str]) -> list[Plan]:
    """A batch, and for records under a blueprint the transition and then the rest; with what Zoho said to each."""
    said = _write(account, module, [plan.body() for plan in plans], trigger)
    written = [_answered(plan, failure) for plan, failure in zip(plans, said, strict=True)]
    caught = [
        place
        for place, failure in enumerate(said)
        if failure and failure.code == _BLUEPRINT and plans[place].stage in plans[place].wanted
    ]
    rests: dict[int, dict[str, Any]] = {}
    for place in caught:
        plan = written[place]
        try:
            excuse = move(account, module, plan.id, plan.stage, str(plan.wanted[plan.stage]))
        except CrmUnavailable as error:
            written[place] = replace(plan, result=plan.failed(error))
            continue
        except CrmRefused as error:
            excuse = f"{plan.stage}: {error}"
        written[place] = replace(plan, result=None, excuse=excuse)
        rest = {name: value for name, value in plan.body().items() if name != plan.stage}
        if len(rest) > 1:
            rests[place] = rest
    again = _write(account, module, list(rests.values()), trigger)
    for place, failure in zip(rests, again, strict=True):
        written[place] = _answered(written[place], failure)
    return written


def _answered(plan: Plan, failure: Failure | None) -> Plan:
    return replace(plan, result=plan.failed(failure) if failure else None)


def _write(account: Account, module: str, data: Sequence[Row], trigger: Sequence[str]) -> list[Failure | None]:
    """What Zoho says to each record of a batch; None: it was saved. An error of the whole call is each one's."""
    if not data:
        return []
    try:
        # Without `trigger` the customer's workflows run, and may write back what the connector then hears of.
        body = account.send("PUT", module, json={"data": list(data), "trigger": list(trigger)}).json()
    except CrmUnavailable as error:
        return [_later(error)] * len(data)
    answers = body.get("data") if isinstance(body, dict) else None
    if isinstance(answers, list) and len(answers) == len(data):
        return [None if one.get("code") == "SUCCESS" else failure_of(one) for one in answers]
    if isinstance(body, dict) and body.get("code"):
        return [failure_of(body)] * len(data)
    return [_later(CrmUnavailable("Zoho answered for another number of records than were sent"))] * len(data)


def _read_back(account: Account, module: str, plans: Sequence[Plan]) -> list[Pushed]:
    waiting = [plan for plan in plans if plan.result is None]
    rows: dict[str, Row] = {}
    try:
        for chunk in chunks(waiting, CHUNK):
            names = (name for plan in chunk for name in plan.wanted)
            found = account.select(names, module, among(plan.id for plan in chunk))
            rows |= {str(row["id"]): row for row in found}
    except (CrmUnavailable, CrmRefused) as error:
        return [plan.result or plan.unread(error) for plan in plans]
    return [plan.judged(rows.get(plan.id)) for plan in plans]


def _later(error: CrmUnavailable) -> Failure:
    return Failure(outcome=PushOutcome.LATER, reason=str(error), retry_after=error.retry_after)


def _bare(row: Row) -> dict[str, Any]:
    """The row with the ids of lookups in their place."""
    return {name: id_of(value) or value for name, value in row.items()}
