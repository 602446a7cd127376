"""Writes updates to a Bitrix24 portal in batches, each with the commands that read the records back; fires triggers.

https://apidocs.bitrix24.com/api-reference/crm/universal/crm-item-update.html and
https://apidocs.bitrix24.com/api-reference/crm/automation/crm-automation-trigger.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from adapters.bitrix24.client import Command
from adapters.bitrix24.read import TRIGGER, TRIGGERED, Source
from adapters.bitrix24.records import Item, full_stage, new_name, type_of
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, push_in_batches
from connector.adapter_kit.push_in_batches import is_same as is_same_value
from connector.core.errors import CrmError, CrmRefused

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUE: Final = frozenset({"Y", "1", "True"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(KitPlan):
    """What one update writes, by the mapping's names. `trigger`: the code of the automation trigger that it fires."""

    LACKS: ClassVar[str | None] = "the portal has no such field, and ignores it"

    trigger: str | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write or to fire."""
        return not self.wanted and self.trigger is None

    def command(self) -> Command:
        """The call that writes it."""
        values = {
            "entityTypeId": type_of(self.object),
            "id": self.id,
            "fields": {new_name(name): value for name, value in self.wanted.items()},
            "useOriginalUfNames": "Y",
        }
        return ("crm.item.update", values)

    def shown(self, item: Item) -> dict[str, Any]:
        """The fields of an item by the mapping's names."""
        return {name: item[new_name(name)] for name in self.wanted if new_name(name) in item}

    def is_same(self, shown: Any, wanted: Any) -> bool:
        """Whether a field shows a value, as far as the portal writes one value in several ways."""
        if isinstance(wanted, bool):
            return (str(shown) in _TRUE) is wanted
        if isinstance(wanted, list | tuple):
            return isinstance(shown, list) and sorted(map(str, shown)) == sorted(map(str, wanted))
        if wanted is None or wanted == "":
            return shown in (None, "", 0, "0", [], False)
        is_day = bool(_DATE.fullmatch(str(wanted).strip()))
        return is_same_value(shown, wanted) or (is_day and str(shown).startswith(str(wanted).strip()))


def push(source: Source, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when employees or records cannot be read before."""
    unplaced = [update.record.name for update in updates if _is_unplaced(update)]
    writer = Writer(source=source, people=_people(source, updates), before=source.items(unplaced))
    size = source.writes_per_request({update.record.object for update in updates})
    return push_in_batches(updates, writer.plan, writer.write, writer.read, size=size, kind=lambda _: "all objects")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates. `people`: e-mail → ids; `before`: the records whose pipeline is to be known.

    `after`: the records as the requests that wrote them showed them.
    """

    source: Source
    people: Mapping[str, Sequence[int]]
    before: Mapping[str, Item]
    after: dict[str, Item] = field(default_factory=dict)

    def plan(self, update: Update) -> Plan:
        """What the update writes, with its stage as the record's pipeline calls it: `WON` is `C5:WON` in pipeline 5."""
        record = update.record
        if type_of(record.object) is None:
            message = f"records of the object {record.object!r} cannot be written"
            raise CrmRefused(message)
        trigger = str(update.fields.get(TRIGGER) or "") or None
        if trigger and record.object not in TRIGGERED:
            message = f"TRIGGER: only {' and '.join(TRIGGERED)} have triggers that can be fired"
            raise CrmRefused(message)
        wanted = {name: value for name, value in update.fields.items() if name != TRIGGER}
        names = {new_name(name): name for name in wanted}
        if stage := names.get("stageId"):
            given = wanted.get(names.get("categoryId", ""), self.before.get(record.name, {}).get("categoryId"))
            wanted[stage] = full_stage(record.object, int(given or 0), str(wanted[stage]))
        return Plan(update=update, wanted=wanted, trigger=trigger).with_owner(
            self.people, "active employee of the portal"
        )

    def write(self, plans: Sequence[Plan]) -> list[Plan]:
        """Fire the triggers, then one request: the updates, and behind them the commands that read the records back."""
        fired = self._fire(plans)
        writing = [plan for plan in fired if plan.result is None and plan.wanted]
        names = [plan.name for plan in writing]
        written, items = self.source.after([plan.command() for plan in writing], names) if writing else ([], {})
        self.after.update(items)
        failures = {name: error for name, error in zip(names, written, strict=True) if isinstance(error, CrmError)}
        return [plan.ended(failures[plan.name]) if plan.name in failures else plan for plan in fired]

    def read(self, plans: Sequence[Plan]) -> Shown:
        """What the requests that wrote the records showed of them."""
        return [plan.shown(self.after[plan.name]) if plan.name in self.after else None for plan in plans]

    def _fire(self, plans: Sequence[Plan]) -> list[Plan]:
        """The plans after their triggers; of one that failed nothing else is written.

        A record that shows all other fields already has been there before: its trigger is not fired again.
        """
        items = self.source.items([plan.name for plan in plans if plan.trigger and plan.wanted])
        due = [plan for plan in plans if plan.trigger and (not plan.wanted or _differs(plan, items.get(plan.name)))]
        commands = [
            ("crm.automation.trigger", {"target": plan.name.replace(":", "_").upper(), "code": plan.trigger})
            for plan in due
        ]
        results = zip(due, self.source.portal.batch(commands), strict=True)
        failures = {plan.name: error for plan, error in results if isinstance(error, CrmError)}
        return [plan.ended(failures[plan.name]) if plan.name in failures else plan for plan in plans]


def _is_unplaced(update: Update) -> bool:
    """Whether the update has a stage, whose pipeline only the record tells."""
    names = set(map(new_name, update.fields))
    is_staged = "stageId" in names and "categoryId" not in names
    return is_staged and update.record.object != "lead" and type_of(update.record.object) is not None


def _people(source: Source, updates: Sequence[Update]) -> dict[str, list[int]]:
    """E-mail → id of the active employee who has it; remembered, unless there is none."""
    memo: dict[str, list[int]] = source.portal.api.memo.setdefault("employees by e-mail", {})
    emails = {update.owner for update in updates if update.owner and update.owner_field}
    unknown = sorted(email for email in emails if email.casefold() not in memo)
    found = source.portal.batch([("user.get", {"FILTER": {"EMAIL": email}}) for email in unknown])
    for email, rows in zip(unknown, found, strict=True):
        if isinstance(rows, CrmError):
            raise rows
        for row in rows:
            # A scope without e-mails leaves the filter and the field out: what comes then may be anybody.
            if str(row.get("EMAIL")).strip().casefold() == email.casefold() and row.get("ACTIVE") is not False:
                memo[email.casefold()] = [int(row["ID"])]
    return memo


def _differs(plan: Plan, item: Item | None) -> bool:
    return any(plan.differences(plan.shown(item or {})))
