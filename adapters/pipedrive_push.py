"""Writes updates to Pipedrive one by one, as it has no batch, and reads them back a hundred at a time.

https://developers.pipedrive.com/docs/api/v1/Deals#updateDeal
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from adapters.pipedrive_reads import Reader
from adapters.pipedrive_records import CUSTOM, Record
from adapters.pipedrive_rest import NOT_FOUND, OBJECTS, refusal
from connector.adapter import Outcome, Person, Pushed, Update
from connector.core.errors import CrmRefused, CrmUnavailable

NUMBERS: Final = frozenset({"stage_id", "pipeline_id", "owner_id", "person_id", "org_id", "organization_id"})
"""v2 takes no text for a number."""
TRUE_FALSE: Final = frozenset({"is_archived", "was_seen"})
_WHOLE: Final = re.compile(r"[0-9]{1,18}")
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes, field → value; `refusal`: what of it cannot be written."""

    update: Update
    wanted: Mapping[str, Any] = field(default_factory=dict)
    refusal: str | None = None

    def body(self) -> dict[str, Any]:
        """The body of the call: custom fields stand apart, but not in those of leads."""
        plain = {name: value for name, value in self.wanted.items() if not CUSTOM.fullmatch(name)}
        custom = {name: value for name, value in self.wanted.items() if CUSTOM.fullmatch(name)}
        if not custom or self.update.record.object == "lead":
            return plain | custom
        return plain | {"custom_fields": custom}

    def shown(self, record: Record | None) -> Pushed:
        """The result by what the record shows after the write."""
        if record is None:
            return self.pushed(Outcome.LATER, "written, but Pipedrive did not show the record afterwards")
        values = {**(record.get("custom_fields") or {}), **record}
        return self.settled(
            [
                f"{name} shows {str(values.get(name))[:_SHOWN]!r} in place of {str(value)[:_SHOWN]!r}"
                for name, value in self.wanted.items()
                if not _is_same(values.get(name), value)
            ]
        )

    def settled(self, wrong: Sequence[str] = ()) -> Pushed:
        """The result of a plan with nothing (more) to write."""
        reasons = [*wrong, *([self.refusal] if self.refusal else [])]
        return self.pushed(Outcome.REFUSED, "; ".join(reasons)) if reasons else self.pushed(Outcome.DONE)

    def stopped(self, error: CrmUnavailable | CrmRefused) -> Pushed:
        """The result of a call that failed."""
        if isinstance(error, CrmUnavailable):
            return self.pushed(Outcome.LATER, str(error), error.retry_after)
        return self.pushed(Outcome.REFUSED, str(error))

    def pushed(self, outcome: Outcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was tried yet."""
    people = reader.people() if any(update.owner and update.owner_field for update in updates) else []
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
            results |= {left.update.key: left.stopped(error) for left in plans[place:] if left.wanted}
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
        return plan.pushed(Outcome.GONE, "the record was deleted in Pipedrive, or merged into another one")
    if answer.status in {401, 402}:
        raise CrmRefused(refusal(answer))
    return None if answer.status // 100 == 2 else plan.pushed(Outcome.REFUSED, refusal(answer))  # noqa: PLR2004


def _read_back(reader: Reader, record_object: str, plans: Sequence[Plan]) -> list[Pushed]:
    try:
        records = reader.company.by_id(record_object, [plan.update.record.id for plan in plans])
    except (CrmUnavailable, CrmRefused) as error:
        return [plan.stopped(error) for plan in plans]
    return [plan.shown(records.get(plan.update.record.id)) for plan in plans]


def _plan(update: Update, people: Sequence[Person], pipelines: Mapping[str, Any]) -> Plan:
    record_object = update.record.object
    if record_object not in OBJECTS:
        return Plan(update=update, refusal=f"records of the object {record_object!r} cannot be written")
    wanted = {name: _value(name, value) for name, value in update.fields.items()}
    if (stage := update.fields.get("stage_id")) is not None:
        home = pipelines.get(str(stage))
        wanted = {**({"pipeline_id": home} if home is not None else {}), **wanted}
    if not update.owner or not update.owner_field:
        return Plan(update=update, wanted=wanted)
    email = update.owner.casefold()
    owner = next((one.id for one in people if one.is_active and one.email == email), None)
    if owner:
        return Plan(update=update, wanted={**wanted, update.owner_field: int(owner)})
    # The rest is written all the same: a wrong owner must not keep the status away.
    return Plan(update=update, wanted=wanted, refusal=f"no active user of Pipedrive has the e-mail {update.owner}")


def _value(name: str, value: Any) -> Any:
    """A value in the type that the field takes."""
    if name in NUMBERS and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if name in TRUE_FALSE and isinstance(value, str):
        return value.casefold() in {"true", "yes", "1"}
    return value


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value, as far as Pipedrive writes one value in several ways."""
    if isinstance(wanted, bool) or isinstance(shown, bool):
        return shown is wanted
    if wanted in (None, ""):
        return shown in (None, "", [])
    left, right = str(shown).strip(), str(wanted).strip()
    if left == right:
        return True
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        return False
