"""Writes updates to AMIS CRM as arrays, resource by resource, reads the records back, and says what they show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.amis.client import LATER_CODES, PAGE, Said
from adapters.amis.read import Reader
from adapters.amis.records import ORDERS, Row
from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.rest import chunks
from connector.adapter_kit.update_plan import Plan
from connector.core.errors import CrmRefused, CrmUnavailable

STAGE: Final = "stage"
"""What mappings call the field of the setting `stage_field`."""
_NO_FIELD: Final = "AMIS CRM has no such field, and ignores it"


def push(reader: Reader, updates: Sequence[Update], owners: Mapping[str, str], form_layout: str) -> list[Pushed]:
    """The result of each update, in order. `owners`: e-mail → name. Raises nothing."""
    plans = [_plan(update, owners, reader) for update in updates]
    said: dict[str, Pushed] = {plan.update.key: plan.settled() for plan in plans if not plan.wanted}
    by_resource: dict[str, list[Plan]] = defaultdict(list)
    for plan in plans:
        if plan.wanted:
            by_resource[plan.update.record.object].append(plan)
    for resource, mine in by_resource.items():
        for chunk in chunks(mine, PAGE):
            said |= _write(reader, resource, chunk, form_layout)
    return [said[plan.update.key] for plan in plans]


def _plan(update: Update, owners: Mapping[str, str], reader: Reader) -> Plan:
    resource = update.record.object
    if resource not in reader.resources or resource == ORDERS or ":" in update.record.id:
        refusal = f"{resource}:{update.record.id} cannot be written: only customers and contacts of AMIS CRM can"
        return Plan(update=update).refused(refusal)
    field = reader.reading.stage_field
    wanted = {(field if name == STAGE else name): value for name, value in update.fields.items()}
    people = {email: [name] for email, name in owners.items()}
    return Plan(update=update, wanted=wanted).with_owner(people, "entry of the setting owners (<e-mail>=<name>)")


def _write(reader: Reader, resource: str, plans: Sequence[Plan], form_layout: str) -> dict[str, Pushed]:
    """The results by update of one array; where it is refused as a whole, each record is sent by itself."""
    layout = {"form_layout": form_layout} if form_layout else {}
    body = [{"id": _number(plan.id), **layout, **plan.wanted} for plan in plans]
    try:
        said = reader.crm.call("PUT", f"/{resource}", body=body)
        is_whole = not said.is_good and not said.results
        if is_whole and said.code in LATER_CODES:
            raise said.error()
        if is_whole and len(plans) > 1:
            alone = [_write(reader, resource, [plan], form_layout) for plan in plans]
            return {key: one for results in alone for key, one in results.items()}
        rows = reader.records(plan.name for plan in plans)
    except (CrmUnavailable, CrmRefused) as error:
        return {plan.update.key: plan.failed(error) for plan in plans}
    failures = _failures(said, plans)
    return {plan.update.key: _result(plan, rows.get(plan.name), failures.get(plan.name)) for plan in plans}


def _result(plan: Plan, row: Row | None, failure: str | None) -> Pushed:
    """What the record shows; a failure that AMIS named counts before it, unless the record is gone."""
    if row is None:
        return plan.pushed(PushOutcome.GONE, "the record does not exist any more")
    return plan.settled([failure]) if failure else plan.shown(row, lacks=_NO_FIELD)


def _failures(said: Said, plans: Sequence[Plan]) -> dict[str, str]:
    """The records that were not written, with the reason; results name the record's id, or stand in its place."""
    names = {plan.id: plan.name for plan in plans}
    found: dict[str, str] = {}
    for place, result in enumerate(said.results):
        data = result.get("data")
        given = result.get("id") or (data.get("id") if isinstance(data, dict) else data)
        name = names.get(str(given)) or (plans[place].name if place < len(plans) else None)
        if name and result.get("success") is False:
            found[name] = _why(result)
    if not said.is_good and not found:
        return {plan.name: said.text for plan in plans}
    return found


def _why(result: Mapping[str, Any]) -> str:
    infos = next((result[name] for name in ("validate_infos", "validate_result") if result.get(name)), None)
    rows = [row for row in infos if isinstance(row, dict)] if isinstance(infos, list) else []
    texts = [f"{row.get('field_name') or '?'}: {row.get('error_message') or 'refused'}" for row in rows]
    plain = result.get("error_message") or result.get("user_msg") or result.get("UserMsg")
    return "; ".join(texts) or str(plain or "AMIS refused the record, without a reason")


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) < 19 else text  # noqa: PLR2004 - 64 bits
