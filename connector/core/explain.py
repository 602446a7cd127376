"""Why not another status: the nearest rules that lead to it from where a subject is, and exactly what each lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from connector.core.action import ALL, BIT, KEY_PAGE, LOGIN, VISITS, Action
from connector.core.daily import first_day
from connector.core.days import Days
from connector.core.decision import Reason
from connector.core.engine import fold
from connector.core.machine import Walk
from connector.core.missing import Missing, MissingEntries, MissingKeyPages
from connector.core.rules import ANY, Rule
from connector.core.ruleset import Ruleset
from connector.core.state import State
from connector.core.terms import Enters, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """A kind of action: its bits are one of `any_of` and all of `all_of`; any other than `key_page` is on no key page.

    A deed that is asked for is in a session of its own.
    """

    name: str
    any_of: int
    all_of: int = 0

    def surely(self, bits: int) -> bool:
        """Whether each such action has one of the bits."""
        return bool(self.all_of & bits) or not self.any_of & ~bits

    def maybe(self, bits: int) -> bool:
        """Whether such an action can have one of the bits."""
        return bool((self.any_of | self.all_of) & bits)


_KEY_PAGE_VIEW: Final = Deed(name="key_page", any_of=ALL, all_of=KEY_PAGE | BIT[Action.SITE_ACCESS])
DEEDS: Final = (
    Deed(name="action", any_of=ALL),
    Deed(name="action_but_login", any_of=ALL & ~LOGIN),
    Deed(name="visit", any_of=VISITS),
    _KEY_PAGE_VIEW,
)
"""The least particular first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A rule of the status held, and what it lacks.

    `deed`: the kind of action on which a sequential rule is tried. `days`: where one thing alone is missing, the days
    (local ordinals) on which it makes the rule fire: one such deed on one of them, or for a daily rule that nothing
    happens until the first. `overtaken_by`: the rule that would move the subject before this one could.
    """

    rule: str
    before: str
    to: str
    missing: tuple[Missing, ...]
    deed: str | None = None
    days: Days | None = None
    overtaken_by: str | None = None

    @property
    def lacks(self) -> int:
        """How many things are missing; the deed on which it is tried is one."""
        count = sum(one.left if isinstance(one, MissingEntries) else 1 for one in self.missing)
        return 1 if self.days else max(count, 1 if self.overtaken_by else 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A rule on the way from a later status, and all that it asks for."""

    rule: str
    to: str
    asks: tuple[Missing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way by rules: the rule of the status held, then those of the statuses after it."""

    first: Near
    then: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """Why a subject has not the status `to`, as of the local day (ordinal) `today`.

    `state`: as of then. `routes`: the shortest ways by rules, nearest first; empty where no rule leads there or it
    holds the status. `closed`: rules that lead there and are not for it, with the reason.
    """

    to: str
    today: int
    state: State
    routes: tuple[Route, ...]
    closed: tuple[tuple[str, Reason], ...]


def why_not(state: State, to: str, ruleset: Ruleset, today: int) -> WhyNot:
    """Why a subject has not the status `to` on the local day (ordinal) `today`, the daily rules run up to it."""
    now = fold(state, (), ruleset, today).state
    walk = Walk(ruleset, now)
    routes = [] if now.status == to else [_route(walk, way) for way in _ways(walk, to)]
    return WhyNot(
        to=to, today=walk.today, state=now, routes=tuple(sorted(routes, key=_nearness)), closed=_closed(walk, to)
    )


def near(walk: Walk, rule: Rule) -> Near:
    """What a rule of the status that the walk holds lacks today."""
    lacking = tuple(one for term in rule.terms if (one := term.missing(walk)) is not None)
    found = Near(rule=rule.id, before=rule.status, to=rule.to or rule.status, missing=lacking)
    return _by_time(walk, rule, found) if rule.is_daily else _by_deed(walk, rule, found)


def _by_time(walk: Walk, rule: Rule, found: Near) -> Near:
    day, move = first_day(walk, rule), _next_move(walk)
    if day is None or move is None or move[1] is rule:
        return replace(found, days=None if day is None else Days(day))
    return replace(found, overtaken_by=move[1].id)


def _by_deed(walk: Walk, rule: Rule, found: Near) -> Near:
    """The least particular deed that makes the rule fire by itself, and when; else the one on which it is tried."""
    on = [deed for deed in DEEDS if deed.surely(rule.on)]
    if not walk.ruleset.settings.key_pages:
        if on[0] is _KEY_PAGE_VIEW or _lacks_key_page(walk, rule):
            return replace(found, deed=on[0].name, missing=(*found.missing, MissingKeyPages()))
        on = [deed for deed in on if deed is not _KEY_PAGE_VIEW]
    overtaken_by: str | None = None
    for deed in on:
        days = _days(walk, rule, deed.surely)
        for other, taken in _before(walk, rule, deed):
            if days is not None and (days := days.without(taken)) is None:
                overtaken_by = overtaken_by or other.id
        if days is not None:
            return replace(found, deed=deed.name, days=days)
    return replace(found, deed=on[0].name, overtaken_by=overtaken_by)


def _lacks_key_page(walk: Walk, rule: Rule) -> bool:
    """Whether nothing but a view of a key page can bring what is missing."""
    seen = [term for term in rule.terms if isinstance(term, Seen) and term.window.of == KEY_PAGE]
    return any(term.missing(walk) is not None for term in seen)


def _days(walk: Walk, rule: Rule, enters: Enters) -> Days | None:
    """The days on one of which all terms hold when one such action comes."""
    days: Days | None = Days(walk.today)
    for term in rule.terms:
        more = term.days_with(walk, enters)
        days = days.both(more) if days and more else None
    return days


def _before(walk: Walk, rule: Rule, deed: Deed) -> Iterator[tuple[Rule, Days | None]]:
    """What comes before a sequential rule: the next daily move, and stronger rules on the days when they can hold."""
    move = _next_move(walk)
    if move is not None:
        yield move[1], Days(move[0])
    rules = walk.ruleset.sequential[rule.status]
    for other in rules[: rules.index(rule)]:
        if other.is_for(walk.kind) and deed.maybe(other.on):
            yield other, _days(walk, other, deed.maybe)


def _next_move(walk: Walk) -> tuple[int, Rule] | None:
    """The daily rule that moves the subject next if nothing happens, and its day; of the same day the strongest."""
    moves = [rule for rule in walk.ruleset.moves.get(walk.status, ()) if rule.is_for(walk.kind)]
    dated = [(day, rule) for rule in moves if (day := first_day(walk, rule)) is not None]
    return min(dated, key=lambda one: one[0], default=None)


def _ways(walk: Walk, to: str) -> list[tuple[Rule, ...]]:
    """The shortest ways from the status held by rules for this kind of subject, breadth first."""
    leaving: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in walk.ruleset.rules.values():
        if rule.to is not None and rule.status != ANY and rule.is_for(walk.kind):
            leaving[rule.status].append(rule)
    ways: list[tuple[Rule, ...]] = [()]
    visited = {walk.status}
    while ways:
        longer = [
            (*way, rule)
            for way in ways
            for rule in leaving[way[-1].to or "" if way else walk.status]
            if rule.to not in visited
        ]
        if found := [way for way in longer if way[-1].to == to]:
            return found
        visited |= {way[-1].to or "" for way in longer}
        ways = longer
    return []


def _route(walk: Walk, way: tuple[Rule, ...]) -> Route:
    then = tuple(
        Asked(rule=rule.id, to=rule.to or "", asks=tuple(term.asks() for term in rule.terms)) for rule in way[1:]
    )
    return Route(first=near(walk, way[0]), then=then)


def _nearness(route: Route) -> tuple[bool, int, int]:
    first = route.first
    return first.overtaken_by is not None, first.lacks, first.days.first if first.days else 0


def _closed(walk: Walk, to: str) -> tuple[tuple[str, Reason], ...]:
    ruleset = walk.ruleset
    leading = [rule for rule in ruleset.template.rules if rule.to == to and rule.status != ANY]
    return tuple(
        (rule.id, Reason.OTHER_KIND if rule.id in ruleset.rules else Reason.RULE_OFF)
        for rule in leading
        if rule.id not in ruleset.rules or not rule.is_for(walk.kind)
    )
