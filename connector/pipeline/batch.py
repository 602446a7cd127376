"""One batch in one transaction: load what it touches, decide, save; all that changes subjects goes through here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from connector.core.decide import Placed, decide, place
from connector.core.decide.batch import (
    Batch,
    Changes,
    Context,
    History,
    KnownEvent,
    KnownRecord,
    Refold,
    StoredEvent,
    TranslatedEvent,
)
from connector.core.decide.echoes import EARLY, OWN_WINDOW, SAYING, SentValue
from connector.core.decide.readings import Mark, counting_again, mark_of, read_again
from connector.core.event import Kind
from connector.core.identity import Holding, IdentityKey, RecordKey
from connector.core.order import Order
from connector.pipeline import rows
from connector.pipeline.recount import recount
from connector.store import batches, identities, outbox
from connector.store.database import Overtaken, new_id

BY_IDENTITIES: Final = "identities"
"""Who undid a merge that what came in later has shown to be wrong."""


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

    Where they take others for nobody than the version before, who is who is found out again, too.

    The first version only says what was in force before it: there the daily rules of today are left to the sweep, which
    mails. Under any later one they are run here.
    """
    until = context.today if context.ruleset.version > 1 else None
    is_resolved = context.ruleset.is_of_others
    refolds = tuple(Refold(subject=of, until=until, is_whole=True, is_resolved=is_resolved) for of in subjects)
    return _decide(connection, _load(connection, replace(context, is_silent=True), (), refolds))


def _decide(connection: Connection, batch: Batch) -> Changes:
    placed = place(batch)
    while placed.knot:
        batch = _with_knot(connection, batch, placed.knot)
        placed = place(batch)
    changes = decide(placed, _histories(connection, placed))
    _save(connection, changes, batch)
    return changes


# Load


def _load(
    connection: Connection, context: Context, events: tuple[TranslatedEvent, ...], refolds: tuple[Refold, ...]
) -> Batch:
    known_events = batches.known_events(connection, set(map(mark_of, events))) if events else {}
    told_again = _told_again(connection, events, known_events)
    fresh = [event for event in events if (mark := mark_of(event)) not in known_events or mark in told_again]
    keys = {key for event in fresh for key in event.identities}
    named = identities.of_keys(connection, keys) if keys else []
    found = {one.subject for one in named if not one.is_shared}
    wanted = {*found, *(refold.subject for refold in refolds), *(stored.subject for stored in told_again.values())}
    subjects = batches.lock_subjects(connection, wanted) if wanted else {}
    if any(subject not in subjects or subjects[subject].merged_into is not None for subject in found):
        raise Overtaken
    holdings = _holdings(connection, keys, named, found)
    named_records = {record for event in fresh if (record := event.record) is not None}
    records = batches.records_by_key(connection, named_records) if named_records else {}
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
        holdings=holdings,
        subjects=subjects,
        records=records,
        sent=sent,
        told=told,
        last_facts=last_facts,
        told_again=told_again,
        apart=identities.apart_of(connection, found) if found else (),
    )


def _holdings(
    connection: Connection, keys: Collection[IdentityKey], named: Sequence[Holding], found: set[str]
) -> tuple[Holding, ...]:
    """Who has what the events name, and all that those have, now that they are locked."""
    if not found:
        return tuple(named)
    if connection.dialect.name != "sqlite":  # where nobody else writes in this transaction
        named = identities.of_keys(connection, keys)
    if not found >= {one.subject for one in named if not one.is_shared}:
        raise Overtaken
    return (*named, *(one for one in identities.of_subjects(connection, found) if one.key not in keys))


def _with_knot(connection: Connection, batch: Batch, start: frozenset[str]) -> Batch:
    """The batch with all that bears on who is who among these subjects and those whom identities link to them."""
    linked = identities.linked(connection, start)
    locked = batches.lock_subjects(connection, linked)
    if len(locked) < len(linked) or any(one.merged_into is not None for one in locked.values()):
        raise Overtaken
    knot = identities.knot(connection, linked)
    if not linked >= {one.subject for one in knot.holdings if not one.is_shared}:
        raise Overtaken
    away = {event.origin for event in knot.events} - linked
    subjects = {**batch.subjects, **locked, **(batches.lock_subjects(connection, away) if away else {})}
    records = batches.records_of(connection, linked, batch.records)
    return replace(batch, knot=knot, subjects=subjects, records=records)


def _told_again(
    connection: Connection, events: Sequence[TranslatedEvent], known: Mapping[Mark, KnownEvent]
) -> dict[Mark, StoredEvent]:
    """What is stored of facts that are read again after their record said something else in the same second."""
    again = read_again(events, known)
    return counting_again(again, events, batches.of_their_seconds(connection, again.keys())) if again else {}


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
    return batches.histories(connection, wanted)


# Save


def _save(connection: Connection, changes: Changes, batch: Batch) -> None:
    now = batch.context.now
    batches.save_subjects(connection, [rows.subject_row(change) for change in changes.subjects])
    merged = {merge.loser: merge.survivor for merge in changes.merges}
    batches.merge(connection, merged, [rows.merge_row(merge, now) for merge in changes.merges])
    identities.move_events(connection, changes.moved)
    identities.revive(connection, changes.revived, now, BY_IDENTITIES)
    if changes.holdings or changes.dropped:
        known = {(one.key, one.number) for one in (*batch.holdings, *(batch.knot.holdings if batch.knot else ()))}
        identities.save(connection, changes.holdings, changes.dropped, known)
    record_ids = {record.key: record.id or new_id(now) for record in changes.records}
    batches.save_records(connection, [rows.record_row(record, record_ids[record.key]) for record in changes.records])
    batches.add_events(connection, [rows.event_row(event, now) for event in changes.events])
    batches.match_sent(connection, changes.matched)
    batches.judge_anew(connection, [rows.judged_row(event) for event, _ in changes.rejudged])
    recount(connection, [(new.event.delivery, before, new.outcome) for new, before in changes.rejudged], now)
    batches.revise_decisions(connection, changes.revised, now)
    batches.add_decisions(connection, [rows.decision_row(decision, now) for decision in changes.decisions])
    batches.add_notices(connection, [rows.notice_row(notice, now) for notice in changes.notices])
    outbox.enqueue_updates(connection, [rows.update_row(update, record_ids, now) for update in changes.updates])
