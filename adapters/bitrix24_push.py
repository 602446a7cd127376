"""Writes updates to a Bitrix24 portal in batches, reads the records back, and says per update what they show.

https://apidocs.bitrix24.com/api-reference/crm/universal/crm-item-update.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from adapters.bitrix24_items import Item, full_stage, name_of, new_name, type_of
from adapters.bitrix24_reads import Reader
from adapters.bitrix24_rest import Command, Failure
from connector.adapter import Outcome, Pushed, Update
from connector.core.errors import CrmUnavailable

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUE: Final = frozenset({"Y", "1", "True"})
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes: name in `crm.item.*` → name in the mapping, value; `refusal`: what it cannot write."""

    update: Update
    wanted: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    refusal: str | None = None

    @property
    def name(self) -> str:
        """The record, `lead:1907`."""
        return name_of(self.update.record)

    def command(self) -> Command:
        """The call that writes it."""
        record = self.update.record
        fields = {name: value for name, (_, value) in self.wanted.items()}
        return (
            "crm.item.update",
            {"entityTypeId": type_of(record.object), "id": record.id, "fields": fields, "useOriginalUfNames": "Y"},
        )

    def settled(self) -> Pushed:
        """The result of a plan that has nothing (more) to write."""
        return self.pushed(Outcome.REFUSED, self.refusal) if self.refusal else self.pushed(Outcome.DONE)

    def shown(self, written: Any, item: Item | None) -> Pushed:
        """The result by what the write answered and what the record shows after it."""
        if isinstance(written, Failure):
            return self.pushed(written.outcome, written.reason, written.retry_after)
        if item is None:
            return self.pushed(Outcome.LATER, "written, but the portal did not show the record afterwards")
        wrong = [
            text for name, (given, value) in self.wanted.items() if (text := _difference(given, name, value, item))
        ]
        return replace(self, refusal="; ".join([*wrong, *([self.refusal] if self.refusal else [])])).settled()

    def pushed(self, outcome: Outcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was tried yet."""
    people = _people(reader, {update.owner for update in updates if update.owner and update.owner_field})
    plans = _in_their_pipelines(reader, [_plan(update, people) for update in updates])
    results = [plan.settled() for plan in plans]
    writing = [place for place, plan in enumerate(plans) if plan.wanted]
    size = reader.writes_per_request({plans[place].update.record.object for place in writing})
    for start in range(0, len(writing), size):
        chunk = writing[start : start + size]
        made = _write(reader, [plans[place] for place in chunk], is_first=start == 0)
        for place, result in zip(chunk, made, strict=True):
            results[place] = result
    return results


def _people(reader: Reader, emails: Iterable[str | None]) -> dict[str, str]:
    """E-mail → id of the active employee who has it; remembered, unless there is none."""
    memo = reader.portal.api.memo
    unknown = sorted(email for email in emails if email and f"id of {email}" not in memo)
    found = reader.portal.batch([("user.get", {"FILTER": {"EMAIL": email}}) for email in unknown])
    for email, rows in zip(unknown, found, strict=True):
        if isinstance(rows, Failure):
            raise rows.error()
        for row in rows:
            # A scope without e-mails leaves the filter and the field out: what comes then may be anybody.
            if str(row.get("EMAIL")).strip().casefold() == email.casefold() and row.get("ACTIVE") is not False:
                memo[f"id of {email}"] = str(row["ID"])
    return {email: memo[f"id of {email}"] for email in emails if email and f"id of {email}" in memo}


def _plan(update: Update, people: Mapping[str, str]) -> Plan:
    record_object = update.record.object
    if type_of(record_object) is None:
        return Plan(update=update, refusal=f"records of the object {record_object!r} cannot be written")
    wanted = {new_name(name): (name, value) for name, value in update.fields.items()}
    if not update.owner or not update.owner_field:
        return Plan(update=update, wanted=wanted)
    if owner := people.get(update.owner):
        wanted[new_name(update.owner_field)] = (update.owner_field, int(owner))
        return Plan(update=update, wanted=wanted)
    # The rest is written all the same: a wrong owner must not keep the status away.
    return Plan(update=update, wanted=wanted, refusal=f"no active employee of the portal has the e-mail {update.owner}")


def _in_their_pipelines(reader: Reader, plans: Sequence[Plan]) -> list[Plan]:
    """The plans with their stages as the record's pipeline calls them: `WON` is `C5:WON` in pipeline 5."""
    unclear = [
        plan.name
        for plan in plans
        if "stageId" in plan.wanted and "categoryId" not in plan.wanted and plan.update.record.object != "lead"
    ]
    items = reader.bare(unclear)
    placed = []
    for plan in plans:
        if "stageId" in plan.wanted:
            given, stage = plan.wanted["stageId"]
            _, category = plan.wanted.get("categoryId", ("", items.get(plan.name, {}).get("categoryId")))
            full = full_stage(plan.update.record.object, int(category or 0), str(stage))
            placed.append(replace(plan, wanted={**plan.wanted, "stageId": (given, full)}))
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
        return [plan.pushed(Outcome.LATER, str(error), error.retry_after) for plan in plans]
    return [plan.shown(result, items.get(plan.name)) for plan, result in zip(plans, written, strict=True)]


def _difference(given: str, name: str, value: Any, item: Item) -> str | None:
    """What a field shows instead of the wanted value; None: it shows it."""
    if name not in item:
        return f"{given} is not shown: the portal has no such field, and ignores it"
    if _is_same(item[name], value):
        return None
    return f"{given} shows {repr(item[name])[:_SHOWN]}, wanted {repr(value)[:_SHOWN]}"


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value, as far as the portal writes one value in several ways."""
    if isinstance(wanted, bool):
        return (str(shown) in _TRUE) is wanted
    if isinstance(wanted, list | tuple):
        return isinstance(shown, list) and sorted(map(str, shown)) == sorted(map(str, wanted))
    if wanted is None or wanted == "":
        return shown in (None, "", 0, "0", [], False)
    left, right = str(shown).strip(), str(wanted).strip()
    return left == right or (bool(_DATE.fullmatch(right)) and left.startswith(right)) or _is_equal(left, right)


def _is_equal(left: str, right: str) -> bool:
    """Whether two texts are the same number (`12500.00`, `12500`) or the same instant in two offsets."""
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        pass
    try:
        return datetime.fromisoformat(left) == datetime.fromisoformat(right)
    except ValueError:
        return False
