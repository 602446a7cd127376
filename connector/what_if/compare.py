"""What-if: every subject's events folded under a proposal, beside how it stands; writes nothing, sends nothing."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby, pairwise, takewhile
from operator import itemgetter
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from connector.core.calendar import day_start, local_day
from connector.core.decision import Decision
from connector.core.engine import Folded, Ruleset, fold, fold_all
from connector.core.event import Step
from connector.core.state import State
from connector.core.updates import ShownSubject
from connector.i18n.statuses import labels_in
from connector.pipeline.decisions import notice_key
from connector.runtime.parts import Runtime
from connector.store import histories, subjects
from connector.store.histories import Standing, Stored
from connector.what_if.proposals import Proposal, new_names
from connector.what_if.pushable import Pushable
from connector.what_if.report import Cancelled, Counts, Difference, WhatIf, other, shown, shows
from connector.what_if.retranslate import Retelling, Retold

PAGE: Final = 500
__all__ = ["Cancelled", "Comparison", "Difference", "Proposal", "WhatIf", "what_if"]


def what_if(
    runtime: Runtime,
    proposal: Proposal,
    *,
    since: date | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    each: Callable[[Difference], None] = lambda _difference: None,
) -> WhatIf:
    """What would be other than now, had the proposal been in force; `each` is given every subject that differs.

    `since`: events before that local date keep what was made of them. `progress` is told subjects done and to do.
    Raises `Cancelled`, and `WrongSetting` for a template that one cannot go to.
    """
    comparison = Comparison(runtime, proposal, since=since, each=each)
    while comparison.advance():
        progress(comparison.done, comparison.total)
        if is_cancelled():
            message = f"ended after {comparison.done} of {comparison.total} subjects; nothing was changed"
            raise Cancelled(message)
    return WhatIf.of(comparison.counts)


class Comparison:
    """A what-if on its way, page by page: `after` is the subject that it has come to, `counts` what was found so far.

    Both sides are as after the daily rules of today, which run within a minute of publishing. `now` says which day that
    is; pages that are compared at different times need the same.
    """

    def __init__(
        self,
        runtime: Runtime,
        proposal: Proposal,
        *,
        since: date | None = None,
        each: Callable[[Difference], None],
        after: str = "",
        counts: Counts | None = None,
        now: datetime | None = None,
    ) -> None:
        self.after = after
        self.counts: Final[Counts] = Counter() if counts is None else counts
        self._runtime: Final = runtime
        self._anew: Final = frozenset(proposal.mappings)
        self._is_mapping: Final = proposal.settings is None and proposal.template is None
        self._is_silent: Final = proposal.template is not None
        names = new_names(runtime.ruleset.template, proposal)
        self._retelling: Final = Retelling(proposal.mappings, names, self.counts)
        self._now: Final = now or runtime.clock()
        self._present: Final = runtime.ruleset
        self._proposed: Final = Ruleset(
            proposal.template or self._present.template, proposal.settings or self._present.settings
        )
        self._since: Final = day_start(since.toordinal(), self._present.zone) if since else None
        self._pushable: Final = Pushable(runtime.connections.all(), proposal.mappings, self._proposed.zone)
        self._labels: Final = labels_in("en", self._proposed.statuses.values())
        self._each: Final = each
        self._day: Final = local_day(self._now, self._proposed.zone)
        self._midnight: Final = day_start(self._day, self._proposed.zone)
        with runtime.database.read() as connection:
            self.total: Final = histories.count(connection)
            self._pushable.look_up(connection)

    @property
    def done(self) -> int:
        """How many subjects were compared."""
        return self.counts["subjects",]

    def advance(self) -> bool:
        """Compare one page of subjects; False: there was none left."""
        with self._runtime.database.read() as connection, _collector_at_rest():
            histories.as_it_is_now(connection)
            return self._advance(connection)

    def _advance(self, connection: Connection) -> bool:
        """What it has read is gone when it returns, before the collector is back: nothing is left to be searched."""
        page = histories.page(connection, self.after, PAGE)
        if not page:
            return False
        stored = histories.events_between(connection, self.after, page[-1].id, anew=self._anew, since=self._since)
        through = {of: list(rows) for of, rows in groupby(stored, itemgetter(0))}
        for difference in self._explained(connection, list(self._others(page, through))):
            self.counts.update(difference.counted())
            self._each(difference)
        self.counts["subjects",] += len(page)
        self.after = page[-1].id
        return True

    def _others(self, page: Sequence[Standing], through: Mapping[str, Sequence[Stored]]) -> Iterator[_Other]:
        """The subjects that a fold under the proposal shows otherwise, or for which it asks for mail today."""
        for one in page:
            rows = through.get(one.id)
            if not rows:
                continue
            told = self._retelling.other(rows) if self._is_mapping else self._retelling.whole(rows)
            if told is None:
                continue
            raw = self._standing(one)
            until = max(self._day, raw["last_run"]) if raw else self._day
            folded = _fold(told.proposed, self._proposed, until)
            is_same = shows(raw, folded.state) if raw and folded else not raw and not folded
            if self._is_mapping or not is_same or self._is_noticed(folded):
                yield _Other(id=one.id, told=told, raw=raw, folded=folded, until=until, is_same=is_same)

    def _standing(self, one: Standing) -> dict[str, Any] | None:
        """The JSON of the state as it stands after today's daily rules."""
        if one.state is None:
            return None
        raw: dict[str, Any] = orjson.loads(one.state)
        today = local_day(self._now, self._present.zone)
        if one.due is None or one.due > today:
            return raw
        return fold(State.from_json(raw), (), self._present, today).state.to_json()

    def _is_noticed(self, folded: Folded | None) -> bool:
        return folded is not None and any(one.notify for one in self._of_today(reversed(folded.decisions)))

    def _of_today(self, newest_first: Iterable[Decision]) -> Iterator[Decision]:
        return takewhile(lambda one: one.at >= self._midnight, newest_first)

    def _explained(self, connection: Connection, others: Sequence[_Other]) -> Iterator[Difference]:
        """Those that differ because of the proposal, and why."""
        ids = [one.id for one in others]
        if not ids:
            return
        names = subjects.identities_of(connection, ids)
        records = subjects.records_of(connection, ids)
        for one in others:
            present = _fold(one.told.present, self._present, one.until)
            undone, made = other(_decisions(present), _decisions(one.folded))
            after = shown(one.folded.state if one.folded else None)
            if not undone and not made and shown(present.state if present else None) == after:
                self.counts["drifted",] += not one.is_same
                continue
            before = {name: one.raw[name] for name in after} if one.raw else shown(None)
            is_told = any(before[name] != after[name] for name in ("status", "since", "owner"))
            yield Difference(
                subject=one.id,
                names=names[one.id],
                before=before,
                after=after,
                undone=undone,
                made=made,
                mails=() if self._is_silent else self._mails(connection, one.id, undone, made),
                pushes=self._pushable.pushes(self._as_shown(one, names[one.id]), records[one.id]) if is_told else (),
            )

    def _as_shown(self, one: _Other, identities: Sequence[tuple[str, str]]) -> ShownSubject:
        """What the records of a subject would show of it; of one that nothing has happened to any more, from now on."""
        after = shown(one.folded.state if one.folded else None)
        return ShownSubject(
            status=after["status"],
            label=self._labels.get(after["status"], after["status"]),
            since=one.folded.state.since if one.folded else self._now,
            owner=after["owner"],
            profile=after["profile"],
            identities=identities,
        )

    def _mails(
        self, connection: Connection, of: str, undone: Sequence[Decision], made: Sequence[Decision]
    ) -> tuple[tuple[str, str], ...]:
        """Rule and recipient of each mail of today that no decision has asked for yet."""
        asked = {(one.rule, to) for one in self._of_today(reversed(undone)) for to in one.notify}
        wanted = {
            notice_key(one.rule, one.at, to, of): (one.rule, to)
            for one in self._of_today(reversed(made))
            for to in one.notify
            if (one.rule, to) not in asked
        }
        sent = histories.asked_notices(connection, wanted) if wanted else ()
        return tuple(mail for key, mail in wanted.items() if key not in sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Other:
    """A subject whose fold under the proposal (None: nothing is left of its events) seems to differ from its `raw`."""

    id: str
    told: Retold
    raw: Mapping[str, Any] | None
    folded: Folded | None
    until: int
    is_same: bool


def _fold(steps: list[Step], ruleset: Ruleset, until: int) -> Folded | None:
    """The fold of steps that are in order of time already, but for those of one instant."""
    if not steps:
        return None
    if all(one.at < following.at for one, following in pairwise(steps)):
        return fold(None, steps, ruleset, until)
    return fold_all(steps, ruleset, until)


def _decisions(folded: Folded | None) -> tuple[Decision, ...]:
    return folded.decisions if folded else ()


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Nothing is searched for reference cycles within a page: it has many values and no cycles, and that costs."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
