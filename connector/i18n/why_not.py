"""Why not another status, in plain sentences: what is missing, by when, and what else could set it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connector.core.calendar import Days, local_day
from connector.core.explain import ExternalRoute, NearestRule, Route, WhyNot
from connector.core.rules import ANY, Rule
from connector.core.ruleset import Ruleset
from connector.core.terms import Missing, MissingDay, MissingDays, MissingEntries, MissingKeyPages, MissingTag
from connector.i18n import Words, dated, listed

_SEEN_BY: Final = {
    "visit_days": "visit",
    "key_pages": "key_page",
    "key_page_sessions": "key_page",
    "actions": "action",
    "actions_but_login": "action_but_login",
}
"""The deed that fills each window, so that it need not be named beside what is missing there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Tells in one language; `labels`: status code → name."""

    words: Words
    labels: Mapping[str, str]
    ruleset: Ruleset

    def tell(self, answer: WhyNot, found: Sequence[ExternalRoute]) -> list[str]:
        """A sentence for each rule that leads to the status, nearest first, then for whatever else could set it."""
        if answer.state.status == answer.to:
            since = dated(local_day(answer.state.since, self.ruleset.zone), self.words)
            return [self._say("why_not.held", to=self._label(answer.to), since=since)]
        values = {"before": self._label(answer.state.status), "to": self._label(answer.to)}
        lines = [line for route in answer.routes for line in self._route(route, answer.today)]
        if not answer.routes:
            leads = any(rule.to == answer.to and rule.status != ANY for rule in self.ruleset.rules.values())
            lines.append(self._say("why_not.no_way" if leads else "why_not.no_rule", **values))
        lines += [self._say(f"why_not.{reason}", rule=rule, **values) for rule, reason in answer.closed]
        lines += [self.opening(one, answer.to, answer.state.status) for one in found]
        return [*lines, self._say("why_not.person", **values)]

    def opening(self, one: ExternalRoute, to: str, held: str) -> str:
        """A stage or trigger that stands for the status `to`, and why it would not set it now."""
        name = f"{one.pipeline} / {one.name}" if one.pipeline else one.name
        text = self._say(f"opening.{one.kind}", name=name, of=one.of, connection=one.connection, to=self._label(to))
        if one.nth > 1:
            text = self._say("opening.nth", opening=text, nth=str(one.nth))
        if one.reason is None:
            return self._say("opening.told", opening=text)
        but = self._say(f"reason.{one.reason}", to=self._label(to), after=self._label(held))
        return self._say("sentence.refused", why=text, but=but)

    def near(self, near: NearestRule, today: int) -> str:
        """What a rule of the status held would do, and what it lacks."""
        moves = {"rule": near.rule, "before": self._label(near.before), "to": self._label(near.to)}
        if near.overtaken_by is not None:
            text = self._say("why_not.overtaken", other=near.overtaken_by, **moves)
        elif near.action_kind is None and near.days is not None:
            text = self._say("why_not.due", **moves, **{"from": dated(near.days.first, self.words)})
        else:
            text = self._say("why_not.near", **moves)
        missing = self._missing(near, today)
        return self._say("why_not.missing", sentence=text, missing=missing) if missing else text

    def condition(self, rule: Rule) -> str:
        """All that a rule asks for."""
        if rule.status == ANY:
            return self._say("passed_over.entering", to=self._label(rule.to or ""))
        return self._all([self._part(term.asks(), rule.status) for term in rule.terms])

    def passed_over(self, statuses: Sequence[str], rules: Sequence[Rule]) -> str:
        """The rules of the statuses that a jump passed over."""
        told = [self._say("passed_over.rule", rule=rule.id, asks=self.condition(rule)) for rule in rules]
        status = listed([self._label(one) for one in statuses], self.words)
        return self._say("passed_over.rules", status=status, rules=listed(told, self.words))

    def _route(self, route: Route, today: int) -> list[str]:
        lines = [self.near(route.first, today)]
        before = route.first.to
        for one in route.then:
            missing = self._all([self._part(ask, before) for ask in one.asks])
            lines.append(self._say("why_not.then", rule=one.rule, to=self._label(one.to), missing=missing))
            before = one.to
        return lines

    def _missing(self, near: NearestRule, today: int) -> str:
        """What is missing; with common days where one deed is enough, else each with its own."""
        parts = [self._part(one, near.before, has_dates=near.days is None) for one in near.missing]
        seen = {_SEEN_BY[one.window] for one in near.missing if isinstance(one, MissingEntries)}
        if near.action_kind is not None and near.action_kind not in seen:
            parts.append(self.words[f"deed.{near.action_kind}"])
        text = self._all(parts)
        return self._when(text, near.days, today) if near.action_kind is not None and near.days is not None else text

    def _part(self, one: Missing, before: str, *, has_dates: bool = False) -> str:
        match one:
            case MissingEntries():
                return self._entries(one, has_dates=has_dates)
            case MissingTag(tag=tag):
                return self._say("lack.tag", tag=tag)
            case MissingDays():
                text = self._say(f"lack.{one.of}", days=str(one.days), before=self._label(before))
                if one.first is None:
                    return text
                return self._say("when.reached", what=text, **{"from": dated(one.first, self.words)})
            case MissingDay():
                return self.words["lack.own_day"]
            case MissingKeyPages():
                return self.words["lack.setting"]

    def _entries(self, one: MissingEntries, *, has_dates: bool) -> str:
        form = "any" if one.need == 1 else "nth" if one.left == 1 else "many"
        nth = self.words.get(f"nth.{one.need}", str(one.need))
        text = self._say(f"lack.{one.window}.{form}", nth=nth, left=str(one.left))
        if one.counted and one.left > 1:
            text = self._say("lack.so_far", what=text, have=str(len(one.counted)), need=str(one.need))
        if one.days is not None and not one.counted and (one.need > 1 or one.first is None):
            text = self._say("when.within", what=text, days=str(one.days))
        if has_dates and one.by is not None:
            text = self._say("when.by", what=text, by=dated(one.by, self.words))
        return text

    def _when(self, what: str, days: Days, today: int) -> str:
        if days.last is None and days.first <= today:
            return what
        form = "between" if days.first > today else "by"
        if days.last is None:
            form = "from"
        elif days.last == days.first:
            form = "on"
        last = days.first if days.last is None else days.last
        return self._say(
            f"when.{form}", what=what, by=dated(last, self.words), **{"from": dated(days.first, self.words)}
        )

    def _all(self, parts: Sequence[str]) -> str:
        return listed(parts, self.words)

    def _label(self, status: str) -> str:
        return self.labels.get(status, status)

    def _say(self, key: str, **values: str) -> str:
        return self.words[key].format_map({"zone": str(self.ruleset.zone), **values})
