"""Writes updates to HubSpot in batches, empties a lifecycle stage before it goes back, and reads all of it back.

https://developers.hubspot.com/docs/api-reference/latest/crm/using-object-apis
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.hubspot.client import BATCH, OBJECTS, good, refusal, said_by
from adapters.hubspot.plan import is_same, plan_of
from adapters.hubspot.read import NOT_FOUND, Reader
from adapters.hubspot.records import Record, value_of
from connector.adapter_kit.contract import Answer, Pushed, PushOutcome, Update
from connector.adapter_kit.owners import by_email, has_owner
from connector.adapter_kit.rest import chunks, is_good, listed, named
from connector.adapter_kit.update_plan import Failure, Plan
from connector.core.errors import CrmRefused, CrmUnavailable

LIFECYCLE: Final = "lifecyclestage"
LADDER: Final = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
"""HubSpot takes moves along it; to any other stage the property has to be emptied first."""


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was tried yet.

    What refuses the records of one object, such as a missing scope, refuses no others.
    """
    people = by_email(reader.directory.people()) if has_owner(updates) else {}
    plans = [plan_of(update, people) for update in updates]
    results = {plan.update.key: plan.settled() for plan in plans}
    writing: dict[str, list[Plan]] = defaultdict(list)
    for plan in plans:
        if plan.wanted:
            writing[plan.update.record.object].append(plan)
    for record_object, waiting in writing.items():
        for chunk in chunks(waiting, BATCH):
            results |= {one.key: one for one in _Writing(reader=reader, object=record_object).write(chunk)}
    return [results[update.key] for update in updates]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writing:
    """Batch writes to the records of one object."""

    reader: Reader
    object: str

    def write(self, plans: Sequence[Plan]) -> list[Pushed]:
        """At most 100 updates: what must be emptied first, then the values, then the read-back."""
        try:
            failures = self._update([(plan.id, {LIFECYCLE: ""}) for plan in self._backward(plans)])
            left = [plan for plan in plans if plan.id not in failures]
            failures |= self._update([(plan.id, plan.wanted) for plan in left])
            written = [plan for plan in plans if plan.id not in failures]
            records = self._records(written)
        except (CrmUnavailable, CrmRefused) as error:
            return [plan.failed(error) for plan in plans]
        shown = {of: record.get("properties") or {} for of, record in records.items()}
        return [
            plan.failed(failures[plan.id]) if plan.id in failures else plan.shown(shown.get(plan.id), is_same)
            for plan in plans
        ]

    def _backward(self, plans: Sequence[Plan]) -> list[Plan]:
        moving = [plan for plan in plans if plan.wanted.get(LIFECYCLE)]
        records = self._records(moving)
        return [
            plan
            for plan in moving
            if (record := records.get(plan.id))
            and (shown := value_of(record, LIFECYCLE))
            and shown != plan.wanted[LIFECYCLE]
            and not _is_forward(shown, plan.wanted[LIFECYCLE])
        ]

    def _records(self, plans: Sequence[Plan]) -> dict[str, Record]:
        names = sorted({name for plan in plans for name in plan.wanted})
        inputs = [{"id": plan.id} for plan in plans]
        account = self.reader.account
        rows = account.batch(self._path("read"), inputs, BATCH, properties=names) if inputs else []
        return {str(row["id"]): row for row in rows}

    def _update(self, inputs: Sequence[tuple[str, Mapping[str, str]]]) -> dict[str, Failure]:
        """The records that were not written, and why."""
        if not inputs:
            return {}
        body = {"inputs": [{"id": of, "properties": dict(values)} for of, values in inputs]}
        answer = self.reader.account.post(self._path("update"), body)
        if is_good(answer):
            return self._left_out(inputs, good(answer))
        if answer.status in {401, 403}:
            raise CrmRefused(refusal(answer))
        if len(inputs) == 1:
            return {inputs[0][0]: self._failure(inputs[0][0], answer)}
        # One bad value refuses the whole batch without saying whose it is: halves find it, and write the others.
        middle = len(inputs) // 2
        return self._update(inputs[:middle]) | self._update(inputs[middle:])

    def _left_out(self, inputs: Sequence[tuple[str, Any]], body: Mapping[str, Any]) -> dict[str, Failure]:
        written = {str(named(row).get("id")) for row in listed(body.get("results"))}
        errors = [named(error) for error in listed(body.get("errors"))]
        failures: dict[str, Failure] = {}
        for record_id, _ in inputs:
            if record_id in written:
                continue
            own = [error for error in errors if record_id in _ids(error)] or [one for one in errors if not _ids(one)]
            if own and own[0].get("category") == "OBJECT_NOT_FOUND":
                failures[record_id] = self._gone(record_id)
            elif own:
                failures[record_id] = Failure(outcome=PushOutcome.REFUSED, reason=f"HubSpot: {said_by(own[0])}")
            else:
                failures[record_id] = Failure(
                    outcome=PushOutcome.LATER, reason="HubSpot left the record out of its answer"
                )
        return failures

    def _failure(self, record_id: str, answer: Answer) -> Failure:
        if answer.status == NOT_FOUND:
            return self._gone(record_id)
        return Failure(outcome=PushOutcome.REFUSED, reason=refusal(answer))

    def _gone(self, record_id: str) -> Failure:
        """A record that a batch does not find was deleted, or merged into one that only a single read tells."""
        record = self.reader.single(self.object, record_id, ())
        if record is None:
            return Failure(outcome=PushOutcome.GONE, reason="the record was deleted in HubSpot")
        if str(record["id"]) == record_id:
            return Failure(outcome=PushOutcome.LATER, reason="HubSpot did not find the record at first")
        return Failure(outcome=PushOutcome.GONE, reason=f"the record was merged into {record['id']}")

    def _path(self, what: str) -> str:
        return self.reader.account.path("objects", f"/{OBJECTS[self.object]}/batch/{what}")


def _is_forward(shown: str, wanted: str) -> bool:
    return shown in LADDER and wanted in LADDER and LADDER.index(shown) < LADDER.index(wanted)


def _ids(error: Mapping[str, Any]) -> list[str]:
    return [str(of) for of in listed(named(error.get("context")).get("ids"))]
