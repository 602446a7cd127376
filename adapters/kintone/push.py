"""Writes updates to a kintone app: actions, fields and assignees, then reads back what the records show.

https://cybozu.dev/ja/kintone/docs/rest-api/records/update-statuses/ and update-records/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from adapters.kintone.client import Conflict, Site
from adapters.kintone.plan import Plan, is_ours, plan_of
from adapters.kintone.read import MANY, Reader, error_of
from adapters.kintone.records import OBJECT, STAGE, Record
from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.owners import people_for
from connector.adapter_kit.update_plan import is_same
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable

_ASSIGNEE: Final = "the assignee"
Written = list[int | CrmError]
"""The new revision of each record, or the error in its place."""


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was tried yet.

    First the action: a record that is told with its old stage after we moved it would look like moved back.
    """
    records = reader.records(int(one.record.id) for one in updates if is_ours(one))
    people = people_for(updates, reader.people)
    plans = [plan_of(reader, update, records, people) for update in updates]
    site = reader.site
    _do(plans, lambda plan: plan.action is not None, lambda chosen: _act(site, chosen))
    _do(plans, lambda plan: bool(plan.wanted), lambda chosen: _fill(site, chosen))
    _do(plans, lambda plan: plan.assignee is not None, lambda chosen: [_assign(site, plan) for plan in chosen], size=1)
    return _read_back(reader, plans)


def _do(
    plans: list[Plan], has: Callable[[Plan], bool], write: Callable[[Sequence[Plan]], Written], size: int = MANY
) -> None:
    """Carry out one step of those plans that have it and did not fail before; each goes on with its new revision."""
    places = [place for place, plan in enumerate(plans) if plan.result is None and has(plan)]
    for start in range(0, len(places), size):
        chunk = places[start : start + size]
        for place, made in zip(chunk, _tried([plans[place] for place in chunk], write), strict=True):
            plan = plans[place]
            did = {"revision": made} if isinstance(made, int) else {"result": plan.failed(made)}
            plans[place] = replace(plan, **did)


def _tried(plans: Sequence[Plan], write: Callable[[Sequence[Plan]], Written]) -> Written:
    """What the write answered. One record's failure undoes all of the call: then each half is tried by itself."""
    try:
        return write(plans)
    except (Conflict, CrmRefused) as error:
        if len(plans) > 1:
            middle = len(plans) // 2
            return [*_tried(plans[:middle], write), *_tried(plans[middle:], write)]
        return [error]
    except CrmUnavailable as error:
        return [error for _ in plans]


def _act(site: Site, plans: Sequence[Plan]) -> Written:
    entries = [
        {
            "id": plan.number,
            "action": plan.action,
            "revision": plan.revision,
            **({"assignee": plan.taker} if plan.taker else {}),
        }
        for plan in plans
    ]
    return _revisions(site, "status.json", entries)


def _fill(site: Site, plans: Sequence[Plan]) -> Written:
    entries = [
        {
            "id": plan.number,
            "revision": plan.revision,
            "record": {code: {"value": value} for code, value in plan.wanted.items()},
        }
        for plan in plans
    ]
    return _revisions(site, "", entries)


def _assign(site: Site, plan: Plan) -> int:
    assignees = [plan.assignee] if plan.assignee else []
    answered = site.write("record/assignees.json", id=plan.number, assignees=assignees, revision=plan.revision)
    return int(answered["revision"])


def _revisions(site: Site, path: str, entries: Sequence[dict[str, Any]]) -> Written:
    """One record by the call for one, which webhooks tell of; several by the call for many, of which they do not."""
    many, single = (f"records/{path}", f"record/{path}") if path else ("records.json", "record.json")
    if len(entries) == 1:
        return [int(site.write(single, **entries[0])["revision"])]
    answered = {str(one["id"]): int(one["revision"]) for one in site.write(many, records=list(entries))["records"]}
    missing = "kintone left the record out of its answer"
    return [answered.get(str(entry["id"]), CrmUnavailable(missing)) for entry in entries]


def _read_back(reader: Reader, plans: Sequence[Plan]) -> list[Pushed]:
    try:
        records = reader.records(plan.number for plan in plans if plan.result is None)
    except CrmError as error:
        return [plan.result or plan.unread(error) for plan in plans]
    return [plan.result or _shown(reader, plan, records[f"{OBJECT}:{plan.number}"]) for plan in plans]


def _shown(reader: Reader, plan: Plan, record: Record | None) -> Pushed:
    if record is None:
        return plan.pushed(PushOutcome.GONE)
    if error := error_of(record):
        return plan.failed(error)
    wanted = {STAGE: plan.stage, _ASSIGNEE: plan.assignee}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    shown = {STAGE: reader.shape.stage_of(record), _ASSIGNEE: reader.shape.owner_of(record)}
    wanted |= {plan.names[code]: value for code, value in plan.wanted.items()}
    shown |= {plan.names[code]: record.get(code, {}).get("value") for code in plan.wanted}
    return replace(plan, wanted=wanted).shown(shown, _is_same)


def _is_same(shown: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        codes = [one.get("code") if isinstance(one, dict) else one for one in shown or ()]
        return sorted(map(str, codes)) == sorted(one["code"] if isinstance(one, dict) else one for one in wanted)
    return is_same(shown, wanted)
