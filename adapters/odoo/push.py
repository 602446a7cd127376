"""Writes updates to `crm.lead`, equal ones together, reads the records back, and says per update what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from adapters.odoo.plan import STAGE, Plan, is_ours, plan_of
from adapters.odoo.read import Reader, error_of
from adapters.odoo.records import MODEL, stage_of
from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.owners import people_for
from connector.adapter_kit.update_plan import is_same
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable

REASON: Final = "lost_reason_id"


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was tried yet."""
    rows = reader.rows(int(one.record.id) for one in updates if is_ours(one))
    people = people_for(updates, reader.people, int)
    plans = [plan_of(reader, update, rows, people) for update in updates]
    groups: dict[str, list[int]] = {}
    for place, plan in enumerate(plans):
        if plan.result is None:
            groups.setdefault(plan.alike, []).append(place)
    for places in groups.values():
        for place, plan in zip(places, _write(reader, [plans[place] for place in places]), strict=True):
            plans[place] = plan
    return _read_back(reader, plans)


def _write(reader: Reader, plans: Sequence[Plan]) -> list[Plan]:
    """The plans, with a result where it failed. One record's failure undoes the call: then each is written alone."""
    ids = [plan.lead for plan in plans]
    try:
        _act(reader, plans[0], ids)
    except CrmUnavailable as error:
        return [replace(plan, result=plan.failed(error)) for plan in plans]
    except CrmRefused as error:
        if len(plans) > 1:
            return [one for plan in plans for one in _write(reader, [plan])]
        return [replace(plans[0], result=plans[0].failed(error))]
    return list(plans)


def _act(reader: Reader, plan: Plan, ids: Sequence[int]) -> None:
    values, call = dict(plan.wanted), reader.server.call
    reason = {REASON: values.pop(REASON)} if plan.is_lost and REASON in values else {}
    if values:
        call(MODEL, "write", ids, vals={name: _written(value) for name, value in values.items()})
    if plan.is_lost:
        call(MODEL, "action_set_lost", ids, **reason)
    if plan.is_back:  # last: a record that is back before it has its new stage would look like moved to its old one
        call(MODEL, "action_unarchive", ids)


def _read_back(reader: Reader, plans: Sequence[Plan]) -> list[Pushed]:
    written = [plan.lead for plan in plans if plan.result is None]
    try:
        rows = reader.rows(written)
    except CrmError as error:
        return [plan.result or plan.unread(error) for plan in plans]
    return [plan.result or _shown(reader, plan, rows[plan.name]) for plan in plans]


def _shown(reader: Reader, plan: Plan, row: Any) -> Pushed:
    if row is None:
        return plan.pushed(PushOutcome.GONE)
    if error := error_of(row):
        return plan.failed(error)
    # The stage stands first, as the mapping calls it; that of a lost record is none of its fields.
    stage = {} if plan.stage is None else {STAGE: plan.stage}
    wanted = {**stage, **{name: value for name, value in plan.wanted.items() if name != STAGE}}
    return replace(plan, wanted=wanted).shown({**row, STAGE: stage_of(row, by_id=reader.by_id)}, _is_same)


def _written(value: Any) -> Any:
    """A value as Odoo takes it: `false` empties a field."""
    return False if value is None or value == "" else value


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value; a relation is `[id, name]`."""
    if _written(wanted) is False:
        return shown in (None, False)
    if isinstance(shown, list) and isinstance(wanted, int):
        return bool(shown) and shown[0] == wanted
    return is_same(shown, wanted)
