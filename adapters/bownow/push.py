"""Writes updates to BowNow lead by lead, and reads all of them back together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from adapters.bownow.read import GONE, Source
from adapters.bownow.records import LEAD, Lead, id_of, ids_of
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.owners import people_for
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import Shown, Written, push_in_batches
from connector.adapter_kit.rest import RecordGone, is_good, refused
from connector.core.errors import AccessRefused, CrmError, CrmRefused, CrmUnavailable

_BUSY: Final = frozenset({408, 409, 423, 425})
_STAFF: Final = "staff_ids"
_LISTS: Final = frozenset({_STAFF, "tag_ids"})


class Plan(KitPlan):
    """What one update writes; lists with what stays in them."""

    __slots__ = ()
    LACKS: ClassVar[str | None] = "the lead has no such field; see the settings `keys` and `calls`"


def push(source: Source, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when leads cannot be read before."""
    try:
        people, who = people_for(updates, source.people, lambda id_: [_number(id_)]), "account of BowNow"
    except AccessRefused:
        raise
    except CrmRefused as error:
        why = f"they cannot be listed: {error}; give their ids by the setting `accounts`"
        people, who = {}, f"account of BowNow ({why})"
    # Lists are replaced as a whole: the other persons in charge and tags must be known to stay.
    mixed = [update.record.id for update in updates if _LISTS & {*update.fields, update.owner and update.owner_field}]
    before = source.leads(mixed) if mixed else {}
    writer = Writer(source=source, people=people, who=who, before=before)
    return push_in_batches(updates, writer.plan, writer.write, writer.read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates. `people`: e-mail → lists of the account's id; `before`: leads as they are, by sid.

    `who`: what those with an e-mail are called, or why they are not known.
    """

    source: Source
    people: Mapping[str, list[Any]]
    who: str
    before: Mapping[str, Lead | None]

    def plan(self, update: Update) -> Plan:
        """What the update writes. Raises `RecordGone` where the lead is not there."""
        if update.record.object != LEAD:
            message = f"records of the object {update.record.object!r} cannot be written; BowNow has leads"
            raise CrmRefused(message)
        wanted = {name: _typed(name, value) for name, value in update.fields.items()}
        plan = Plan(update=update, wanted=wanted).with_owner(self.people, self.who)
        lead = self.before.get(plan.id, {})
        if lead is None:
            raise RecordGone
        joined = {name: self._joined(name, value, lead) for name, value in plan.wanted.items()}
        return Plan(update=update, wanted=joined, refusals=plan.refusals)

    def write(self, plans: Sequence[Plan]) -> Written[Plan]:
        """One lead. A failure that names a time to come back is the account's, and is raised."""
        (plan,) = plans
        keys, account = self.source.shape.keys, self.source.account
        values = {keys.get(name, name): value for name, value in plan.wanted.items()}
        try:
            answer = account.call("write", {keys["root"]: values} if keys["root"] else values, sid=plan.id)
        except CrmUnavailable as error:
            if error.retry_after is not None:
                raise
            return [error]
        except CrmRefused as error:
            return [error]
        if is_good(answer):
            return [None]
        if answer.status in GONE:
            return [RecordGone()]
        text = account.answer_text("write", answer)
        return [CrmUnavailable(text) if answer.status in _BUSY else refused(answer.status, text)]

    def read(self, plans: Sequence[Plan]) -> Shown:
        """The leads by the mapping's names."""
        leads = self.source.leads(plan.id for plan in plans)
        return [self._shown(plan, leads[plan.id]) for plan in plans]

    def _joined(self, name: str, value: Any, lead: Lead) -> Any:
        """A list with what stays of the one before: of persons in charge all but the first, of tags all."""
        if name not in _LISTS:
            return value
        there = ids_of(lead.get(self.source.shape.keys[name]))
        stays = there[1:] if name == _STAFF else there
        return [_number(id_) for id_ in dict.fromkeys([*map(str, value), *stays])]

    def _shown(self, plan: Plan, lead: Lead | None) -> Mapping[str, Any] | CrmError:
        if lead is None:
            return RecordGone()
        keys = {name: self.source.shape.keys.get(name, name) for name in plan.wanted}
        return {name: _as_wanted(name, lead[key], plan.wanted[name]) for name, key in keys.items() if key in lead}


def _as_wanted(name: str, shown: Any, wanted: Any) -> Any:
    """A shown value as it is written: an object by its id, a list as wanted where owner and others are in it."""
    if name not in _LISTS:
        return id_of(shown) if isinstance(shown, dict) else shown
    there, expected = ids_of(shown), [str(id_) for id_ in wanted]
    is_first = name != _STAFF or there[:1] == expected[:1]
    return wanted if is_first and set(expected) <= set(there) else shown


def _typed(name: str, value: Any) -> Any:
    """Ids as numbers where they are such, as BowNow's examples write them; a single tag as a list."""
    if name in _LISTS:
        return [_number(id_) for id_ in (value if isinstance(value, list | tuple) else [value])]
    return _number(value) if name == "status_id" else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else value  # noqa: PLR2004 - 64 bits
