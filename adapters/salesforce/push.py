"""Writes updates to Salesforce in collections of 200, reads the records back, and says per update what they show.

https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-sobjects-collections-update.html
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from adapters.salesforce.client import Org, failure_of
from adapters.salesforce.records import FIELDS
from adapters.salesforce.soql import CHUNK, among, select
from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.owners import owners_of
from connector.adapter_kit.rest import chunks
from connector.adapter_kit.update_plan import Plan
from connector.core.errors import CrmRefused, CrmUnavailable

_ID: Final = re.compile(r"[A-Za-z0-9]{18}")
Plans: TypeAlias = Sequence[Plan]


def push(org: Org, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when nothing was tried yet."""
    people = _people(org, owners_of(updates))
    plans = [_plan(update, people) for update in updates]
    results = {plan.update.key: plan.settled() for plan in plans if not plan.wanted}
    writing = [plan for plan in plans if plan.wanted]
    # A collection of one type is one transaction chunk; of mixed ones at most ten are allowed.
    for record_object in sorted({plan.update.record.object for plan in writing}):
        own = [plan for plan in writing if plan.update.record.object == record_object]
        for chunk in chunks(own, CHUNK):
            results |= {one.key: one for one in _write(org, chunk)}
    return [results[update.key] for update in updates]


def _people(org: Org, emails: Iterable[str]) -> dict[str, list[str]]:
    """E-mail → ids of the active users who have it; remembered, unless there is none."""
    memo: dict[str, list[str]] = org.api.memo.setdefault("users by e-mail", {})
    unknown = sorted(email for email in emails if email not in memo)
    found: dict[str, list[str]] = defaultdict(list)
    for chunk in chunks(unknown, CHUNK):
        where = f"IsActive = true AND UserType = 'Standard' AND {among('Email', chunk)}"
        for row in org.query(select(("Id", "Email"), "User", where=where, order="Id")):
            found[str(row["Email"]).casefold()].append(str(row["Id"]))
    memo.update(found)
    return memo


def _plan(update: Update, people: Mapping[str, list[str]]) -> Plan:
    if update.record.object not in FIELDS or not _ID.fullmatch(update.record.id):
        name = f"{update.record.object}:{update.record.id}"
        return Plan(update=update).refused(f"{name} cannot be written: it is no {', '.join(FIELDS)} with an id of 18")
    return Plan(update=update, wanted=update.fields).with_owner(people, "active user")


def _write(org: Org, plans: Plans) -> list[Pushed]:
    """One collection and its read-back; one that is refused as a whole is halved until the culprits stand alone."""
    try:
        body = {"allOrNone": False, "records": [_row(plan) for plan in plans]}
        answered = org.call("PATCH", "composite/sobjects", json=body).json()
    except CrmUnavailable as error:
        return [plan.failed(error) for plan in plans]
    except CrmRefused as error:
        if len(plans) == 1:
            return [plans[0].failed(error)]
        middle = len(plans) // 2
        return [*_write(org, plans[:middle]), *_write(org, plans[middle:])]
    answers = answered if isinstance(answered, list) else []
    if len(answers) != len(plans):
        reason = "Salesforce answered for another number of records than were sent"
        return [plan.pushed(PushOutcome.LATER, reason) for plan in plans]
    good = {plan.id for plan, answer in zip(plans, answers, strict=True) if answer.get("success") is True}
    shown = _shown(org, [plan for plan in plans if plan.id in good])
    return [
        shown[plan.id] if plan.id in good else plan.failed(failure_of(answer.get("errors")))
        for plan, answer in zip(plans, answers, strict=True)
    ]


def _row(plan: Plan) -> dict[str, Any]:
    """The record in a collection."""
    return {"attributes": {"type": plan.update.record.object}, "id": plan.id, **plan.wanted}


def _shown(org: Org, plans: Plans) -> dict[str, Pushed]:
    """What the records that were written show, by id."""
    try:
        rows = _read_back(org, plans)
    except (CrmUnavailable, CrmRefused) as error:
        return {plan.id: plan.unread(error) for plan in plans}
    return {plan.id: plan.shown(rows.get(plan.id)) for plan in plans}


def _read_back(org: Org, plans: Plans) -> dict[str, Mapping[str, Any]]:
    if not plans:
        return {}
    names = ("Id", *(name for plan in plans for name in plan.wanted))
    where = among("Id", (plan.id for plan in plans))
    rows = org.query(select(names, plans[0].update.record.object, where=where))
    return {str(row["Id"]): row for row in rows}
