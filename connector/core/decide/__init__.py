"""Decides: what a batch of events, and of subjects whose time has come, changes. A pure function from values to values.

Theory of operation
-------------------
One batch is load → decide → save. The pipeline loads with a fixed number of queries what the batch touches (`Batch`),
this module decides, and the pipeline writes what it gives (`Changes`) in the same transaction. Webhooks, sweeps,
reconciliation, imports, published mappings, merges and their undoing all go through it; they differ in what they put
into the batch only.

`place` comes first. It drops events that are stored already, finds whom each of the others is about (`identity`), tells
echoes from changes and stale stages from new ones (`records`), and says which subjects are to be folded again from
their stored history: those that got an event from before what they have folded, those that were merged, and those for
which it was asked. Only for them the pipeline loads histories, in a second load.

`decide` then folds every subject that was touched: onwards from its state where nothing is late, else the whole history
with the new steps in their place. Since the fold sorts by event time, the end does not depend on the order of arrival,
nor on how the events were cut into batches. What the fold decided is compared with what stands (`decisions`), so that a
notice is asked for once. A subject that is shown differently afterwards, or that has records that were not told yet or
that show what something newer has overruled, has its records updated.

Nothing here reads a clock, a database or chance: time, knowledge and new ids come with the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from connector.core.decide.batch import (
    NOT_SET,
    Changes,
    Context,
    History,
    KnownRecord,
    NewDecision,
    StandingDecision,
    StoredSteps,
    SubjectChange,
    UpdateRequest,
)
from connector.core.decide.decisions import compare, notices_of
from connector.core.decide.placing import Placed, Touched, place
from connector.core.decision import Reason
from connector.core.engine import Folded, due_day, fold, fold_all
from connector.core.event import Conflict, Kind
from connector.core.identity import RecordKey
from connector.core.state import LEAD, UNKNOWN, State
from connector.core.updates import SeenRecord, follows_subject, is_known_there, shows_otherwise

__all__ = ["Placed", "decide", "place"]
_NO_HISTORY: Final = History()


def decide(placed: Placed, histories: Mapping[str, History]) -> Changes:
    """What the batch changes; `histories`: of the subjects that `placed.histories_of` names."""
    context, resolved = placed.batch.context, placed.resolved
    histories = _rearranged(placed, histories)
    subjects: list[SubjectChange] = []
    new: list[tuple[NewDecision, tuple[str, ...]]] = []
    revised: list[str] = []
    shown_anew: list[Touched] = []
    new_leads: list[Touched] = []
    for subject in placed.touched.values():
        touched, prior, standing = subject, subject.prior, None
        if subject.is_whole:
            stored = [histories.get(of, _NO_HISTORY) for of in (subject.id, *subject.losers)]
            touched = subject.with_history(stored)
            standing = [decision for history in stored for decision in history.decisions]
        folded = _folded(touched, context)
        state = folded.state if folded else None
        if folded is not None or prior is not None:
            decisions = folded.decisions if folded else ()
            others = _others(subject, placed, histories)
            compared = compare(touched, decisions, standing, context, others)
            new += compared.new
            revised += compared.revised
            if state is not None and state.kind == LEAD and not touched.was_lead:
                new_leads.append(touched)
            is_overruled = folded is not None and _is_overruled(placed, touched, folded)
            if touched.is_shown_anew or _shown(prior) != _shown(state) or is_overruled:
                shown_anew.append(touched)
        if state != prior or touched.id in resolved.revived or _is_stored_otherwise(touched, state, context):
            subjects.append(_subject(touched, state, context))
    added = list(_new_records(placed, new_leads)) if context.has_new_leads else []
    return Changes(
        outcomes=placed.outcomes,
        subjects=tuple(subjects),
        merges=tuple(replace(one, survivor=resolved.merged[one.loser]) for one in resolved.joined),
        holdings=resolved.holdings,
        dropped=resolved.dropped,
        moved=resolved.moved,
        revived=resolved.revived,
        records=(*placed.records.changed(), *(update.record for update in added)),
        events=placed.events,
        decisions=tuple(decision for decision, _ in new),
        revised=tuple(revised),
        notices=tuple(notices_of(new, context)),
        updates=(*added, *_updates(placed, shown_anew)),
        matched=placed.records.matched(),
        rejudged=placed.rejudged,
    )


def _others(subject: Touched, placed: Placed, histories: Mapping[str, History]) -> Sequence[StandingDecision]:
    """What was decided on the subjects that events have moved from: who was mailed for them is not mailed again."""
    if not placed.resolved.moved:
        return ()
    own = {subject.id, *subject.losers}
    return [one for of in sorted(histories.keys() - own) for one in histories[of].decisions]


def _folded(touched: Touched, context: Context) -> Folded | None:
    """The fold onwards, or again from the whole history; None: nothing has happened to the subject.

    A whole fold runs the daily rules of no date after today, although a clock that was wrong may have done so before.
    """
    ruleset = context.ruleset
    if not touched.is_whole:
        if touched.prior is None and not touched.steps:
            return None
        ordered = sorted(touched.steps, key=lambda step: step.order)
        return fold(touched.prior, ordered, ruleset, touched.until)
    runs = [run for run in (touched.prior.last_run if touched.prior else None, touched.until) if run is not None]
    until = min(max(runs), context.today) if runs else None
    return fold_all(touched.steps, ruleset, until) if touched.steps else None


def _is_stored_otherwise(touched: Touched, state: State | None, context: Context) -> bool:
    """Whether the row of a subject is to be written although its state is the same."""
    known = touched.known
    if known is None or known.rules != context.ruleset.version:
        return True
    return state is None and _since(touched, context) != known.since


def _since(touched: Touched, context: Context) -> datetime:
    """Since when a subject of which nothing counts has been as it is: since its first event."""
    known = touched.known
    times = [touched.first_at, known.since if known and known.state is None else None]
    return min((at for at in times if at is not None), default=context.now)


def _shown(state: State | None) -> tuple[object, ...]:
    """What external systems show of a state."""
    return () if state is None else (state.status, state.since, state.owner)


def _subject(touched: Touched, state: State | None, context: Context) -> SubjectChange:
    """The subject as it is to be stored. Without a state (a mapping may leave nothing of it) it stands as at first."""
    known = touched.known
    created_at = known.created_at if known else context.now
    version = (known.version if known else 0) + (state is not None or known is not None)
    return SubjectChange(
        id=touched.id,
        version=version,
        created_at=created_at,
        since=state.since if state else _since(touched, context),
        status=state.status if state else NOT_SET,
        kind=state.kind if state else UNKNOWN,
        owner=state.owner if state else None,
        due=due_day(state, context.ruleset) if state else None,
        rules=context.ruleset.version,
        state=state,
    )


def _rearranged(placed: Placed, histories: Mapping[str, History]) -> Mapping[str, History]:
    """The histories, each event with the subject that it is of now."""
    moved = placed.resolved.moved
    if not moved:
        return histories
    events: dict[str, list[StoredSteps]] = {}
    for subject, history in histories.items():
        for event in history.events:
            events.setdefault(moved.get(event.id, subject), []).append(event)
    return {
        subject: History(events=tuple(events.get(subject, ())), decisions=histories.get(subject, _NO_HISTORY).decisions)
        for subject in histories.keys() | events.keys()
    }


def _records_of(placed: Placed) -> Mapping[str, Sequence[KnownRecord]]:
    """Per subject its records as they stand after the batch."""
    found: dict[str, list[KnownRecord]] = {}
    for record in placed.records.all().values():
        subject = placed.resolved.merged.get(record.subject, record.subject)
        found.setdefault(subject, []).append(record)
    return found


def _is_overruled(placed: Placed, touched: Touched, folded: Folded) -> bool:
    """Whether a record shows what was said of it, and something newer than that counts.

    That is so for what comes late, our own writes included. What was refused, as a move backward, is left as it is.
    """
    counted = {decision.step for decision in folded.decisions if decision.reason in {None, Reason.ALREADY_THERE}}
    counted |= {step.id for step in touched.steps if step.kind is Kind.OWNER and step.conflict is Conflict.NEWEST}
    for key, steps in touched.told:
        record, rules = placed.records.all()[key], placed.batch.context.mappings.get(key.connection)
        if rules is not None and (steps is None or not counted.isdisjoint(steps)):
            seen = SeenRecord(
                object=key.object,
                pipeline=record.pipeline,
                stage=record.stage,
                owner=record.owner,
                is_gone=record.is_gone,
            )
            if shows_otherwise(rules, seen, folded.state.status, folded.state.owner):
                return True
    return False


def _updates(placed: Placed, shown_anew: Sequence[Touched]) -> Iterator[UpdateRequest]:
    """Every record of the subjects, if it is there and its connection writes such records."""
    if not shown_anew:
        return
    records = _records_of(placed)
    for touched in shown_anew:
        for record in sorted(records.get(touched.id, ()), key=lambda record: record.key):
            rules = placed.batch.context.mappings.get(record.key.connection)
            if rules is not None and not record.is_gone and follows_subject(rules, record.key.object, record.key.id):
                yield UpdateRequest(record=record, subject=touched.id, delivery=touched.delivery)


def _new_records(placed: Placed, new_leads: Sequence[Touched]) -> Iterator[UpdateRequest]:
    """A record of each new lead for the connections that take new leads.

    Its id is the subject's: it is there once, however often the subject becomes a lead.
    """
    mappings = placed.batch.context.mappings
    makers = [
        (connection, record_object)
        for connection, rules in mappings.items()
        for record_object, rule in rules.push.items()
        if rule.new_leads
    ]
    records = _records_of(placed) if makers and new_leads else {}
    for touched in new_leads if makers else ():
        there = records.get(touched.id, ())
        for connection, record_object in makers:
            key = RecordKey(connection, record_object, touched.id)
            is_there = any(
                known.key[:2] == key[:2] and not known.is_gone and is_known_there(mappings[connection], known.key.id)
                for known in there
            )
            if not is_there and key not in placed.records.all():
                record = KnownRecord(id=None, key=key, subject=touched.id)
                yield UpdateRequest(record=record, subject=touched.id, delivery=touched.delivery)
