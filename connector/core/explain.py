"""Why not another status: the nearest rules that lead to it from where a subject is, and exactly what each lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Final, Literal

from connector.core.calendar import Days
from connector.core.decision import Reason
from connector.core.engine import first_day, fold
from connector.core.event import ALL, BIT, KEY_PAGE, LOGIN, VISITS, Action, Kind, Step
from connector.core.machine import SubjectMachine
from connector.core.mapping import Backward, Goal, MappingRules
from connector.core.rules import ANY, Rule
from connector.core.ruleset import Ruleset
from connector.core.state import State
from connector.core.terms import Enters, Missing, MissingEntries, MissingKeyPages, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionKind:
    """A kind of action: its bits are one of `any_of` and all of `all_of`; any other than `key_page` is on no key page.

    An action that is asked for is in a session of its own.
    """

    name: str
    any_of: int
    all_of: int = 0

    def always_has(self, bits: int) -> bool:
        """Whether every such action has one of the bits."""
        return bool(self.all_of & bits) or not self.any_of & ~bits

    def can_have(self, bits: int) -> bool:
        """Whether such an action can have one of the bits."""
        return bool((self.any_of | self.all_of) & bits)


_KEY_PAGE_VIEW: Final = ActionKind(name="key_page", any_of=ALL, all_of=KEY_PAGE | BIT[Action.SITE_ACCESS])
ACTION_KINDS: Final = (
    ActionKind(name="action", any_of=ALL),
    ActionKind(name="action_but_login", any_of=ALL & ~LOGIN),
    ActionKind(name="visit", any_of=VISITS),
    _KEY_PAGE_VIEW,
)
"""The most general first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestRule:
    """A rule of the status held, and what it lacks.

    `action_kind`: the kind of action on which a sequential rule is tried. `days`: where one thing alone is missing, the
    days (local ordinals) on which it makes the rule fire: one such action on one of them, or for a daily rule that
    nothing happens until the first. `overtaken_by`: the rule that would move the subject before this one could.
    """

    rule: str
    before: str
    to: str
    missing: tuple[Missing, ...]
    action_kind: str | None = None
    days: Days | None = None
    overtaken_by: str | None = None

    @property
    def lacks(self) -> int:
        """How many things are missing; the action on which it is tried is one."""
        count = sum(part.left if isinstance(part, MissingEntries) else 1 for part in self.missing)
        return 1 if self.days else max(count, 1 if self.overtaken_by else 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterRule:
    """A rule further on the way, of a status not reached yet, and all that it asks for."""

    rule: str
    to: str
    asks: tuple[Missing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to a status by rules: the rule of the status held, then those of the statuses after it."""

    first: NearestRule
    then: tuple[LaterRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """Why a subject has not the status `to`, as of the local day (ordinal) `today`.

    `state`: the subject's state then. `routes`: the shortest ways by rules, nearest first; empty where no rule leads
    there or the subject holds the status. `closed`: rules that lead there and are not for it, with the reason.
    """

    to: str
    today: int
    state: State
    routes: tuple[Route, ...]
    closed: tuple[tuple[str, Reason], ...]


def why_not(state: State, to: str, ruleset: Ruleset, today: int) -> WhyNot:
    """Why a subject has not the status `to` on the local day (ordinal) `today`, after the daily rules of that day."""
    now = fold(state, (), ruleset, today).state
    machine = SubjectMachine(ruleset, now)
    routes = [] if now.status == to else [_route(machine, way) for way in _ways(machine, to)]
    return WhyNot(
        to=to, today=machine.today, state=now, routes=tuple(sorted(routes, key=_nearness)), closed=_closed(machine, to)
    )


def nearest_rule(machine: SubjectMachine, rule: Rule) -> NearestRule:
    """A rule of the status held, with what it lacks today."""
    missing = tuple(part for term in rule.terms if (part := term.missing(machine)) is not None)
    found = NearestRule(rule=rule.id, before=rule.status, to=rule.to or rule.status, missing=missing)
    return _by_time(machine, rule, found) if rule.is_daily else _by_action(machine, rule, found)


def _by_time(machine: SubjectMachine, rule: Rule, found: NearestRule) -> NearestRule:
    day, move = first_day(machine, rule), _next_move(machine)
    if day is None or move is None or move[1] is rule:
        return replace(found, days=None if day is None else Days(day))
    return replace(found, overtaken_by=move[1].id)


def _by_action(machine: SubjectMachine, rule: Rule, found: NearestRule) -> NearestRule:
    """The most general action that makes the rule fire by itself, and when; else the one on which it is tried."""
    kinds = [kind for kind in ACTION_KINDS if kind.always_has(rule.on)]
    if not machine.ruleset.settings.key_pages:
        if kinds[0] is _KEY_PAGE_VIEW or _lacks_key_page(machine, rule):
            return replace(found, action_kind=kinds[0].name, missing=(*found.missing, MissingKeyPages()))
        kinds = [kind for kind in kinds if kind is not _KEY_PAGE_VIEW]
    overtaken_by: str | None = None
    for kind in kinds:
        days = _days(machine, rule, kind.always_has)
        for other, its_days in _before(machine, rule, kind):
            if days is not None and (days := days.without(its_days)) is None:
                overtaken_by = overtaken_by or other.id
        if days is not None:
            return replace(found, action_kind=kind.name, days=days)
    return replace(found, action_kind=kinds[0].name, overtaken_by=overtaken_by)


def _lacks_key_page(machine: SubjectMachine, rule: Rule) -> bool:
    """Whether nothing but a view of a key page can bring what is missing."""
    seen = [term for term in rule.terms if isinstance(term, Seen) and term.window.bits == KEY_PAGE]
    return any(term.missing(machine) is not None for term in seen)


def _days(machine: SubjectMachine, rule: Rule, enters: Enters) -> Days | None:
    """The days on one of which all terms hold when one such action comes."""
    days: Days | None = Days(machine.today)
    for term in rule.terms:
        more = term.days_if_action(machine, enters)
        days = days.both(more) if days and more else None
    return days


def _before(machine: SubjectMachine, rule: Rule, kind: ActionKind) -> Iterator[tuple[Rule, Days | None]]:
    """What comes before a sequential rule: the next daily move, and stronger rules on the days when they can hold."""
    move = _next_move(machine)
    if move is not None:
        yield move[1], Days(move[0])
    rules = machine.ruleset.sequential[rule.status]
    for other in rules[: rules.index(rule)]:
        if other.is_for(machine.kind) and kind.can_have(other.on):
            yield other, _days(machine, other, kind.can_have)


def _next_move(machine: SubjectMachine) -> tuple[int, Rule] | None:
    """The daily rule that moves the subject next if nothing happens, and its day; of the same day the strongest."""
    moves = [rule for rule in machine.ruleset.moves.get(machine.status, ()) if rule.is_for(machine.kind)]
    dated = [(day, rule) for rule in moves if (day := first_day(machine, rule)) is not None]
    return min(dated, key=itemgetter(0), default=None)


def _ways(machine: SubjectMachine, to: str) -> list[tuple[Rule, ...]]:
    """The shortest ways from the status held by rules for this kind of subject, breadth first."""
    leaving: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in machine.ruleset.rules.values():
        if rule.to is not None and rule.status != ANY and rule.is_for(machine.kind):
            leaving[rule.status].append(rule)
    ways: list[tuple[Rule, ...]] = [()]
    visited = {machine.status}
    while ways:
        longer = [
            (*way, rule)
            for way in ways
            for rule in leaving[way[-1].to or "" if way else machine.status]
            if rule.to not in visited
        ]
        if found := [way for way in longer if way[-1].to == to]:
            return found
        visited |= {way[-1].to or "" for way in longer}
        ways = longer
    return []


def _route(machine: SubjectMachine, way: tuple[Rule, ...]) -> Route:
    then = tuple(
        LaterRule(rule=rule.id, to=rule.to or "", asks=tuple(term.asks() for term in rule.terms)) for rule in way[1:]
    )
    return Route(first=nearest_rule(machine, way[0]), then=then)


def _nearness(route: Route) -> tuple[bool, int, int]:
    first = route.first
    return first.overtaken_by is not None, first.lacks, first.days.first if first.days else 0


def _closed(machine: SubjectMachine, to: str) -> tuple[tuple[str, Reason], ...]:
    ruleset = machine.ruleset
    leading = [rule for rule in ruleset.template.rules if rule.to == to and rule.status != ANY]
    return tuple(
        (rule.id, Reason.OTHER_KIND if rule.id in ruleset.rules else Reason.RULE_OFF)
        for rule in leading
        if rule.id not in ruleset.rules or not rule.is_for(machine.kind)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRoute:
    """A stage or trigger of a connection that stands for a status.

    `name`: the stage or the trigger's id. `of`: the stage's object, or the event word of the trigger. `nth`: it stands
    for the status from the nth different record or event on (1: always). `reason`: why it would not set it now.
    """

    connection: str
    kind: Literal["stage", "trigger"]
    name: str
    of: str
    pipeline: str | None = None
    nth: int = 1
    reason: Reason | None = None


def external_routes(
    state: State, to: str, mappings: Mapping[str, MappingRules], ruleset: Ruleset
) -> tuple[ExternalRoute, ...]:
    """The stages and triggers of all connections (name → mapping) that stand for `to`, by connection."""
    return tuple(
        route
        for connection, rules in sorted(mappings.items())
        for route in (
            *_stages(state, to, connection, rules, ruleset),
            *_triggers(state, to, connection, rules, ruleset),
        )
    )


def _stages(state: State, to: str, connection: str, rules: MappingRules, ruleset: Ruleset) -> Iterator[ExternalRoute]:
    is_forward_only = rules.backward is Backward.IGNORE
    reason = _refusal(state, ruleset, kind=Kind.JUMP, to=to, is_forward_only=is_forward_only)
    for stage_object, pipelines in rules.stages.items():
        for pipeline, stages in pipelines.items():
            for stage, goal in stages.items():
                if nth := _place(to, goal):
                    yield ExternalRoute(
                        connection=connection,
                        kind="stage",
                        name=stage,
                        of=stage_object,
                        pipeline=pipeline or None,
                        nth=nth,
                        reason=reason,
                    )


def _triggers(state: State, to: str, connection: str, rules: MappingRules, ruleset: Ruleset) -> Iterator[ExternalRoute]:
    for rule in rules.triggers:
        if nth := _place(to, rule.jump_to):
            reason = _refusal(state, ruleset, kind=Kind.TRIGGER, to=to, may_reopen=rule.may_reopen)
            yield ExternalRoute(connection=connection, kind="trigger", name=rule.id, of=rule.on, nth=nth, reason=reason)


def _place(to: str, goal: Goal) -> int:
    """Where a status stands in a goal, from 1 on; 0: nowhere."""
    goals = (goal,) if isinstance(goal, str) else goal
    return goals.index(to) + 1 if to in goals else 0


def _refusal(state: State, ruleset: Ruleset, **values: Any) -> Reason | None:
    """Why a jump or trigger with these values would change nothing: it is tried on a copy of the state."""
    machine = SubjectMachine(ruleset, state)
    machine.apply(Step(id="?", at=state.position[0], **values), machine.today)
    return machine.decisions[0].reason
