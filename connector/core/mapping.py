"""How one connection's stages, events, fields and owners become ours: the rules of a mapping, and what they translate.

`updates` is the way back: what a record should show of its subject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from connector.core.errors import Unmapped
from connector.core.event import BIT, Conflict, Counting, Event, FieldValue, IdentityKind, Kind, Step
from connector.core.identity import IDENTIFY_BY

IGNORE: Final = "ignore"
Goal: TypeAlias = str | tuple[str, ...]
"""A status; or several: the nth different record (or event) of a subject gives the nth, the last from then on."""
Reader: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""A compiled expression over an event's data. It never raises; what it cannot read is None."""
Template: TypeAlias = Callable[[Mapping[str, str]], str]
"""A compiled text template over `updates.template_names(...)`."""


class Backward(StrEnum):
    """What a stage that moves down the ladder does."""

    FOLLOW = "follow"
    IGNORE = "ignore"


class Policy(StrEnum):
    """What an event without an entry does: wait for sales ops, or pass by."""

    HOLD = "hold"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRule:
    """A trigger attached to a status: `on` is their event word; `when` is None where it always fires."""

    id: str
    on: str
    jump_to: Goal
    when: Reader | None = None
    may_reopen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """Our profile field `name`, read from their data (already typed), and whose value wins."""

    name: str
    read: Reader
    conflict: Conflict = Conflict.NEWEST


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerRule:
    """How their owner becomes ours: by the e-mail that their directory gives, or by an explicit table id → e-mail."""

    source: str | None = None
    table: Mapping[str, str] | None = None
    conflict: Conflict = Conflict.NEWEST
    unknown: Policy = Policy.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRule:
    """What a record of one object should show: fields per status, text fields by template, the field of the owner.

    `new_leads`: each subject that becomes a lead from now on gets one such record, whose id is the subject's and which
    the push makes; it is not written again.
    """

    status: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fields: Mapping[str, Template] = field(default_factory=dict)
    owner: str | None = None
    new_leads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRules:
    """One version of a connection's mapping. `stages`: object → pipeline (`""` where it has none) → stage → status.

    `region`: the country (ISO 3166-1) of phone numbers that are written without their country. `identify_by`: what
    identifies people beside their records, the strongest first. `columns`: what a file of people says → its headings,
    any of which a file may have; `date_format` of its dates, such as `DD/MM/YYYY`. `takes_stand_ins`: whether the
    system is told of records that e-mails and phones stand in for.
    """

    adapter: str
    region: str | None = None
    identify_by: tuple[IdentityKind, ...] = IDENTIFY_BY
    backward: Backward = Backward.FOLLOW
    unmapped: Policy = Policy.HOLD
    stages: Mapping[str, Mapping[str, Mapping[str, Goal]]] = field(default_factory=dict)
    triggers: tuple[TriggerRule, ...] = ()
    actions: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[FieldRule, ...] = ()
    owner: OwnerRule | None = None
    push: Mapping[str, PushRule] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    date_format: str | None = None
    takes_stand_ins: bool = False

    def status_of(self, record_object: str, pipeline: str | None, stage: str) -> Goal | None:
        """The status (or `ignore`, or statuses by count) that a stage stands for; None when it is unmapped."""
        return self.stages.get(record_object, {}).get(pipeline or "", {}).get(stage)

    def action_of(self, name: str) -> str | None:
        """The action (or `ignore`) that an event word counts as; None: it has no entry. Our own words need none.

        Where no entry is written the same, one that differs in capitals or spaces around it only will do: sites write
        `Form Submitted` and `form submitted` for the same.
        """
        found = self.actions.get(name, name if name in BIT else None)
        if found is not None:
            return found
        same = name.strip().casefold()
        return next((action for word, action in self.actions.items() if word.strip().casefold() == same), None)

    def stands_for(self, record_object: str, pipeline: str | None, stage: str, status: str) -> bool:
        """Whether a stage stands for a status, alone or among others."""
        goal = self.status_of(record_object, pipeline, stage)
        return status in goal if isinstance(goal, tuple) else goal == status != IGNORE


def translate(event: Event, rules: MappingRules) -> tuple[Step, ...]:
    """The steps that an event is to the engine; none when it is ignored on purpose. Raises `Unmapped` (held)."""
    return _TRANSLATE[event.kind](event, rules)


def _stage(event: Event, rules: MappingRules, name: str | None = None) -> tuple[Step, ...]:
    stage_object = event.record.object if event.record else ""
    stage = event.stage or ""
    if event.stage == "":
        return ()  # a field that was emptied says nothing of how far somebody is
    to = rules.status_of(stage_object, event.pipeline, stage)
    if to is None:
        place = f"{stage_object} / {event.pipeline} / {stage}" if event.pipeline else f"{stage_object} / {stage}"
        return _unmapped("stage", place, rules)
    if to == IGNORE:
        return ()
    is_forward_only = rules.backward is Backward.IGNORE
    goal = _goal(event, to, "stage", stage_object, thing=event.record.id if event.record else "")
    return (_step(event, Kind.JUMP, name, by="crm", is_forward_only=is_forward_only, **goal),)


