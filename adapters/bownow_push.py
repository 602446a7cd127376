"""Writes updates to BowNow lead by lead, reads all of them back together, and says per update what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.bownow_leads import LEAD, Lead, id_of, ids_of
from adapters.bownow_reads import GONE, Reader
from adapters.bownow_rest import is_good
from connector.adapter import Answer, Outcome, Pushed, Update
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable

_SHOWN: Final = 60
_BUSY: Final = frozenset({408, 409, 423, 425})
_LISTS: Final = frozenset({"staff_ids", "tag_ids"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes, by the mapping's names; `refusal`: what it cannot write."""

    update: Update
    wanted: Mapping[str, Any]
    refusal: str | None = None

    @property
    def sid(self) -> str:
        """The lead."""
        return self.update.record.id

    def pushed(self, outcome: Outcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)

    def settled(self, wrong: Sequence[str] = ()) -> Pushed:
        """The result of a plan that has nothing (more) to write. `wrong`: what the lead shows otherwise."""
        reasons = [*wrong, *([self.refusal] if self.refusal else [])]
        return self.pushed(Outcome.REFUSED, "; ".join(reasons)) if reasons else self.pushed(Outcome.DONE)


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was written yet."""
    people, why = _people(reader, {update.owner for update in updates if update.owner and update.owner_field})
    plans = [_plan(update, people, why) for update in updates]
    # Lists are replaced as a whole: the other persons in charge and tags must be known to stay.
    mixed = [plan.sid for plan in plans if _LISTS & plan.wanted.keys()]
    before = reader.leads(mixed) if mixed else {}
    results: list[Pushed | None] = []
    rest: CrmUnavailable | None = None
    for plan in plans:
        if rest is not None and plan.wanted:
            results.append(plan.pushed(Outcome.LATER, str(rest), rest.retry_after))
            continue
        try:
            results.append(_write(reader, plan, before) if plan.wanted else plan.settled())
        except CrmUnavailable as error:
            rest = error if error.retry_after is not None else None
            results.append(plan.pushed(Outcome.LATER, str(error), error.retry_after))
    return _read_back(reader, plans, results, before)


def _people(reader: Reader, emails: set[str]) -> tuple[Mapping[str, str], str]:
    """E-mail → account id, and why one may be missing; the directory is asked anew for one that it did not have."""
    if not emails:
        return {}, ""
    try:
        found = {person.email: person.id for person in reader.people() if person.email}
        if emails - found.keys():
            found = {person.email: person.id for person in reader.people(is_fresh=True) if person.email}
    except CrmRefused as error:
        return {}, f"the accounts cannot be listed ({error}); give their ids by the setting `accounts`"
    return found, "no account of BowNow has the e-mail"


def _plan(update: Update, people: Mapping[str, str], why: str) -> Plan:
    if update.record.object != LEAD:
        refusal = f"records of the object {update.record.object!r} cannot be written; BowNow has leads"
        return Plan(update=update, wanted={}, refusal=refusal)
    wanted = {name: _typed(name, value) for name, value in update.fields.items()}
    if not update.owner or not update.owner_field:
        return Plan(update=update, wanted=wanted)
    if owner := people.get(update.owner):
        return Plan(update=update, wanted={**wanted, update.owner_field: [_number(owner)]})
    # The rest is written all the same: a wrong owner must not keep the status away.
    refusal = f"{update.owner_field}: {why}: {update.owner}"
    return Plan(update=update, wanted=wanted, refusal=refusal)


def _write(reader: Reader, plan: Plan, before: Mapping[str, Lead | None]) -> Pushed | None:
    """None: it was written, and is to be read back. Raises `CrmUnavailable`."""
    keys, lead = reader.reading.keys, before.get(plan.sid, {})
    if lead is None:
        return plan.pushed(Outcome.GONE, "the lead does not exist any more")
    values = {keys.get(name, name): _joined(name, value, lead, keys) for name, value in plan.wanted.items()}
    body = {keys["root"]: values} if keys["root"] else values
    try:
        answer = reader.account.call("write", body, sid=plan.sid)
    except CrmUnavailable:
        raise
    except CrmError as error:
        return plan.pushed(Outcome.REFUSED, str(error))
    return _answered(reader, plan, answer)


def _answered(reader: Reader, plan: Plan, answer: Answer) -> Pushed | None:
    if is_good(answer):
        return None
    if answer.status in GONE:
        return plan.pushed(Outcome.GONE, "the lead does not exist any more")
    outcome = Outcome.LATER if answer.status in _BUSY else Outcome.REFUSED
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
    written = [plan.sid for plan, result in zip(plans, results, strict=True) if result is None]
    try:
        after = reader.leads(written) if written else {}
    except CrmError as error:
        retry_after = error.retry_after if isinstance(error, CrmUnavailable) else None
        reason = f"written, but it could not be read back: {error}"
        return [
            result or plan.pushed(Outcome.LATER, reason, retry_after)
            for plan, result in zip(plans, results, strict=True)
        ]
    return [
        result or _shown(reader, plan, after.get(plan.sid), before.get(plan.sid) or {})
        for plan, result in zip(plans, results, strict=True)
    ]


def _shown(reader: Reader, plan: Plan, lead: Lead | None, before: Lead) -> Pushed:
    """The result by what the lead shows."""
    if lead is None:
        return plan.pushed(Outcome.GONE, "the lead does not exist any more")
    keys, wrong = reader.reading.keys, []
    for name, value in plan.wanted.items():
        key = keys.get(name, name)
        if key not in lead:
            wrong.append(f"{name} is not shown: the lead has no field {key!r}; see the settings `keys` and `calls`")
        elif not _is_same(name, lead[key], _joined(name, value, before, keys)):
            wrong.append(f"{name} shows {repr(lead[key])[:_SHOWN]} in place of {repr(value)[:_SHOWN]}")
    return plan.settled(wrong)


def _is_same(name: str, shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value; of lists the first counts for the owner, and the rest in any order."""
    if name in _LISTS:
        there, expected = ids_of(shown), [str(one) for one in wanted]
        is_first = name != "staff_ids" or there[:1] == expected[:1]
        return is_first and set(expected) <= set(there)
    if wanted in (None, ""):
        return shown in (None, "")
    return (id_of(shown) if isinstance(shown, dict) else str(shown)) == str(wanted)


def _typed(name: str, value: Any) -> Any:
    """Ids as numbers where they are such, as BowNow's examples write them; a single tag as a list."""
    if name in _LISTS:
        return [_number(one) for one in (value if isinstance(value, list | tuple) else [value])]
    return _number(value) if name == "status_id" else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else value  # noqa: PLR2004 - 64 bits
