"""Writes updates to BowNow lead by lead, reads all of them back together, and says per update what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.bownow.read import GONE, Reader
from adapters.bownow.records import LEAD, Lead, id_of, ids_of
from connector.adapter_kit.contract import Answer, Pushed, PushOutcome, Update
from connector.adapter_kit.owners import people_for
from connector.adapter_kit.rest import is_good
from connector.adapter_kit.update_plan import Plan, is_same, shows
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable

_BUSY: Final = frozenset({408, 409, 423, 425})
_LISTS: Final = frozenset({"staff_ids", "tag_ids"})


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was written yet."""
    people, who = _people(reader, updates)
    plans = [_plan(update, people, who) for update in updates]
    # Lists are replaced as a whole: the other persons in charge and tags must be known to stay.
    mixed = [plan.id for plan in plans if _LISTS & plan.wanted.keys()]
    before = reader.leads(mixed) if mixed else {}
    results: list[Pushed | None] = []
    rest: CrmUnavailable | None = None
    for plan in plans:
        if rest is not None and plan.wanted:
            results.append(plan.failed(rest))
            continue
        try:
            results.append(_write(reader, plan, before) if plan.wanted else plan.settled())
        except CrmUnavailable as error:
            rest = error if error.retry_after is not None else None
            results.append(plan.failed(error))
    return _read_back(reader, plans, results, before)


def _people(reader: Reader, updates: Sequence[Update]) -> tuple[Mapping[str, list[Any]], str]:
    """E-mail → list of the account's id, and what those who have one are called, or why they are not known."""
    try:
        return people_for(updates, reader.people, lambda of: [_number(of)]), "account of BowNow"
    except CrmRefused as error:
        why = f"they cannot be listed: {error}; give their ids by the setting `accounts`"
        return {}, f"account of BowNow ({why})"


def _plan(update: Update, people: Mapping[str, list[Any]], who: str) -> Plan:
    if update.record.object != LEAD:
        return Plan(update=update).refused(
            f"records of the object {update.record.object!r} cannot be written; BowNow has leads"
        )
    wanted = {name: _typed(name, value) for name, value in update.fields.items()}
    return Plan(update=update, wanted=wanted).with_owner(people, who)


def _write(reader: Reader, plan: Plan, before: Mapping[str, Lead | None]) -> Pushed | None:
    """None: it was written, and is to be read back. Raises `CrmUnavailable`."""
    keys, lead = reader.reading.keys, before.get(plan.id, {})
    if lead is None:
        return plan.pushed(PushOutcome.GONE, "the lead does not exist any more")
    values = {keys.get(name, name): _joined(name, value, lead, keys) for name, value in plan.wanted.items()}
    body = {keys["root"]: values} if keys["root"] else values
    try:
        answer = reader.account.call("write", body, sid=plan.id)
    except CrmUnavailable:
        raise
    except CrmError as error:
        return plan.pushed(PushOutcome.REFUSED, str(error))
    return _answered(reader, plan, answer)


def _answered(reader: Reader, plan: Plan, answer: Answer) -> Pushed | None:
    if is_good(answer):
        return None
    if answer.status in GONE:
        return plan.pushed(PushOutcome.GONE, "the lead does not exist any more")
    outcome = PushOutcome.LATER if answer.status in _BUSY else PushOutcome.REFUSED
    return plan.pushed(outcome, reader.account.said("write", answer))


def _joined(name: str, value: Any, lead: Lead, keys: Mapping[str, str]) -> Any:
    """A list with what stays of the one before: of persons in charge all but the first, of tags all."""
    if name not in _LISTS:
        return value
    there = ids_of(lead.get(keys[name]))
    stays = there[1:] if name == "staff_ids" else there
    wanted = [str(one) for one in value]
    return [_number(one) for one in dict.fromkeys([*wanted, *stays])]


def _read_back(
    reader: Reader, plans: Sequence[Plan], results: Sequence[Pushed | None], before: Mapping[str, Lead | None]
) -> list[Pushed]:
    written = [plan.id for plan, result in zip(plans, results, strict=True) if result is None]
    try:
        after = reader.leads(written) if written else {}
    except CrmError as error:
        return [result or plan.unread(error) for plan, result in zip(plans, results, strict=True)]
    return [
        result or _shown(reader, plan, after.get(plan.id), before.get(plan.id) or {})
        for plan, result in zip(plans, results, strict=True)
    ]


def _shown(reader: Reader, plan: Plan, lead: Lead | None, before: Lead) -> Pushed:
    """The result by what the lead shows."""
    if lead is None:
        return plan.pushed(PushOutcome.GONE, "the lead does not exist any more")
    keys, wrong = reader.reading.keys, []
    for name, value in plan.wanted.items():
        key = keys.get(name, name)
        if key not in lead:
            wrong.append(f"{name} is not shown: the lead has no field {key!r}; see the settings `keys` and `calls`")
        elif not _is_same(name, lead[key], _joined(name, value, before, keys)):
            wrong.append(shows(name, lead[key], value))
    return plan.settled(wrong)


def _is_same(name: str, shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value; of lists the first counts for the owner, and the rest in any order."""
    if name in _LISTS:
        there, expected = ids_of(shown), [str(one) for one in wanted]
        is_first = name != "staff_ids" or there[:1] == expected[:1]
        return is_first and set(expected) <= set(there)
    return is_same(id_of(shown) if isinstance(shown, dict) else shown, wanted)


def _typed(name: str, value: Any) -> Any:
    """Ids as numbers where they are such, as BowNow's examples write them; a single tag as a list."""
    if name in _LISTS:
        return [_number(one) for one in (value if isinstance(value, list | tuple) else [value])]
    return _number(value) if name == "status_id" else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else value  # noqa: PLR2004 - 64 bits