def _trigger(event: Event, rules: MappingRules) -> tuple[Step, ...]:
    name = event.name or ""
    attached = [rule for rule in rules.triggers if name in (rule.id, rule.on)]
    return _fired(event, attached) if attached else _unmapped("trigger", name, rules)


def _action(event: Event, rules: MappingRules) -> tuple[Step, ...]:
    name = event.name or ""
    same = name.strip().casefold()
    attached = [rule for rule in rules.triggers if rule.on.strip().casefold() == same]
    action = rules.action_of(name)
    if action is None and not attached:
        return _unmapped("action", name, rules)
    fired = _fired(event, attached) if attached else ()
    if action is None or action == IGNORE:
        return fired
    return (*fired, _step(event, Kind.ACTION, action=action, page=event.page, session=event.session))


def _fired(event: Event, attached: list[TriggerRule]) -> tuple[Step, ...]:
    """A step for each attached trigger whose condition holds."""
    return tuple(
        _step(
            event,
            Kind.TRIGGER,
            name=rule.id,
            trigger=rule.id,
            may_reopen=rule.may_reopen,
            **_goal(event, rule.jump_to, "trigger", rule.id, thing=event.key),
        )
        for rule in attached
        if rule.when is None or rule.when(event.data)
    )


def _goal(event: Event, goal: Goal, what: str, name: str, *, thing: str) -> dict[str, Any]:
    """Where a step leads. A connection counts for itself; stages of an object with the same statuses count as one."""
    if isinstance(goal, str):
        return {"to": goal}
    connection = event.key.partition(":")[0] if ":" in event.key else ""
    counter = ":".join((connection, what, name, *goal))
    return {"counting": Counting(counter=counter, thing=thing, statuses=goal, counted=name)}


def _owner(event: Event, rules: MappingRules, name: str | None = None) -> tuple[Step, ...]:
    rule = rules.owner
    if rule is None:
        return ()
    email = event.owner_email if rule.table is None else rule.table.get(event.owner or "")
    if event.owner is not None and email is None:
        if rule.unknown is Policy.IGNORE:
            return ()
        what = "owner"
        raise Unmapped(what, event.owner)
    return (_step(event, Kind.OWNER, name, owner=email, conflict=rule.conflict),)


def _profile(event: Event, rules: MappingRules, name: str | None = None) -> tuple[Step, ...]:
    values = {
        rule.name: FieldValue(value=value, conflict=rule.conflict)
        for rule in rules.fields
        if (value := rule.read(event.data)) is not None
    }
    return (_step(event, Kind.PROFILE, name, fields=values, source=_source(event)),) if values else ()


def _source(event: Event) -> str:
    """What gives the event's fields: its record, or its connection where it is about none."""
    connection = event.key.partition(":")[0]
    return connection if event.record is None else f"{connection}:{event.record.name}"


def _record(event: Event, rules: MappingRules) -> tuple[Step, ...]:
    """A record as a whole: who it is, its fields, its owner and its stage, as steps of their own names."""
    return (
        _step(event, Kind.IDENTIFY),
        *_profile(event, rules, Kind.PROFILE.value),
        *(_owner(event, rules, Kind.OWNER.value) if event.owner is not None else ()),
        *(_stage(event, rules, Kind.STAGE.value) if event.stage is not None else ()),
    )


def _identify(event: Event, _rules: MappingRules) -> tuple[Step, ...]:
    return (_step(event, Kind.IDENTIFY),)


def _tag(event: Event, _rules: MappingRules) -> tuple[Step, ...]:
    return (_step(event, Kind.TAG, tag=event.tag, is_removed=event.is_removed),)


def _not_theirs(event: Event, rules: MappingRules) -> tuple[Step, ...]:
    """Adapters read stages, never statuses and rules: an event that says `jump` or `run` is held."""
    return _unmapped("event", event.kind.value, rules)


def _deleted(_event: Event, _rules: MappingRules) -> tuple[Step, ...]:
    return ()


def _unmapped(what: str, name: str, rules: MappingRules) -> tuple[Step, ...]:
    """No steps where the mapping ignores what it has no entry for. Raises `Unmapped` where it holds it."""
    if rules.unmapped is Policy.IGNORE:
        return ()
    raise Unmapped(what, name)


def _step(event: Event, kind: Kind, name: str | None = None, **values: Any) -> Step:
    step_id = event.key if name is None else f"{event.key}#{name}"
    return Step(
        id=step_id,
        at=event.at,
        kind=kind,
        is_lead=event.is_lead,
        sequence=event.sequence,
        read_at=event.read_at,
        **values,
    )


_TRANSLATE: Final = {
    Kind.STAGE: _stage,
    Kind.JUMP: _not_theirs,
    Kind.RUN: _not_theirs,
    Kind.TRIGGER: _trigger,
    Kind.ACTION: _action,
    Kind.OWNER: _owner,
    Kind.PROFILE: _profile,
    Kind.IDENTIFY: _identify,
    Kind.TAG: _tag,
    Kind.RECORD: _record,
    Kind.DELETED: _deleted,
}
