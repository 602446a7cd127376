"""Why a subject has its status, why not another, and rules that are run on purpose, for command line and console."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from connector.core.calendar import local_day
from connector.core.errors import WrongSetting
from connector.core.event import Kind
from connector.core.explain import NearestRule, Route, external_routes, why_not
from connector.core.order import order_of
from connector.core.rules import ANY, Rule
from connector.core.ruleset import Ruleset
from connector.core.state import State
from connector.core.terms import Missing, MissingDay, MissingDays, MissingEntries, MissingKeyPages, MissingTag
from connector.i18n import words_in
from connector.i18n.statuses import find_status, labels_in
from connector.i18n.why_not import WhyNotSentences
from connector.operations.subjects import decision, find_subject, happen
from connector.runtime.parts import Runtime
from connector.store import subjects as queries
from connector.store.subjects import SubjectRow

_WHAT: Final[Mapping[type[Missing], str]] = {
    MissingEntries: "entries",
    MissingTag: "tag",
    MissingDays: "days",
    MissingDay: "own_day",
    MissingKeyPages: "key_pages",
}
_DAYS: Final = frozenset({"first", "last", "by", "since"})


def explain(runtime: Runtime, who: str, language: str = "en") -> dict[str, Any]:
    """Each decision on a subject with its facts and a sentence, in one of `i18n.LANGUAGES`.

    A decision that passed over statuses lists their rules (`passed_over`), each with what running it would do: `writes`
    to whom, `tag`. `local`: the time in the workspace's zone. Raises `NotFound`.
    """
    subject, ruleset = find_subject(runtime, who), runtime.ruleset
    with runtime.database.read() as connection:
        row = queries.get(connection, subject)
        decided = queries.decisions_of(connection, subject)
    sentences = _sentences(ruleset, language)
    return {
        **_who(row, sentences),
        "decisions": [
            {
                **decision(one, sentences.labels, sentences.words),
                "local": one.at.astimezone(ruleset.zone),
                "passed_over": _passed_over(one.skipped, ruleset, sentences),
            }
            for one in decided
        ],
    }


def explain_not(runtime: Runtime, who: str, status: str, language: str = "en") -> dict[str, Any]:
    """Why a subject has not a status (a code, label or alias) as of now: `sentences`, and the same as data.

    Days are ISO dates of `zone`. `routes`: ways by rules, nearest first; of each the rule of the status held with what
    is `missing`, and the rules after it. `days`: where one thing alone is missing, the days on which it is enough.
    `closed`: rules that lead there and are not for the subject. `openings`: stages and triggers of connections that are
    not paused. Raises `NotFound` and `UnknownStatus`.
    """
    ruleset = runtime.ruleset
    to = find_status(status, ruleset.statuses.values())
    subject, today = find_subject(runtime, who), local_day(runtime.clock(), ruleset.zone)
    with runtime.database.read() as connection:
        row = queries.get(connection, subject)
        own = {record.connection for record in queries.records_of(connection, [subject])[subject]}
    answer = why_not(_state(row, today), to, ruleset, today)
    mappings = {name: one.rules for name, one in runtime.connections.all().items() if not one.is_paused}
    found = [] if answer.state.status == to else external_routes(answer.state, to, mappings, ruleset)
    nearest = sorted(found, key=lambda one: one.connection not in own)
    sentences = _sentences(ruleset, language)
    return {
        **_who(row, sentences),
        "status": answer.state.status,
        "label": sentences.labels[answer.state.status],
        "since": answer.state.since,
        "to": to,
        "today": _iso(answer.today),
        "sentences": sentences.lines(answer, nearest),
        "routes": [_route(route) for route in answer.routes],
        "closed": [{"rule": rule, "reason": reason.value} for rule, reason in answer.closed],
        "openings": [{**asdict(one), "has_record": one.connection in own} for one in nearest],
    }


def run(runtime: Runtime, who: str, rule: str, *, actor: str) -> dict[str, Any]:
    """Run a rule on a subject on purpose: what `show` gives afterwards, its newest decision of the rule as `ran`.

    Its conditions are waived: it notifies and tags, and moves the subject out of its own status only.
    Raises `NotFound`, and `WrongSetting` where there is no such rule or it is switched off.
    """
    ruleset = runtime.ruleset
    if rule not in ruleset.rules:
        raise WrongSetting(_no_rule(rule, ruleset))
    found = happen(
        runtime,
        who,
        Kind.RUN,
        content={"name": rule, "data": {"by": actor}},
        does={"rule": rule, "by": actor},
        actor=actor,
    )
    ran = [one for one in found["decisions"] if one["rule"] == f"run:{rule}" and one["revised_at"] is None]
    return {**found, "ran": max(ran, key=lambda one: (one["at"], one["step"]))}


def _no_rule(rule: str, ruleset: Ruleset) -> str:
    known = [one.id for one in ruleset.template.rules]
    if rule in known:
        return f"the rule {rule} is switched off in the settings; switch it on to run it"
    close = difflib.get_close_matches(rule, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"there is no rule {rule!r}; allowed: {', '.join(known)}{hint}"


def _sentences(ruleset: Ruleset, language: str) -> WhyNotSentences:
    return WhyNotSentences(
        words=words_in(language), labels=labels_in(language, ruleset.statuses.values()), ruleset=ruleset
    )


def _who(row: SubjectRow, sentences: WhyNotSentences) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "label": sentences.labels.get(row.status, row.status),
        "since": row.since,
        "zone": str(sentences.ruleset.zone),
    }


def _state(row: SubjectRow, today: int) -> State:
    """The stored state; a subject of whom nothing was applied yet has done nothing so far."""
    if row.state:
        return State.from_json(row.state)
    since = row.since
    position = order_of(since, 0, "")
    return State(kind=row.kind, status="not_set", since=since, created=since, last_run=today, position=position)


def _passed_over(skipped: Sequence[str], ruleset: Ruleset, sentences: WhyNotSentences) -> dict[str, Any] | None:
    """The rules of the statuses that a jump passed over; None where there are none."""
    rules = [rule for status in skipped for rule in ruleset.rules.values() if _belongs(rule, status)]
    if not rules:
        return None
    return {
        "sentence": sentences.passed_over(skipped, rules),
        "rules": [
            {
                "rule": rule.id,
                "asks": sentences.condition(rule),
                "writes": rule.recipient.value if rule.recipient else None,
                "tag": rule.tag,
            }
            for rule in rules
        ],
    }


def _belongs(rule: Rule, status: str) -> bool:
    """Whether a rule runs in a status, or on entering it."""
    return status == (rule.to if rule.status == ANY else rule.status)


def _route(route: Route) -> dict[str, Any]:
    then = [{"rule": one.rule, "to": one.to, "asks": [_missing(ask) for ask in one.asks]} for one in route.then]
    return {**_near(route.first), "then": then}


def _near(near: NearestRule) -> dict[str, Any]:
    return {
        "rule": near.rule,
        "from": near.before,
        "to": near.to,
        "missing": [_missing(one) for one in near.missing],
        "lacks": near.lacks,
        "deed": near.action_kind,
        "days": {"first": _iso(near.days.first), "last": _iso(near.days.last)} if near.days else None,
        "overtaken_by": near.overtaken_by,
    }


def _missing(one: Missing) -> dict[str, Any]:
    """What is missing as JSON values; `what` says of which kind it is. What is asked of anybody has no dates."""
    values: dict[str, Any] = {name: _iso(day) if name in _DAYS else day for name, day in asdict(one).items()}
    if "counted" in values:
        values["counted"] = [_iso(day) for day in values["counted"]]
    return {"what": _WHAT[type(one)], **values}


def _iso(day: int | None) -> str | None:
    return None if day is None else date.fromordinal(day).isoformat()
