"""Decisions of a fold on their way into the store: which are new, which no longer stand, whom they ask to be mailed."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from connector.core.calendar import local_day
from connector.core.decide.batch import Context, NewDecision, Notice, StandingDecision
from connector.core.decision import Decision
from connector.core.order import Order, order_from_json, order_to_json

ASKED: Final = "asked"
PAST: Final = "past"
IMPORTED: Final = "imported"
"""How the notices of a decision stand: in the outbox, or recorded and not sent: of a past date, or of an import."""
_SAME_TIME: Final = "2000-01-01T00:00:00+00:00"
_DAILY: Final = -1
"""Daily rules come before the steps of their instant."""
NOTICE_AGE: Final = timedelta(hours=24)
"""A sequential notice older than this when it is decided is not mailed any more."""


class Source(NamedTuple):
    """Where a step comes from: its delivery and mapping version, and its place in the fold."""

    delivery: str | None
    version: int | None
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a fold decided beside what was decided before: `new` with whom each asks to be mailed; ids of `revised`."""

    new: tuple[tuple[NewDecision, tuple[str, ...]], ...] = ()
    revised: tuple[str, ...] = ()


class Compares(Protocol):
    """A subject whose decisions are compared: its id, and where its steps come from by their ids."""

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def sources(self) -> Mapping[str, Source]: ...  # noqa: D102


def compare(
    subject: Compares,
    decisions: Sequence[Decision],
    standing: Sequence[StandingDecision] | None,
    context: Context,
    others: Sequence[StandingDecision] = (),
) -> Compared:
    """What of a fold's decisions is new.

    `standing`: the stored decisions that stand, of a subject that was folded again; None: it was folded onwards, and
    all is new. Who was asked to be mailed by a decision that no longer stands, or by one of `others`, is not asked
    again by the one in its place.
    """
    found = list(_placed(subject.id, decisions, subject.sources, context, is_again=standing is not None))
    if standing is None:
        return Compared(new=tuple((decision, _recipients(decision)) for decision in found))
    left: dict[str, list[StandingDecision]] = defaultdict(list)
    for stored in standing:
        left[stored.says].append(stored)
    new = []
    for decision in found:
        same = left.get(says(decision.decision, decision.place))
        if same:
            same.pop()
        else:
            new.append(decision)
    revised = frozenset(stored.id for same in left.values() for stored in same)
    replaced = [stored for stored in standing if stored.id in revised and stored.mail == ASKED]
    replaced += [stored for stored in others if stored.mail == ASKED]
    return Compared(
        new=tuple(_without_asked(decision, replaced, context) for decision in new),
        revised=tuple(sorted(revised)),
    )


def notices_of(new: Sequence[tuple[NewDecision, tuple[str, ...]]], context: Context) -> Iterator[Notice]:
    """The mails that new decisions ask for, one for each recipient."""
    for decision, recipients in new:
        fact = decision.decision
        for recipient in recipients:
            yield Notice(
                key=notice_key(fact.rule, fact.at, recipient, decision.subject),
                subject=decision.subject,
                recipient=recipient,
                decision=fact,
                day=local_day(fact.at, context.ruleset.zone),
                delivery=decision.delivery,
            )


def notice_key(rule: str, at: datetime, recipient: str, subject: str) -> str:
    """What tells a mail from others in the outbox: one that was asked for once is not asked for again."""
    return f"{rule}|{at.isoformat()}|{recipient}|{subject}"


def says(decision: Decision, place: str) -> str:
    """All that a decision says, in a form in which a stored one and a new one compare."""
    return _comparable(
        at=decision.at,
        place=place,
        rule=decision.rule,
        before=decision.before,
        after=decision.after,
        notify=decision.notify,
        skipped=decision.skipped,
        reason=decision.reason,
        notice=decision.notice,
        step=decision.step,
        facts=dict(decision.facts),
    )


def stored_says(row: Mapping[str, Any]) -> str:
    """The same of a stored decision, by the columns of its row."""
    names = ("at", "place", "rule", "before", "after", "notify", "skipped", "reason", "notice", "step", "facts")
    return _comparable(**{name: row[name] for name in names})


def place_order(place: str) -> tuple[Order, str]:
    """What the decisions of one instant are sorted by: the daily rules, then steps in the order of the fold.

    `place`: as of `NewDecision`: `<kind>|<step>|<number>`, or `<kind>;<sequence>;<reading>|…` where one is known.
    """
    head, _, rest = place.partition("|")
    step, _, number = rest.rpartition("|")
    kind, sequence, read_at = (*head.split(";"), "", "")[:3]
    tie = _DAILY if kind == "-" else int(kind)
    return order_from_json([_SAME_TIME, tie, step, int(sequence) if sequence else None, read_at]), number


def _place(order: Order) -> str:
    _, kind, step, *known = order_to_json(order)
    return f"{';'.join('' if one is None else str(one) for one in (kind, *known))}|{step}"


def _comparable(*, at: datetime, **values: Any) -> str:
    return json.dumps([at.timestamp(), values], sort_keys=True, ensure_ascii=False)


def _placed(
    subject: str, decisions: Sequence[Decision], sources: Mapping[str, Source], context: Context, *, is_again: bool
) -> Iterator[NewDecision]:
    count: Counter[tuple[datetime, str | None]] = Counter()
    for decision in decisions:
        number = count[decision.at, decision.step]
        count[decision.at, decision.step] += 1
        source = sources[decision.step] if decision.step is not None else None
        yield NewDecision(
            subject=subject,
            decision=decision,
            place=f"{_place(source.order) if source else '-'}|{number:03}",
            delivery=source.delivery if source else None,
            version=source.version if source else None,
            mail=_mail(decision, context, is_again=is_again) if decision.notify else None,
        )


def _mail(decision: Decision, context: Context, *, is_again: bool) -> str:
    """A notice that arises for a past date, or by an import, is recorded as not sent."""
    if context.is_silent:
        return IMPORTED
    if _is_of_today(decision, context):
        return ASKED
    is_recent = timedelta(0) <= context.now - decision.at < NOTICE_AGE
    return ASKED if decision.step is not None and not is_again and is_recent else PAST


def _is_of_today(decision: Decision, context: Context) -> bool:
    return local_day(decision.at, context.ruleset.zone) == context.today


def _recipients(decision: NewDecision) -> tuple[str, ...]:
    return decision.decision.notify if decision.mail == ASKED else ()


def _without_asked(
    decision: NewDecision, replaced: list[StandingDecision], context: Context
) -> tuple[NewDecision, tuple[str, ...]]:
    """Whom a decision asks to be mailed beyond those whom the one that it replaces has asked."""
    fact, zone = decision.decision, context.ruleset.zone
    day = local_day(fact.at, zone)
    before = next((old for old in replaced if old.rule == fact.rule and local_day(old.at, zone) == day), None)
    if before is None or not fact.notify:
        return decision, _recipients(decision)
    replaced.remove(before)
    more = tuple(recipient for recipient in _recipients(decision) if recipient not in before.notify)
    if set(fact.notify) <= set(before.notify):
        decision = replace(decision, mail=ASKED)
    return decision, more
