"""How one connection's stages, events, fields and owners become ours, and back: the rules of a mapping, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from connector.core.action import BIT
from connector.core.event import Conflict

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

    `region`: the country (ISO 3166-1) of phone numbers that are written without their country.
    """

    adapter: str
    region: str | None = None
    backward: Backward = Backward.FOLLOW
    unmapped: Policy = Policy.HOLD
    stages: Mapping[str, Mapping[str, Mapping[str, Goal]]] = field(default_factory=dict)
    triggers: tuple[TriggerRule, ...] = ()
    actions: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[FieldRule, ...] = ()
    owner: OwnerRule | None = None
    push: Mapping[str, PushRule] = field(default_factory=dict)

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
