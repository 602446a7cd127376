"""Writes updates to Pipedrive one by one, as it has no batch, and reads them back a hundred at a time.

https://developers.pipedrive.com/docs/api/v1/Deals#updateDeal
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.pipedrive.client import NOT_FOUND, OBJECTS, refusal
from adapters.pipedrive.read import Reader
from adapters.pipedrive.records import CUSTOM
from connector.adapter_kit import update_plan
from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.owners import by_email, has_owner
from connector.adapter_kit.rest import is_good
from connector.adapter_kit.update_plan import is_same
from connector.core.errors import CrmRefused, CrmUnavailable

NUMBERS: Final = frozenset({"stage_id", "pipeline_id", "owner_id", "person_id", "org_id", "organization_id"})
"""v2 takes no text for a number."""
TRUE_FALSE: Final = frozenset({"is_archived", "was_seen"})
_WHOLE: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(update_plan.Plan):
    """What one update writes, field → value."""

    def body(self) -> dict[str, Any]:
        """The body of the call: custom fields stand apart, but not in those of leads."""
        plain = {name: value for name, value in self.wanted.items() if not CUSTOM.fullmatch(name)}
        custom = {name: value for name, value in self.wanted.items() if CUSTOM.fullmatch(name)}
        if not custom or self.update.record.object == "lead":
            return plain | custom
        return plain | {"custom_fields": custom}


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was tried yet."""
    people = by_email(reader.people(), int) if has_owner(updates) else {}
    has_stage = any("stage_id" in update.fields for update in updates)
    pipelines = {str(row["id"]): row["pipeline_id"] for row in reader.stages()} if has_stage else {}
    plans = [_plan(update, people, pipelines) for update in updates]
    results = {plan.update.key: plan.settled() for plan in plans}
    written: dict[str, list[Plan]] = defaultdict(list)
    for place, plan in enumerate(plans):
        if not plan.wanted:
            continue
        try:
            failed = _write(reader, plan)
        except (CrmUnavailable, CrmRefused) as error:
            # What nobody gives for one record is not to be had for those after it either.
            results |= {left.update.key: left.failed(error) for left in plans[place:] if left.wanted}
            break
        if failed:
            results[failed.key] = failed
        else:
            written[plan.update.record.object].append(plan)
    for record_object, waiting in written.items():
        results |= {pushed.key: pushed for pushed in _read_back(reader, record_object, waiting)}
    return [results[update.key] for update in updates]


def _write(reader: Reader, plan: Plan) -> Pushed | None:
    """None: it was taken. Raises `CrmUnavailable`, and `CrmRefused` where no other update would be taken either."""
    record = plan.update.record
    answer = reader.company.call("PATCH", f"{OBJECTS[record.object]}/{record.id}", plan.body())
    if answer.status in NOT_FOUND:
        return plan.pushed(PushOutcome.GONE, "the record was deleted in Pipedrive, or merged into another one")
    if answer.status in {401, 402}:
        raise CrmRefused(refusal(answer))
    return None if is_good(answer) else plan.pushed(PushOutcome.REFUSED, refusal(answer))


def _read_back(reader: Reader, record_object: str, plans: Sequence[Plan]) -> list[Pushed]:
    try:
        records = reader.company.by_id(record_object, [plan.id for plan in plans])
    except (CrmUnavailable, CrmRefused) as error:
        return [plan.failed(error) for plan in plans]
    shown = {of: {**(record.get("custom_fields") or {}), **record} for of, record in records.items()}
    return [plan.shown(shown.get(plan.id), _is_same) for plan in plans]


def _plan(update: Update, people: Mapping[str, Sequence[int]], pipelines: Mapping[str, Any]) -> Plan:
    record_object = update.record.object
    if record_object not in OBJECTS:
        return Plan(update=update).refused(f"records of the object {record_object!r} cannot be written")
    wanted = {name: _value(name, value) for name, value in update.fields.items()}
    if (stage := update.fields.get("stage_id")) is not None:
        home = pipelines.get(str(stage))
        wanted = {**({"pipeline_id": home} if home is not None else {}), **wanted}
    return Plan(update=update, wanted=wanted).with_owner(people, "active user of Pipedrive")


def _value(name: str, value: Any) -> Any:
    """A value in the type that the field takes."""
    if name in NUMBERS and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if name in TRUE_FALSE and isinstance(value, str):
        return value.casefold() in {"true", "yes", "1"}
    return value


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value; an empty list of labels is nothing."""
    return is_same(None if shown == [] else shown, wanted)
