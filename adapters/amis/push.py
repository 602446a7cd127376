"""Writes updates to AMIS CRM as arrays, resource by resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from adapters.amis.client import CLOSED_CODES, LATER_CODES, PAGE, Envelope
from adapters.amis.read import Source
from adapters.amis.records import ORDERS
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, Written, push_in_batches
from connector.adapter_kit.rest import RecordGone
from connector.core.errors import CrmRefused

STAGE: Final = "stage"
"""What mappings call the field of the setting `stage_field`."""


class ArrayRefused(CrmRefused):
    """An array that AMIS refused as a whole."""


class Plan(KitPlan):
    """What one update writes."""

    __slots__ = ()
    LACKS: ClassVar[str | None] = "AMIS CRM has no such field, and ignores it"


def push(source: Source, updates: Sequence[Update], owners: Mapping[str, str], form_layout: str) -> list[Pushed]:
    """The result of each update, in order. `owners`: e-mail → name. Raises nothing."""
    writer = Writer(source=source, owners=owners, form_layout=form_layout)
    return push_in_batches(updates, writer.plan, writer.write, writer.read, size=PAGE, undone_by=(ArrayRefused,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates. `owners`: e-mail → name."""

    source: Source
    owners: Mapping[str, str]
    form_layout: str

    def plan(self, update: Update) -> Plan:
        """What the update writes."""
        record, resources = update.record, self.source.resources
        if record.object not in resources or record.object == ORDERS or ":" in record.id:
            message = f"{record.name} cannot be written: only customers and contacts of AMIS CRM can"
            raise CrmRefused(message)
        field = self.source.shape.stage_field
        wanted = {(field if name == STAGE else name): value for name, value in update.fields.items()}
        people = {email: [name] for email, name in self.owners.items()}
        plan = Plan(update=update, wanted=wanted)
        return plan.with_owner(people, "entry of the setting owners (<e-mail>=<name>)")

    def write(self, plans: Sequence[Plan]) -> Written[Plan]:
        """One array; its failures by record, of which those count as gone that are not there."""
        layout = {"form_layout": self.form_layout} if self.form_layout else {}
        body = [{"id": _number(plan.id), **layout, **plan.wanted} for plan in plans]
        envelope = self.source.crm.call("PUT", f"/{plans[0].object}", body=body)
        if not envelope.is_good and not envelope.results:
            if envelope.code in LATER_CODES | CLOSED_CODES:
                raise envelope.error()
            if len(plans) > 1:
                raise ArrayRefused(envelope.text)
        failures = _failures(envelope, plans)
        records = self.source.records(failures)
        return [
            CrmRefused(failures[plan.name])
            if records.get(plan.name)
            else RecordGone()
            if plan.name in records
            else None
            for plan in plans
        ]

    def read(self, plans: Sequence[Plan]) -> Shown:
        """The records as they are now."""
        records = self.source.records(plan.name for plan in plans)
        return [records[plan.name] or RecordGone() for plan in plans]


def _failures(envelope: Envelope, plans: Sequence[Plan]) -> dict[str, str]:
    """The records that were not written, with the reason; results name the record's id, or stand in its place."""
    names = {plan.id: plan.name for plan in plans}
    found: dict[str, str] = {}
    for place, result in enumerate(envelope.results):
        data = result.get("data")
        given = result.get("id") or (data.get("id") if isinstance(data, dict) else data)
        name = names.get(str(given)) or (plans[place].name if place < len(plans) else None)
        if name and result.get("success") is False:
            found[name] = _why(result)
    if not envelope.is_good and not found:
        return {plan.name: envelope.text for plan in plans}
    return found


def _why(result: Mapping[str, Any]) -> str:
    infos = next((result[name] for name in ("validate_infos", "validate_result") if result.get(name)), None)
    rows = [row for row in infos if isinstance(row, dict)] if isinstance(infos, list) else []
    texts = [f"{row.get('field_name') or '?'}: {row.get('error_message') or 'refused'}" for row in rows]
    plain = result.get("error_message") or result.get("user_msg") or result.get("UserMsg")
    return "; ".join(texts) or str(plain or "AMIS refused the record, without a reason")


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) < 19 else text  # noqa: PLR2004 - 64 bits
