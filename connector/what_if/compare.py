"""What-if: every subject's events folded under a proposal, beside how it stands; writes nothing, sends nothing."""

# Theory of operation
#
# A what-if must say exactly what publishing would do, without doing it. So it does not estimate: it runs the code that
# publishing runs (`translate`, `fold`, `wanted_update`) over the same stored events, and compares two states of every
# subject, both of them as they are after the daily rules of today, which run within a minute of publishing:
#
# - as it stands: the stored state, with today's daily rules run on it where they are still due;
# - as it would be: a fold of all its stored events from the first one on, under the proposed rules. Events of a
#   connection with a proposed mapping are translated anew from what the system said; all others keep their steps.
#
# This equals what publishing does because that translates the same events by the same mapping and folds the subjects
# anew from the same steps, and because the fold is the same whatever order the events came in. Held events that can be
# translated now are released, applied ones that cannot be any more are held: both are counted on the way.
#
# A subject differs where its fold under the proposal ends otherwise than its fold under what is in force now, or
# decides otherwise on the way: what is only in one of the two lists of decisions is the reason. With a mapping alone
# only those subjects are folded of whom an event gets other steps. Where both folds are the same and the stored state
# is another, the difference is not the proposal's: published rules are still being applied. These count as drifted.
#
# Mails are the notices of today that only the new decisions ask for and that are not in the outbox yet; notices of days
# that are over are never sent. New rules send none at all. Pushes are what `wanted_update` wants of each record of a
# subject whose status, since or owner changes; a stage that the system had not when it was asked last is named.
#
# Each page is one transaction that sees one moment. `after` and `counts` are all that there is to know between pages,
# so that workers can go on where another ended.

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from itertools import groupby, pairwise, takewhile
from operator import itemgetter
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from connector.adapter_kit.defaults import stages_in
from connector.core.calendar import day_start, local_day
from connector.core.decide.decisions import notice_key
from connector.core.decision import Decision
from connector.core.engine import Folded, Ruleset, fold, fold_all
from connector.core.event import Step
from connector.core.mapping import MappingRules
from connector.core.state import State
from connector.core.updates import SeenRecord, ShownSubject, follows_subject, wanted_update
from connector.i18n.statuses import labels_in
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections, histories, subjects
from connector.store.histories import Standing, Stored
from connector.store.subjects import RecordRow
from connector.what_if.proposal import Proposal
from connector.what_if.report import Cancelled, Counts, Difference, Push, WhatIf, decisions_apart, shown, shows
from connector.what_if.retranslate import Retranslation

PAGE: Final = 500


def what_if(
    runtime: Runtime,
    proposal: Proposal,
    *,
    since: date | None = None,
    page: int = PAGE,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    each: Callable[[Difference], None] = lambda _difference: None,
) -> WhatIf:
    """What would be other than now, had the proposal been in force; `each` is given every subject that differs.

    `since`: events before that local date keep what was made of them. `progress` gets how many subjects are done, and
    of how many, after each `page` of them. Raises `Cancelled`.
    """
    comparison = Comparison(runtime, proposal, since=since, page=page, each=each)
    while comparison.advance():
        progress(comparison.done, comparison.total)
        if is_cancelled():
            message = f"ended after {comparison.done} of {comparison.total} subjects; nothing was changed"
            raise Cancelled(message)
    return WhatIf.of(comparison.counts)


