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
"""The kind of action that fills each window: it need not be named beside what is missing there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNotSentences:
    """Writes the sentences in one language. `labels`: status code → name in it."""

    words: Words
    labels: Mapping[str, str]
    ruleset: Ruleset

    def lines(self, answer: WhyNot, routes: Sequence[ExternalRoute]) -> list[str]:
        """A sentence for each rule that leads to the status, nearest first, then for all else that could set it."""
        if answer.state.status == answer.to:
            since = dated(local_day(answer.state.since, self.ruleset.zone), self.words)
            return [self._fill("why_not.held", to=self._label(answer.to), since=since)]
        values = {"before": self._label(answer.state.status), "to": self._label(answer.to)}
        lines = [line for route in answer.routes for line in self._route(route, answer.today)]
        if not answer.routes:
            leads = any(rule.to == answer.to and rule.status != ANY for rule in self.ruleset.rules.values())
            lines.append(self._fill("why_not.no_way" if leads else "why_not.no_rule", **values))
        lines += [self._fill(f"why_not.{reason}", rule=rule, **values) for rule, reason in answer.closed]
        lines += [self.external_route(route, answer.to, answer.state.status) for route in routes]
        return [*lines, self._fill("why_not.person", **values)]

    def external_route(self, route: ExternalRoute, to: str, held: str) -> str:
        """A stage or trigger that stands for the status `to`, and why it would not set it now."""
        name = f"{route.pipeline} / {route.name}" if route.pipeline else route.name
        values = {"name": name, "of": route.of, "connection": route.connection, "to": self._label(to)}
        text = self._fill(f"external_route.{route.kind}", **values)
        if route.nth > 1:
            text = self._fill("external_route.nth", route=text, nth=str(route.nth))
        if route.reason is None:
            return self._fill("external_route.allowed", route=text)
        but = self._fill(f"reason.{route.reason}", to=self._label(to), after=self._label(held))
        return self._fill("sentence.refused", why=text, but=but)

    def nearest_rule(self, nearest: NearestRule, today: int) -> str:
        """What a rule of the status held would do, and what it lacks."""
        moves = {"rule": nearest.rule, "before": self._label(nearest.before), "to": self._label(nearest.to)}
        if nearest.overtaken_by is not None:
            text = self._fill("why_not.overtaken", other=nearest.overtaken_by, **moves)
        elif nearest.action_kind is None and nearest.days is not None:
            text = self._fill("why_not.due", **moves, **{"from": dated(nearest.days.first, self.words)})
        else:
            text = self._fill("why_not.near", **moves)
        missing = self._missing(nearest, today)
        return self._fill("why_not.missing", sentence=text, missing=missing) if missing else text

    def condition(self, rule: Rule) -> str:
        """All that a rule asks for."""
        if rule.status == ANY:
            return self._fill("passed_over.entering", to=self._label(rule.to or ""))
        return self._all([self._part(term.asks(), rule.status) for term in rule.terms])

    def passed_over(self, statuses: Sequence[str], rules: Sequence[Rule]) -> str:
        """The rules of the statuses that a jump passed over."""
        texts = [self._fill("passed_over.rule", rule=rule.id, asks=self.condition(rule)) for rule in rules]
        status = listed([self._label(code) for code in statuses], self.words)
        return self._fill("passed_over.rules", status=status, rules=listed(texts, self.words))

    def _route(self, route: Route, today: int) -> list[str]:
        lines = [self.nearest_rule(route.first, today)]
        before = route.first.to
        for later in route.then:
            missing = self._all([self._part(ask, before) for ask in later.asks])
            lines.append(self._fill("why_not.then", rule=later.rule, to=self._label(later.to), missing=missing))
            before = later.to
        return lines

    def _missing(self, nearest: NearestRule, today: int) -> str:
        """What is missing; with common days where one action is enough, else each with its own."""
        parts = [self._part(part, nearest.before, has_dates=nearest.days is None) for part in nearest.missing]
        seen = {_SEEN_BY[part.window] for part in nearest.missing if isinstance(part, MissingEntries)}
        if nearest.action_kind is not None and nearest.action_kind not in seen:
            parts.append(self.words[f"action_kind.{nearest.action_kind}"])
        text = self._all(parts)
        if nearest.action_kind is None or nearest.days is None:
            return text
        return self._when(text, nearest.days, today)

    def _part(self, part: Missing, before: str, *, has_dates: bool = False) -> str:
        """One thing that a rule of the status `before` lacks or asks for."""
        match part:
            case MissingEntries():
                return self._entries(part, has_dates=has_dates)
            case MissingTag(tag=tag):
                return self._fill("lack.tag", tag=tag)
            case MissingDays():
                text = self._fill(f"lack.{part.of}", days=str(part.days), before=self._label(before))
                if part.first is None:
                    return text
                return self._fill("when.reached", what=text, **{"from": dated(part.first, self.words)})
            case MissingDay():
                return self.words["lack.own_day"]
            case MissingKeyPages():
                return self.words["lack.setting"]

    def _entries(self, part: MissingEntries, *, has_dates: bool) -> str:
        form = "any" if part.need == 1 else "nth" if part.left == 1 else "many"
        nth = self.words.get(f"nth.{part.need}", str(part.need))
        text = self._fill(f"lack.{part.window}.{form}", nth=nth, left=str(part.left))
        if part.counted and part.left > 1:
            text = self._fill("lack.so_far", what=text, have=str(len(part.counted)), need=str(part.need))
        if part.days is not None and not part.counted and (part.need > 1 or part.first is None):
            text = self._fill("when.within", what=text, days=str(part.days))
        if has_dates and part.by is not None:
            text = self._fill("when.by", what=text, by=dated(part.by, self.words))
        return text

    def _when(self, what: str, days: Days, today: int) -> str:
        """A thing that is missing, with the days on which it is enough."""
        if days.last is None and days.first <= today:
            return what
        form = "between" if days.first > today else "by"
        if days.last is None:
            form = "from"
        elif days.last == days.first:
            form = "on"
        last = days.first if days.last is None else days.last
        return self._fill(
            f"when.{form}", what=what, by=dated(last, self.words), **{"from": dated(days.first, self.words)}
        )

    def _all(self, parts: Sequence[str]) -> str:
        return listed(parts, self.words)

    def _label(self, status: str) -> str:
        return self.labels.get(status, status)

    def _fill(self, key: str, **values: str) -> str:
        return self.words[key].format_map({"zone": str(self.ruleset.zone), **values})
