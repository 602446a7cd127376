"""Writes updates to Zoho CRM in batches of 100 and by blueprint, reads back, says per update what the records show.

https://www.zoho.com/crm/developer/docs/api/v8/update-records.html
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from adapters.zoho_blueprint import move
from adapters.zoho_reads import Reader
from adapters.zoho_records import FIELDS, STAGES, id_of
from adapters.zoho_rest import Account, Failure, Row, among, chunks, failure_of
from connector.adapter import Outcome, Pushed, Update
from connector.core.errors import CrmRefused, CrmUnavailable

BATCH: Final = 100
_BLUEPRINT: Final = "RECORD_IN_BLUEPRINT"
_ID: Final = re.compile(r"[0-9]{1,25}")
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes; `owner`: the field and id of the owner; `refusal`: what of it cannot be written.

    `failure`: what Zoho said to it; `excuse`: why the stage could not be moved, which counts where it is not shown.
    """

    update: Update
    wanted: Mapping[str, Any] = field(default_factory=dict)
    refusal: str | None = None
    failure: Failure | None = None
    excuse: str | None = None

    @property
    def id(self) -> str:
        """The record's id."""
        return self.update.record.id

    @property
    def stage(self) -> str:
        """The name of the stage's field, which may be written or not."""
        return STAGES.get(self.update.record.object, "")

    def body(self) -> dict[str, Any]:
        """The record in a batch."""
        return {"id": self.id, **self.wanted}

    def result(self, row: Row | None) -> Pushed:
        """The result by what Zoho said and what the record shows after it was written."""
        if self.failure is not None:
            return self.pushed(self.failure.outcome, self.failure.reason, self.failure.retry_after)
        if self.wanted and row is None:
            return self.pushed(Outcome.LATER, "written, but Zoho did not show the record afterwards")
        wrong = [
            f"{name} shows {_word(shown)} in place of {_word(value)}"
            for name, value in self.wanted.items()
            if not _is_same(shown := (row or {}).get(name), value)
        ]
        is_excused = self.excuse and any(one.startswith(f"{self.stage} ") for one in wrong)
        reasons = [
            *wrong,
            *([self.excuse] if is_excused and self.excuse else []),
            *([self.refusal] if self.refusal else []),
        ]
        return self.pushed(Outcome.REFUSED, "; ".join(reasons)) if reasons else self.pushed(Outcome.DONE)

    def pushed(self, outcome: Outcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)


def push(reader: Reader, updates: Sequence[Update], trigger: Sequence[str]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when nothing was tried yet."""
    needs_owner = any(update.owner and update.owner_field for update in updates)
    people = _people(reader.users()) if needs_owner else {}
    plans = [_plan(update, people) for update in updates]
    results = {plan.update.key: plan.result({}) for plan in plans if not plan.wanted}
    by_module: dict[str, list[Plan]] = defaultdict(list)
    for plan in plans:
        if plan.wanted:
            by_module[plan.update.record.object].append(plan)
    for module, own in by_module.items():
        for chunk in chunks(own, BATCH):
            written = _write_all(reader.account, module, chunk, trigger)
            results |= {one.key: one for one in _read_back(reader.account, module, written)}
    return [results[update.key] for update in updates]


def _people(users: Sequence[Row]) -> dict[str, list[str]]:
    """E-mail → ids of the active users who have it."""
    people: dict[str, list[str]] = defaultdict(list)
    for row in users:
        if row.get("status") == "active" and row.get("email"):
            people[str(row["email"]).casefold()].append(str(row["id"]))
    return people


def _plan(update: Update, people: Mapping[str, list[str]]) -> Plan:
    if update.record.object not in FIELDS or not _ID.fullmatch(update.record.id):
        name = f"{update.record.object}:{update.record.id}"
        return Plan(update=update, refusal=f"{name} cannot be written: it is no record of {', '.join(FIELDS)}")
    if not update.owner or not update.owner_field:
        return Plan(update=update, wanted=update.fields)
    ids = people.get(update.owner.casefold(), [])
    if len(ids) == 1:
        return Plan(update=update, wanted={**update.fields, update.owner_field: {"id": ids[0]}})
    # The rest is written all the same: a wrong owner must not keep the status away.
    found = f"{len(ids)} active users have" if ids else "no active user has"
    return Plan(update=update, wanted=update.fields, refusal=f"{update.owner_field}: {found} the e-mail {update.owner}")


def _write_all(account: Account, module: str, plans: Sequence[Plan], trigger: Sequence[str]) -> list[Plan]:
    """A batch, and for records under a blueprint the transition and then the rest; with what Zoho said to each."""
    said = _write(account, module, [plan.body() for plan in plans], trigger)
    written = [replace(plan, failure=failure) for plan, failure in zip(plans, said, strict=True)]
    caught = [
        place
        for place, plan in enumerate(written)
        if plan.failure and plan.failure.code == _BLUEPRINT and plan.stage in plan.wanted
    ]
    rests: dict[int, dict[str, Any]] = {}
    for place in caught:
        plan = written[place]
        try:
            excuse = move(account, module, plan.id, plan.stage, str(plan.wanted[plan.stage]))
        except CrmUnavailable as error:
            written[place] = replace(plan, failure=_later(error))
            continue
        except CrmRefused as error:
            excuse = f"{plan.stage}: {error}"
        written[place] = replace(plan, failure=None, excuse=excuse)
        rest = {name: value for name, value in plan.body().items() if name != plan.stage}
        if len(rest) > 1:
            rests[place] = rest
    again = _write(account, module, list(rests.values()), trigger)
    for place, failure in zip(rests, again, strict=True):
        written[place] = replace(written[place], failure=failure)
    return written


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
    waiting = [plan for plan in plans if plan.failure is None]
    rows: dict[str, Row] = {}
    try:
        for chunk in chunks(waiting):
            names = (name for plan in chunk for name in plan.wanted)
            found = account.select(names, module, among(plan.id for plan in chunk))
            rows |= {str(row["id"]): row for row in found}
    except (CrmUnavailable, CrmRefused) as error:
        late = _later(CrmUnavailable(f"written, but not read back: {error}"))
        return [plan.result(None) if plan.failure else replace(plan, failure=late).result(None) for plan in plans]
    return [plan.result(rows.get(plan.id)) for plan in plans]


def _later(error: CrmUnavailable) -> Failure:
    return Failure(outcome=Outcome.LATER, code="", reason=str(error), retry_after=error.retry_after)


def _word(value: Any) -> str:
    return "nothing" if value is None else repr(id_of(value) or value)[:_SHOWN]


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value, as far as Zoho writes one value in several ways."""
    if isinstance(wanted, dict):
        return id_of(shown) == id_of(wanted)
    if isinstance(wanted, bool):
        return shown is wanted
    if wanted is None or wanted == "":
        return shown in (None, "")
    left, right = str(shown).strip(), str(wanted).strip()
    return left == right or _is_equal(left, right)


def _is_equal(left: str, right: str) -> bool:
    """Whether two texts are the same number or the same instant."""
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        pass
    try:
        return datetime.fromisoformat(left) == datetime.fromisoformat(right)
    except (ValueError, TypeError):
        return False
