"""Forecast: which subjects the daily rules alone will move, when, and whom they will write to; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import orjson

from connector.core.calendar import local_day
from connector.core.decision import Decision
from connector.core.engine import fold
from connector.core.errors import WrongSetting
from connector.core.rules import Notice
from connector.core.state import State
from connector.runtime.parts import Runtime
from connector.store import histories, subjects
from connector.store.histories import Standing
from connector.what_if.report import Cancelled, Counts, table, table_rows

PAGE: Final = 500
LONGEST: Final = 3660


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A decision that a daily rule will make of a subject if nothing happens until then. `names`: its identities.

    Of a date that was missed nothing is mailed, as the sweep that catches up mails nothing.
    """

    subject: str
    names: Sequence[tuple[str, str]]
    day: date
    decision: Decision
    is_missed: bool

    @property
    def mails(self) -> Sequence[str]:
        """Those who will be written to."""
        return () if self.is_missed else self.decision.notify

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON values."""
        one = self.decision
        return {
            "subject": self.subject,
            "identities": [{"kind": kind, "value": value} for kind, value in self.names],
            "day": self.day.isoformat(),
            "rule": one.rule,
            "from": one.before,
            "to": one.after,
            "notify": list(self.mails),
            "reason": one.reason.value if one.reason else None,
        }

    def counted(self) -> Iterator[tuple[str, ...]]:
        """What the decision adds to the sums."""
        one, day = self.decision, self.day.isoformat()
        if one.before != one.after:
            yield ("moves", day, one.rule, one.before, one.after)
        for to in self.mails:
            yield ("notices", day, one.rule, one.notice or "", to)
        if one.reason is not None and not self.is_missed:
            yield ("unsent", day, one.rule, one.reason.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What will happen by time alone up to `until`, a local date.

    `subjects`: how many will be decided on. `moves`: subjects by (day, rule, from, to). `notices`: subjects by (day,
    rule, kind of notice, recipient). `unsent`: subjects by (day, rule, reason why nobody is written to).
    """

    until: date
    subjects: int
    moves: Mapping[tuple[str, ...], int]
    notices: Mapping[tuple[str, ...], int]
    unsent: Mapping[tuple[str, ...], int]

    @property
    def mails(self) -> int:
        """How many mails that makes: a list is one mail, whatever number of subjects are on it."""
        return sum(1 if kind == Notice.LIST else count for (_, _, kind, _), count in self.notices.items())

    def to_json(self) -> dict[str, Any]:
        """The sums as JSON values."""
        return {
            "until": self.until.isoformat(),
            "subjects": self.subjects,
            "moves": table_rows(self.moves, ("day", "rule", "from", "to"), "subjects"),
            "mails": self.mails,
            "notices": table_rows(self.notices, ("day", "rule", "notice", "to"), "subjects"),
            "unsent": table_rows(self.unsent, ("day", "rule", "reason"), "subjects"),
        }


def forecast(
    runtime: Runtime,
    days: int,
    *,
    page: int = PAGE,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    each: Callable[[Expected], None] = lambda _expected: None,
) -> Forecast:
    """What the daily rules will decide from today until `days` days from now, if nothing else happens.

    `each` is given every decision, subject by subject, those due first first; `progress` gets how many subjects are
    done, and of how many, after each `page` of them. Raises `Cancelled`, and `WrongSetting` for too many days.
    """
    if not 0 <= days <= LONGEST:
        message = f"--days: found {days}; allowed: 0 (today alone) to {LONGEST}"
        raise WrongSetting(message)
    today = local_day(runtime.clock(), runtime.ruleset.zone)
    until, after, done = today + days, (0, ""), 0
    counts: Counts = Counter()
    with runtime.database.read() as connection:
        total = histories.count(connection, until)
    while True:
        with runtime.database.read() as connection:
            due = histories.due_page(connection, until, after, page)
            names = subjects.identities_of(connection, [standing.id for standing in due])
        if not due:
            break
        for standing in due:
            found = list(_expected(runtime, standing, names[standing.id], today, until))
            counts["subjects",] += bool(found)
            for expected in found:
                counts.update(expected.counted())
                each(expected)
        done += len(due)
        after = (due[-1].due or 0, due[-1].id)
        progress(done, total)
        if is_cancelled():
            message = f"ended after {done} of {total} subjects; nothing was changed"
            raise Cancelled(message)
    return _forecast(counts, until)


def _expected(
    runtime: Runtime, standing: Standing, names: Sequence[tuple[str, str]], today: int, until: int
) -> Iterator[Expected]:
    if standing.state is None:
        return
    ruleset = runtime.ruleset
    for decision in fold(State.from_json(orjson.loads(standing.state)), (), ruleset, until).decisions:
        day = local_day(decision.at, ruleset.zone)
        yield Expected(
            subject=standing.id, names=names, day=date.fromordinal(day), decision=decision, is_missed=day < today
        )


def _forecast(counts: Counts, until: int) -> Forecast:
    tables = {word: table(counts, word) for word in ("moves", "notices", "unsent")}
    return Forecast(until=date.fromordinal(until), subjects=counts["subjects",], **tables)
