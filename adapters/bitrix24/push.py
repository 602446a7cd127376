"""Writes updates to a Bitrix24 portal in batches, reads the records back, and says per update what they show.

https://apidocs.bitrix24.com/api-reference/crm/universal/crm-item-update.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from adapters.bitrix24.plan import Plan
from adapters.bitrix24.read import TRIGGER, Reader
from adapters.bitrix24.records import full_stage, type_of
from adapters.bitrix24.trigger import fire
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.update_plan import Failure
from connector.core.errors import CrmUnavailable


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was tried yet."""
    people = _people(reader, {update.owner for update in updates if update.owner and update.owner_field})
    plans = _in_their_pipelines(reader, [_plan(update, people) for update in updates])
    failed = fire(reader, plans)
    results = [failed.get(place) or plan.settled() for place, plan in enumerate(plans)]
    writing = [place for place, plan in enumerate(plans) if plan.wanted and place not in failed]
    size = reader.writes_per_request({plans[place].update.record.object for place in writing})
    for start in range(0, len(writing), size):
        chunk = writing[start : start + size]
        made = _write(reader, [plans[place] for place in chunk], is_first=start == 0)
        for place, result in zip(chunk, made, strict=True):
            results[place] = result
    return results


def _people(reader: Reader, emails: Iterable[str]) -> dict[str, list[int]]:
    """E-mail → id of the active employee who has it; remembered, unless there is none."""
    memo: dict[str, list[int]] = reader.portal.api.memo.setdefault("employees by e-mail", {})
    unknown = sorted(email for email in emails if email.casefold() not in memo)
    found = reader.portal.batch([("user.get", {"FILTER": {"EMAIL": email}}) for email in unknown])
    for email, rows in zip(unknown, found, strict=True):
        if isinstance(rows, Failure):
            raise rows.error()
        for row in rows:
            # A scope without e-mails leaves the filter and the field out: what comes then may be anybody.
            if str(row.get("EMAIL")).strip().casefold() == email.casefold() and row.get("ACTIVE") is not False:
                memo[email.casefold()] = [int(row["ID"])]
    return memo


def _plan(update: Update, people: Mapping[str, Sequence[int]]) -> Plan:
    record_object = update.record.object
    if type_of(record_object) is None:
        return Plan(update=update).refused(f"records of the object {record_object!r} cannot be written")
    wanted = {name: value for name, value in update.fields.items() if name != TRIGGER}
    plan = Plan(update=update, wanted=wanted, trigger=str(update.fields.get(TRIGGER) or "") or None)
    return plan.with_owner(people, "active employee of the portal")


def _in_their_pipelines(reader: Reader, plans: Sequence[Plan]) -> list[Plan]:
    """The plans with their stages as the record's pipeline calls them: `WON` is `C5:WON` in pipeline 5."""
    unclear = [
        plan.name
        for plan in plans
        if "stageId" in plan.fields and "categoryId" not in plan.fields and plan.update.record.object != "lead"
    ]
    items = reader.bare(unclear)
    placed = []
    for plan in plans:
        if "stageId" in plan.fields:
            given, stage = plan.fields["stageId"]
            _, category = plan.fields.get("categoryId", ("", items.get(plan.name, {}).get("categoryId")))
            full = full_stage(plan.update.record.object, int(category or 0), str(stage))
            placed.append(replace(plan, wanted={**plan.wanted, given: full}))
        else:
            placed.append(plan)
    return placed


def _write(reader: Reader, plans: Sequence[Plan], *, is_first: bool) -> list[Pushed]:
    """One request: the updates, and behind them the commands that read the records back."""
    try:
        written, items = reader.after([plan.command() for plan in plans], [plan.name for plan in plans])
    except CrmUnavailable as error:
        if is_first:
            raise
        return [plan.failed(error) for plan in plans]
    return [plan.judged_by(result, items.get(plan.name)) for plan, result in zip(plans, written, strict=True)]