class Comparison:
    """A what-if on its way, page by page: `after` is the subject that it has come to, `counts` what was found so far.

    `now` says which day is today; pages that are compared at different times need the same.
    """

    def __init__(
        self,
        runtime: Runtime,
        proposal: Proposal,
        *,
        each: Callable[[Difference], None],
        since: date | None = None,
        page: int = PAGE,
        after: str = "",
        counts: Counts | None = None,
        now: datetime | None = None,
    ) -> None:
        self.after = after
        self.counts: Final[Counts] = Counter() if counts is None else counts
        self._runtime: Final = runtime
        self._page: Final = page
        self._each: Final = each
        self._translated: Final = frozenset(proposal.mappings)
        self._is_mapping_alone: Final = proposal.rules is None
        self._is_silent: Final = proposal.rules is not None
        self._now: Final = now or runtime.clock()
        self._present: Final = runtime.ruleset
        self._retranslation: Final = Retranslation(proposal.mappings, self.counts)
        self._proposed: Final = proposal.rules or self._present
        self._since: Final = day_start(since.toordinal(), self._present.zone) if since else None
        self._count_compacted: Final = proposal.counter_of_compacted(self._present.settings, self._since)
        self._pushes: Final = _Pushes(runtime.connections.all(), proposal.mappings, self._proposed.zone)
        self._labels: Final = labels_in("en", self._proposed.statuses.values())
        self._today: Final = local_day(self._now, self._present.zone)
        self._day: Final = local_day(self._now, self._proposed.zone)
        self._midnight: Final = day_start(self._day, self._proposed.zone)
        with runtime.database.read() as connection:
            self.total: Final = histories.count(connection)
            self._pushes.read_stages(connection)

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
        page = histories.page(connection, self.after, self._page)
        if not page:
            return False
        last = page[-1].id
        stored = histories.events_between(connection, self.after, last, anew=self._translated, since=self._since)
        events = {subject: list(rows) for subject, rows in groupby(stored, itemgetter(0))}
        for difference in self._explained(connection, list(self._differing(page, events))):
            self.counts.update(difference.counted())
            self._each(difference)
        self.counts["unreadable",] += self._count_compacted(connection, self.after, last)
        self.counts["subjects",] += len(page)
        self.after = last
        return True

    def _differing(self, page: Sequence[Standing], events: Mapping[str, Sequence[Stored]]) -> Iterator[_Differing]:
        """The subjects that a fold under the proposal shows otherwise, or decides otherwise on the way."""
        retranslation = self._retranslation
        histories_of = retranslation.if_different if self._is_mapping_alone else retranslation.whole
        for standing in page:
            rows = events.get(standing.id)
            both = histories_of(rows) if rows else None
            if both is None:
                continue
            folded = _fold(both.proposed, self._proposed, self._day)
            present = _fold(both.present, self._present, self._today)
            undone, made = decisions_apart(_decisions(present), _decisions(folded))
            if undone or made or not _is_shown(present.state.to_json() if present else None, folded):
                yield _Differing(
                    standing=standing, raw=self._as_it_stands(standing), folded=folded, undone=undone, made=made
                )
            elif not _is_shown(self._as_it_stands(standing), folded):
                self.counts["drifted",] += 1

    def _as_it_stands(self, standing: Standing) -> dict[str, Any] | None:
        """The JSON of the state as it stands after today's daily rules."""
        if standing.state is None:
            return None
        raw: dict[str, Any] = orjson.loads(standing.state)
        if standing.due is None or standing.due > self._today:
            return raw
        return fold(State.from_json(raw), (), self._present, self._today).state.to_json()

    def _of_today(self, decisions: Sequence[Decision]) -> Iterator[Decision]:
        """Newest first."""
        return takewhile(lambda decision: decision.at >= self._midnight, reversed(decisions))

    def _explained(self, connection: Connection, found: Sequence[_Differing]) -> Iterator[Difference]:
        """What is other of each, with what that asks for."""
        ids = [one.standing.id for one in found]
        if not ids:
            return
        identities = subjects.identities_of(connection, ids)
        records = subjects.records_of(connection, ids)
        emptied = [one.standing.id for one in found if one.folded is None]
        first_at = histories.first_at(connection, emptied) if emptied else {}
        for one in found:
            subject = one.standing.id
            since = one.folded.state.since if one.folded else first_at[subject]
            after = shown(one.folded.state if one.folded else None, since)
            before = {name: one.raw[name] for name in after} if one.raw else shown(None, one.standing.since)
            names = identities[subject]
            yield Difference(
                subject=subject,
                names=names,
                before=before,
                after=after,
                undone=one.undone,
                made=one.made,
                mails=() if self._is_silent else self._mails(connection, subject, one.undone, one.made),
                pushes=self._pushes_of(since, names, records[subject], before, after),
            )

    def _pushes_of(
        self,
        since: datetime,
        identities: Sequence[tuple[str, str]],
        records: Sequence[RecordRow],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> tuple[Push, ...]:
        """The updates of its records; one that nothing has happened to any more is shown as such from now on."""
        if all(before[name] == after[name] for name in ("status", "since", "owner")):
            return ()
        subject = ShownSubject(
            status=after["status"],
            label=self._labels.get(after["status"], after["status"]),
            since=since,
            owner=after["owner"],
            profile=after["profile"],
            identities=identities,
        )
        return self._pushes.pushes(subject, records)

    def _mails(
        self, connection: Connection, subject: str, undone: Sequence[Decision], made: Sequence[Decision]
    ) -> tuple[tuple[str, str], ...]:
        """Rule and recipient of each mail of today that no decision has asked for yet."""
        asked = {(decision.rule, to) for decision in self._of_today(undone) for to in decision.notify}
        wanted = {
            notice_key(decision.rule, decision.at, to, subject): (decision.rule, to)
            for decision in self._of_today(made)
            for to in decision.notify
            if (decision.rule, to) not in asked
        }
        sent = histories.asked_notices(connection, wanted) if wanted else ()
        return tuple(mail for key, mail in wanted.items() if key not in sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Differing:
    """A subject that differs: its state after today's daily rules (JSON), and its fold under the proposal.

    `raw` or `folded` None: nothing that counts has happened to it, or would have.
    """

    standing: Standing
    raw: Mapping[str, Any] | None
    folded: Folded | None
    undone: Sequence[Decision]
    made: Sequence[Decision]


class _Pushes:
    """Which updates a change of a subject asks for, and what of them the external systems could not take.

    `drafts`: mappings in place of those in force, by connection.
    """

    def __init__(self, connections: Mapping[str, Connected], drafts: Mapping[str, MappingRules], zone: tzinfo) -> None:
        self._zone: Final = zone
        self._connections: Final = {
            name: replace(connected, rules=drafts.get(name, connected.rules))
            for name, connected in connections.items()
            if connected.adapter.takes_updates
        }
        self._stages: Final[dict[str, Mapping[str, Any]]] = {}

    def read_stages(self, connection: Connection) -> None:
        """Read the stages that the systems had when they were asked last."""
        for name in self._connections:
            newest = connections.newest_catalog(connection, name)
            if newest is not None:
                self._stages[name] = newest.content.get("stages", {})

    def pushes(self, subject: ShownSubject, records: Iterable[RecordRow]) -> tuple[Push, ...]:
        """The updates of a subject's records (those that are not gone), had it changed to what is given."""
        return tuple(
            push
            for record in records
            if (connected := self._connections.get(record.connection)) is not None
            and follows_subject(connected.rules, record.object, record.external_id)
            and (push := self._push(connected, record, subject)) is not None
        )

    def _push(self, connected: Connected, record: RecordRow, subject: ShownSubject) -> Push | None:
        """None: nothing is to be sent."""
        seen = SeenRecord(
            **{name: getattr(record, name) for name in ("object", "pipeline", "stage", "owner", "is_gone")}
        )
        wanted = wanted_update(connected.rules, seen, subject, self._zone)
        if wanted is None:
            return None
        wrong = None
        if wanted.status is None:
            wrong = f"no push value for the status {subject.status}"
        elif stage := self._missing_stage(connected, seen, wanted.status):
            wrong = f"the system has no stage {stage}"
        elif wanted.is_empty:
            return None
        return Push(connection=connected.name, object=seen.object, record=record.external_id, wrong=wrong)

    def _missing_stage(self, connected: Connected, record: SeenRecord, values: Mapping[str, Any]) -> str | None:
        """A stage that is to be set and that the system had not; None also where it was never asked."""
        pipelines: Mapping[str, Mapping[str, str]] = self._stages.get(connected.name, {}).get(record.object, {})
        known = pipelines.get(record.pipeline or "") or {stage for stages in pipelines.values() for stage in stages}
        wanted = stages_in(connected.adapter, record.object, values)
        return next((stage for stage in wanted if known and stage not in known), None)


def _fold(steps: list[Step], ruleset: Ruleset, until: int) -> Folded | None:
    """The fold of steps that are in order of time already, but for those of one instant."""
    if not steps:
        return None
    if all(step.at < following.at for step, following in pairwise(steps)):
        return fold(None, steps, ruleset, until)
    return fold_all(steps, ruleset, until)


def _is_shown(raw: Mapping[str, Any] | None, folded: Folded | None) -> bool:
    """Whether a stored state (its JSON) shows what a fold gives."""
    return shows(raw, folded.state) if raw and folded else not raw and not folded


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
