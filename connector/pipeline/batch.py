"""One batch in one transaction: load what it touches, decide, save; all that changes subjects goes through here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from connector.core.decide import Placed, decide, place
from connector.core.decide.batch import (
    Batch,
    Changes,
    Context,
    History,
    KnownRecord,
    Merge,
    NewDecision,
    NewEvent,
    Notice,
    RecordKey,
    Refold,
    StoredEvent,
    SubjectChange,
    TranslatedEvent,
    UpdateRequest,
)
from connector.core.decide.echoes import EARLY, OWN_WINDOW, SAYING, SentValue
from connector.core.event import Kind
from connector.core.order import Order, order_to_json
from connector.pipeline.recount import recount
from connector.store import batches, outbox
from connector.store.database import Overtaken, new_id
from connector.store.event_json import event_to_json, step_to_json
from connector.store.rows import Row


def run_batch(
    connection: Connection,
    context: Context,
    events: Sequence[TranslatedEvent] = (),
    refolds: Sequence[Refold] = (),
) -> Changes:
    """Load, decide, save; what was changed. Nothing is written if it raises.

    Subjects that were folded by a former version of the rules are first folded anew, which mails nobody.

    Two transactions that make the same subject at once end in an `IntegrityError` of one; one that finds a subject
    merged away or erased since it was found raises `Overtaken`. `Database.attempt` does both again.
    """
    batch = _load(connection, context, tuple(events), tuple(refolds))
    alive = [known for known in batch.subjects.values() if known.merged_into is None]
    stale = [known.id for known in alive if known.rules < context.ruleset.version]
    if not stale:
        return _decide(connection, batch)
    first = fold_anew(connection, context, stale)
    changes = _decide(connection, _load(connection, context, tuple(events), tuple(refolds)))
    return replace(changes, updates=(*first.updates, *changes.updates))


def fold_anew(connection: Connection, context: Context, subjects: Sequence[str]) -> Changes:
    """Bring subjects under the rules in force: fold them anew, which mails nobody; what was changed.

    The first version only says what was in force before it: there the daily rules of today are left to the sweep, which
    mails. Under any later one they are run here.
    """
    until = context.today if context.ruleset.version > 1 else None
    refolds = tuple(Refold(subject=of, until=until, is_whole=True) for of in subjects)
    return _decide(connection, _load(connection, replace(context, is_silent=True), (), refolds))


def _decide(connection: Connection, batch: Batch) -> Changes:
    placed = place(batch)
    changes = decide(placed, _histories(connection, placed))
    _save(connection, changes, batch.context.now)
    return changes


# Load


def _load(
    connection: Connection, context: Context, events: tuple[TranslatedEvent, ...], refolds: tuple[Refold, ...]
) -> Batch:
    known_events = batches.known_events(connection, _keys(events)) if events else {}
    fresh = [event for event in events if (event.connection, event.event.key) not in known_events]
    identities = batches.subjects_by_identity(connection, {key for event in fresh for key in event.identities})
    wanted = {*identities.values(), *(refold.subject for refold in refolds)}
    subjects = batches.lock_subjects(connection, wanted) if wanted else {}
    found = set(identities.values())
    if any(subject not in subjects or subjects[subject].merged_into is not None for subject in found):
        raise Overtaken
    named = {record for event in fresh if (record := event.record) is not None}
    records = batches.records_by_key(connection, named) if named else {}
    sent, told = _sent(connection, fresh, records)
    last_facts = _last_facts(connection, fresh, records)
    if subjects:
        records = batches.records_of(connection, subjects.keys(), records)
    return Batch(
        context=context,
        new_ids=_new_ids(context.now),
        events=events,
        refolds=refolds,
        known_events=known_events,
        identities=identities,
        subjects=subjects,
        records=records,
        sent=sent,
        told=told,
        last_facts=last_facts,
        apart=batches.apart_pairs(connection, found) if found else frozenset(),
    )


def _keys(events: Sequence[TranslatedEvent]) -> set[tuple[str, str]]:
    return {(event.connection, event.event.key) for event in events}


def _new_ids(now: datetime) -> Iterator[str]:
    while True:
        yield new_id(now)


def _sent(
    connection: Connection, events: Sequence[TranslatedEvent], records: Mapping[RecordKey, KnownRecord]
) -> tuple[dict[str, tuple[SentValue, ...]], dict[RecordKey, list[StoredEvent]]]:
    """What was sent for the records of which events may be echoes, and what is known of these records since."""
    named = [
        (event.event.at, event.record) for event in events if event.event.kind in SAYING and event.record in records
    ]
    found = {record.id: record for _, key in named if key is not None and (record := records[key]).id is not None}
    sent = batches.sent_values(connection, found, min(at for at, _ in named) - OWN_WINDOW) if found else {}
    if not sent:
        return {}, {}
    since = min(entry.at for entries in sent.values() for entry in entries) - EARLY
    return sent, batches.told_since(connection, {found[of].subject for of in sent}, since)


def _last_facts(
    connection: Connection, events: Sequence[TranslatedEvent], records: Mapping[RecordKey, KnownRecord]
) -> dict[RecordKey, list[Order]]:
    """What else was said since of the records that events say are deleted."""
    ends = [event for event in events if event.event.kind is Kind.DELETED and event.record in records]
    subjects = {records[event.record].subject for event in ends if event.record is not None}
    return batches.last_facts(connection, subjects, min(event.event.at for event in ends)) if ends else {}


def _histories(connection: Connection, placed: Placed) -> dict[str, History]:
    """The second load: what is stored of the subjects that are folded again, as in late events and merges."""
    wanted = placed.histories_of
    if not wanted:
        return {}
    histories = batches.histories(connection, wanted)
    losers = placed.resolved.merged
    names = batches.names_of(connection, losers) if losers else {}
    return histories | {loser: replace(histories[loser], names=names.get(loser, ())) for loser in losers}


# Save


def _save(connection: Connection, changes: Changes, now: datetime) -> None:
    batches.save_subjects(connection, [_subject_row(change) for change in changes.subjects])
    merged = {merge.loser: merge.survivor for merge in changes.merges}
    batches.merge(connection, merged, [_merge_row(merge, now) for merge in changes.merges])
    batches.add_identities(
        connection, [{"kind": kind, "value": value, "subject": of} for (kind, value), of in changes.identities]
    )
    record_ids = {record.key: record.id or new_id(now) for record in changes.records}
    batches.save_records(connection, [_record_row(record, record_ids[record.key]) for record in changes.records])
    batches.add_events(connection, [_event_row(event, now) for event in changes.events])
    batches.match_sent(connection, changes.matched)
    batches.judge_anew(connection, [_judged_row(event) for event, _ in changes.rejudged])
    recount(connection, [(new.event.delivery, before, new.outcome) for new, before in changes.rejudged], now)
    batches.revise_decisions(connection, changes.revised, now)
    batches.add_decisions(connection, [_decision_row(decision, now) for decision in changes.decisions])
    batches.add_notices(connection, [_notice_row(notice, now) for notice in changes.notices])
    outbox.enqueue_updates(connection, [_update_row(update, record_ids, now) for update in changes.updates])


def _subject_row(change: SubjectChange) -> Row:
    return {
        "id": change.id,
        "kind": change.kind,
        "status": change.status,
        "since": change.since,
        "owner": change.owner,
        "due": change.due,
        "last_run": change.state.last_run if change.state else None,
        "rules": change.rules,
        "state": change.state.to_json() if change.state else None,
        "version": change.version,
        "merged_into": None,
        "created_at": change.created_at,
    }


def _merge_row(merge: Merge, now: datetime) -> Row:
    return {
        "id": new_id(now),
        "at": now,
        "loser": merge.loser,
        "survivor": merge.survivor,
        "event": merge.event,
        "identities": [list(name) for name in merge.names],
        "undone_at": None,
        "undone_by": None,
    }


def _record_row(record: KnownRecord, record_id: str) -> Row:
    return {
        "id": record_id,
        "connection": record.key.connection,
        "object": record.key.object,
        "external_id": record.key.id,
        "subject": record.subject,
        "stage": record.stage,
        "pipeline": record.pipeline,
        "stage_at": record.stage_order and record.stage_order[0],
        "stage_order": record.stage_order and order_to_json(record.stage_order),
        "is_gone": record.is_gone,
        "gone_at": record.gone_order and record.gone_order[0],
        "gone_order": record.gone_order and order_to_json(record.gone_order),
        "owner": record.owner,
        "owner_order": record.owner_order and order_to_json(record.owner_order),
    }


def _event_row(new: NewEvent, now: datetime) -> Row:
    event = new.event.event
    return {
        "id": new_id(now),
        "connection": new.event.connection,
        "key": event.key,
        "subject": new.subject,
        "origin": new.subject,
        "at": event.at,
        "kind": event.kind.value,
        "outcome": new.outcome.value,
        "reason": new.reason,
        "event": event_to_json(event),
        "steps": [step_to_json(step) for step in new.steps],
        "mapping_version": new.event.version,
        "delivery": new.event.delivery,
    }


def _judged_row(new: NewEvent) -> Row:
    return {
        "of": new.event.connection,
        "named": new.event.event.key,
        "ended": new.outcome.value,
        "why": new.reason,
        "made": [step_to_json(step) for step in new.steps],
    }


def _decision_row(new: NewDecision, now: datetime) -> Row:
    decision = new.decision
    return {
        "id": new_id(now),
        "subject": new.subject,
        "at": decision.at,
        "place": new.place,
        "rule": decision.rule,
        "before": decision.before,
        "after": decision.after,
        "notify": list(decision.notify),
        "skipped": list(decision.skipped),
        "reason": decision.reason.value if decision.reason else None,
        "notice": decision.notice,
        "step": decision.step,
        "facts": dict(decision.facts),
        "delivery": new.delivery,
        "mapping_version": new.version,
        "recorded_at": now,
        "revised_at": None,
        "mail": new.mail,
    }


def _notice_row(notice: Notice, now: datetime) -> Row:
    decision = notice.decision
    return {
        **_waiting_row(outbox.NOTICE, notice.key, notice.subject, notice.delivery, now),
        "connection": None,
        "record": None,
        "payload": {
            "to": notice.recipient,
            "rule": decision.rule,
            "notice": decision.notice,
            "day": notice.day,
            "before": decision.before,
            "after": decision.after,
            "facts": decision.facts,
        },
    }


def _update_row(update: UpdateRequest, record_ids: Mapping[RecordKey, str], now: datetime) -> Row:
    record_id = update.record.id or record_ids[update.record.key]
    return {
        **_waiting_row(outbox.UPDATE, record_id, update.subject, update.delivery, now),
        "connection": update.record.key.connection,
        "record": record_id,
        "payload": None,
    }


def _waiting_row(kind: str, key: str, subject: str, delivery: str | None, now: datetime) -> Row:
    """What entries of the outbox have in common: due now, in their first revision."""
    return {
        "id": new_id(now),
        "kind": kind,
        "key": key,
        "subject": subject,
        "revision": 1,
        "outcome": outbox.WAITING,
        "next_attempt_at": now,
        "delivery": delivery,
        "created_at": now,
    }
