"""Writes updates to Salesforce in collections of 200, reads the records back, and says per update what they show.

https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-sobjects-collections-update.html
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

from adapters.salesforce_records import FIELDS
from adapters.salesforce_rest import Org, failure_of
from adapters.salesforce_soql import among, chunks, select
from connector.adapter import Outcome, Pushed, Update
from connector.core.errors import CrmRefused, CrmUnavailable

_ID: Final = re.compile(r"[A-Za-z0-9]{18}")
_SHOWN: Final = 60
Plans: TypeAlias = Sequence["Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes; `refusal`: what of it cannot be written."""

    update: Update
    wanted: Mapping[str, Any] = field(default_factory=dict)
    refusal: str | None = None

    @property
    def id(self) -> str:
        """The record's id."""
        return self.update.record.id

    def body(self) -> dict[str, Any]:
        """The record in a collection."""
        return {"attributes": {"type": self.update.record.object}, "id": self.id, **self.wanted}

    def settled(self) -> Pushed:
        """The result of a plan that has nothing (more) to write."""
        return self.pushed(Outcome.REFUSED, self.refusal) if self.refusal else self.pushed(Outcome.DONE)

    def shown(self, row: Mapping[str, Any] | None) -> Pushed:
        """The result by what the record shows after it was written."""
        if row is None:
            return self.pushed(Outcome.LATER, "written, but Salesforce did not show the record afterwards")
        wrong = [
            f"{name} shows {_word(row.get(name))} in place of {_word(value)}"
            for name, value in self.wanted.items()
            if not _is_same(row.get(name), value)
        ]
        return replace(self, refusal="; ".join([*wrong, *([self.refusal] if self.refusal else [])])).settled()

    def pushed(self, outcome: Outcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)

    def failed(self, error: CrmUnavailable | CrmRefused) -> Pushed:
        """The result when a whole call failed."""
        if isinstance(error, CrmUnavailable):
            return self.pushed(Outcome.LATER, str(error), error.retry_after)
        return self.pushed(Outcome.REFUSED, str(error))


def push(org: Org, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when nothing was tried yet."""
    people = _people(org, {update.owner for update in updates if update.owner and update.owner_field})
    plans = [_plan(update, people) for update in updates]
    results = {plan.update.key: plan.settled() for plan in plans if not plan.wanted}
    writing = [plan for plan in plans if plan.wanted]
    # A collection of one type is one transaction chunk; of mixed ones at most ten are allowed.
    for record_object in sorted({plan.update.record.object for plan in writing}):
        own = [plan for plan in writing if plan.update.record.object == record_object]
        for chunk in chunks(own):
            results |= {one.key: one for one in _write(org, chunk)}
    return [results[update.key] for update in updates]


def _people(org: Org, emails: Iterable[str]) -> dict[str, list[str]]:
    """E-mail → ids of the active users who have it; remembered, unless there is none."""
    memo: dict[str, list[str]] = org.api.memo.setdefault("users by e-mail", {})
    unknown = sorted(email for email in emails if email.casefold() not in memo)
    found: dict[str, list[str]] = defaultdict(list)
    for chunk in chunks(unknown):
        where = f"IsActive = true AND UserType = 'Standard' AND {among('Email', chunk)}"
        for row in org.query(select(("Id", "Email"), "User", where=where, order="Id")):
            found[str(row["Email"]).casefold()].append(str(row["Id"]))
    memo.update(found)
    return memo


def _plan(update: Update, people: Mapping[str, list[str]]) -> Plan:
    if update.record.object not in FIELDS or not _ID.fullmatch(update.record.id):
        name = f"{update.record.object}:{update.record.id}"
        return Plan(update=update, refusal=f"{name} cannot be written: it is no {', '.join(FIELDS)} with an id of 18")
    if not update.owner or not update.owner_field:
        return Plan(update=update, wanted=update.fields)
    ids = people.get(update.owner.casefold(), [])
    if len(ids) == 1:
        return Plan(update=update, wanted={**update.fields, update.owner_field: ids[0]})
    # The rest is written all the same: a wrong owner must not keep the status away.
    found = f"{len(ids)} active users have" if ids else "no active user has"
    return Plan(update=update, wanted=update.fields, refusal=f"{update.owner_field}: {found} the e-mail {update.owner}")


def _write(org: Org, plans: Plans) -> list[Pushed]:
    """One collection and its read-back; one that is refused as a whole is halved until the culprits stand alone."""
    try:
        body = {"allOrNone": False, "records": [plan.body() for plan in plans]}
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
        return [plan.pushed(Outcome.LATER, reason) for plan in plans]
    good = {plan.id for plan, answer in zip(plans, answers, strict=True) if answer.get("success") is True}
    shown = _shown(org, [plan for plan in plans if plan.id in good])
    return [
        shown[plan.id] if plan.id in good else _refused(plan, answer)
        for plan, answer in zip(plans, answers, strict=True)
    ]


def _shown(org: Org, plans: Plans) -> dict[str, Pushed]:
    """What the records that were written show, by id."""
    try:
        rows = _read_back(org, plans)
    except (CrmUnavailable, CrmRefused) as error:
        late = f"written, but not read back: {error}"
        return {plan.id: plan.pushed(Outcome.LATER, late) for plan in plans}
    return {plan.id: plan.shown(rows.get(plan.id)) for plan in plans}


def _refused(plan: Plan, answer: Mapping[str, Any]) -> Pushed:
    failure = failure_of(answer.get("errors"))
    return plan.pushed(failure.outcome, failure.reason, failure.retry_after)


def _read_back(org: Org, plans: Plans) -> dict[str, Mapping[str, Any]]:
    if not plans:
        return {}
    names = ("Id", *(name for plan in plans for name in plan.wanted))
    where = among("Id", (plan.id for plan in plans))
    rows = org.query(select(names, plans[0].update.record.object, where=where))
    return {str(row["Id"]): row for row in rows}


def _word(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:_SHOWN]


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value, as far as Salesforce writes one value in several ways."""
    if isinstance(wanted, bool):
        return shown is wanted
    if wanted is None or wanted == "":
        return shown in (None, "")
    left, right = str(shown).strip(), str(wanted).strip()
    if left == right:
        return True
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        pass
    try:
        return datetime.fromisoformat(left) == datetime.fromisoformat(right)
    except (ValueError, TypeError):
        return False
