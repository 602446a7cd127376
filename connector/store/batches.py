"""What the pipeline loads for a batch, and writes after it was decided: typed, and for the whole batch at once.

Every function is one statement, however many events and subjects the batch has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, update

from connector.core.decide.batch import (
    History,
    KnownEvent,
    KnownRecord,
    KnownSubject,
    StandingDecision,
    StoredEvent,
    StoredSteps,
    TranslatedEvent,
)
from connector.core.decide.decisions import place_order, stored_says
from connector.core.decide.echoes import SAYING, SentValue
from connector.core.event import COUNTED, TIE_ORDER, Kind, Outcome
from connector.core.identity import RecordKey
from connector.core.order import Order, order_from_json, order_of
from connector.core.state import State
from connector.store.event_json import event_from_json, step_from_json
from connector.store.rows import Row, among, fetch, insert_all, insert_new, upsert
from connector.store.tables import (
    decisions,
    echoes,
    events,
    merges,
    outbox,
    records,
    subjects,
)

_SUBJECT_COLUMNS: Final = (
    "kind",
    "status",
    "since",
    "owner",
    "due",
    "last_run",
    "rules",
    "state",
    "version",
    "merged_into",
)
_RECORD_COLUMNS: Final = (
    "subject",
    "stage",
    "pipeline",
    "stage_at",
    "stage_order",
    "is_gone",
    "gone_at",
    "gone_order",
    "owner",
    "owner_order",
)
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}


# What is loaded


def known_events(connection: Connection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], KnownEvent]:
    """Of each (connection, key) that is stored already, what became of it."""
    columns = (events.c.connection, events.c.key, events.c.outcome, events.c.reason, events.c.delivery)
    read_at = events.c.event["read_at"].as_string()
    query = select(*columns, read_at).where(among(connection, (events.c.connection, events.c.key), keys))
    return {
        (name, key): KnownEvent(
            outcome=_OUTCOMES[outcome],
            reason=reason,
            delivery=delivery,
            read_at=datetime.fromisoformat(read) if read else None,
        )
        for name, key, outcome, reason, delivery, read in connection.execute(query).all()
    }


def of_their_seconds(connection: Connection, keys: Collection[tuple[str, str]]) -> list[StoredEvent]:
    """The stored events of these (connection, key), and those of the same subject, kind and time."""
    known, beside = events, events.alias()
    is_beside = (known.c.subject == beside.c.subject, known.c.at == beside.c.at, known.c.kind == beside.c.kind)
    query = select(*(beside.c[name] for name in _TOLD), beside.c.id).where(
        among(connection, (known.c.connection, known.c.key), keys), *is_beside
    )
    return list({row[-1]: _stored(row[:-1]) for row in connection.execute(query).all()}.values())


def lock_subjects(connection: Connection, ids: Collection[str]) -> dict[str, KnownSubject]:
    """Subjects by id, locked for this transaction in the order of their ids."""
    names = ("id", "version", "created_at", "since", "due", "rules", "merged_into", "state")
    columns = [subjects.c[name] for name in names]
    query = select(*columns).where(among(connection, [subjects.c.id], ids)).order_by(subjects.c.id).with_for_update()
    return {
        subject: KnownSubject(
            id=subject,
            version=version,
            created_at=created_at,
            since=since,
            due=due,
            rules=rules,
            merged_into=merged_into,
            state=None if state is None else State.from_json(state),
        )
        for subject, version, created_at, since, due, rules, merged_into, state in connection.execute(query).all()
    }


_RECORD: Final = (
    records.c.id,
    records.c.connection,
    records.c.object,
    records.c.external_id,
    records.c.subject,
    records.c.stage,
    records.c.pipeline,
    records.c.stage_at,
    records.c.stage_order,
    records.c.is_gone,
    records.c.gone_at,
    records.c.gone_order,
    records.c.owner,
    records.c.owner_order,
)


def records_by_key(connection: Connection, keys: Collection[RecordKey]) -> dict[RecordKey, KnownRecord]:
    """Records by their connection, object and id."""
    columns = (records.c.connection, records.c.object, records.c.external_id)
    return _records(connection, select(*_RECORD).where(among(connection, columns, keys)))


def records_of(
    connection: Connection, ids: Collection[str], known: Mapping[RecordKey, KnownRecord]
) -> dict[RecordKey, KnownRecord]:
    """The records of subjects, deleted ones included, with those that are `known` already."""
    return _records(connection, select(*_RECORD).where(among(connection, [records.c.subject], ids)), known)


def _records(
    connection: Connection, query: Any, known: Mapping[RecordKey, KnownRecord] = MappingProxyType({})
) -> dict[RecordKey, KnownRecord]:
    found = dict(known)
    for row in connection.execute(query):
        key = RecordKey(row.connection, row.object, row.external_id)
        if key in known:
            continue
        found[key] = KnownRecord(
            id=row.id,
            key=key,
            subject=row.subject,
            stage=row.stage,
            pipeline=row.pipeline,
            stage_order=_order(row.stage_order, row.stage_at, Kind.STAGE),
            is_gone=row.is_gone,
            gone_order=_order(row.gone_order, row.gone_at, Kind.DELETED),
            owner=row.owner,
            owner_order=row.owner_order and order_from_json(row.owner_order),
        )
    return found


def _order(raw: Sequence[Any] | None, at: datetime | None, kind: Kind) -> Order | None:
    """The place that is stored, or the first of its instant where the time alone is."""
    if raw is not None:
        return order_from_json(raw)
    return None if at is None else order_of(at, TIE_ORDER[kind], "")


def sent_values(
    connection: Connection, record_ids: Collection[str], since: datetime
) -> dict[str, tuple[SentValue, ...]]:
    """The entries of the echo ledger by record, of what was sent at or after an instant, oldest first."""
    found: dict[str, list[SentValue]] = {}
    query = (
        select(echoes)
        .where(among(connection, [echoes.c.record], record_ids), echoes.c.at >= since)
        .order_by(echoes.c.at, echoes.c.id)
    )
    for row in fetch(connection, query):
        found.setdefault(row["record"], []).append(SentValue(**row))
    return {record: tuple(entries) for record, entries in found.items()}


def told_since(connection: Connection, ids: Collection[str], since: datetime) -> dict[RecordKey, list[StoredEvent]]:
    """The events of these subjects from an instant on that say a stage or an owner of their records, by record."""
    query = select(*(events.c[name] for name in _TOLD)).where(
        among(connection, [events.c.subject], ids), events.c.at >= since, events.c.kind.in_(sorted(SAYING))
    )
    found: dict[RecordKey, list[StoredEvent]] = {}
    for stored in map(_stored, connection.execute(query).all()):
        if stored.event.record is not None:
            found.setdefault(stored.event.record, []).append(stored)
    return found


_TOLD: Final = ("connection", "event", "subject", "outcome", "mapping_version", "delivery")


def _stored(row: Any) -> StoredEvent:
    name, raw, subject, outcome, version, delivery = row
    event = TranslatedEvent(connection=name, event=event_from_json(raw), version=version, delivery=delivery)
    return StoredEvent(event=event, subject=subject, outcome=_OUTCOMES[outcome])


def last_facts(connection: Connection, ids: Collection[str], since: datetime) -> dict[RecordKey, list[Order]]:
    """The places of the events of each record of these subjects, from an instant on, that are no deletions."""
    query = select(events.c.connection, events.c.event).where(
        among(connection, [events.c.subject], ids), events.c.at >= since, events.c.kind != Kind.DELETED.value
    )
    found: dict[RecordKey, list[Order]] = {}
    for name, raw in connection.execute(query).all():
        if record := raw.get("record"):
            found.setdefault(RecordKey(name, record[0], record[1]), []).append(event_from_json(raw).order)
    return found


def histories(connection: Connection, ids: Collection[str]) -> dict[str, History]:
    """Per subject its events that count, in order of time, and its decisions that stand: three statements."""
    stored: dict[str, list[StoredSteps]] = {subject: [] for subject in ids}
    columns = (events.c.subject, events.c.id, events.c.steps, events.c.delivery, events.c.mapping_version)
    counts = events.c.outcome.in_(sorted(COUNTED))
    query = select(*columns).where(among(connection, [events.c.subject], ids), counts).order_by(events.c.at)
    for subject, of, steps, delivery, version in connection.execute(query).all():
        made = tuple(map(step_from_json, steps))
        stored[subject].append(StoredSteps(id=of, steps=made, delivery=delivery, version=version))
    standing: dict[str, list[StandingDecision]] = {subject: [] for subject in ids}
    of_subjects = among(connection, [decisions.c.subject], ids)
    stands = fetch(connection, select(decisions).where(of_subjects, decisions.c.revised_at.is_(None)))
    for row in sorted(stands, key=lambda row: (row["at"], place_order(row["place"]))):
        standing[row["subject"]].append(_standing(row))
    first = select(events.c.subject, func.min(events.c.at)).where(among(connection, [events.c.subject], ids))
    first_at = {subject: at for subject, at in connection.execute(first.group_by(events.c.subject)).all()}  # noqa: C416
    return {
        subject: History(
            events=tuple(stored[subject]), decisions=tuple(standing[subject]), first_at=first_at.get(subject)
        )
        for subject in ids
    }


def _standing(row: Row) -> StandingDecision:
    return StandingDecision(
        id=row["id"],
        says=stored_says(row),
        at=row["at"],
        rule=row["rule"],
        notify=tuple(row["notify"]),
        mail=row["mail"],
    )


# What is written: rows of the tables


def save_subjects(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert new subjects and overwrite known ones."""
    upsert(connection, subjects, rows, ("id",), _SUBJECT_COLUMNS)


def merge(connection: Connection, merged: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Hand everything of the losers (loser → survivor) to the survivors; each event keeps its origin.

    `rows`: what is written down of each merge (rows of `merges`).
    """
    if not merged:
        return
    moved = [{"lost": loser, "kept": survivor} for loser, survivor in sorted(merged.items())]
    for table in (records, events, decisions):
        connection.execute(
            update(table).where(table.c.subject == bindparam("lost")).values(subject=bindparam("kept")), moved
        )
    connection.execute(
        update(subjects).where(subjects.c.id == bindparam("lost")).values(merged_into=bindparam("kept"), due=None),
        moved,
    )
    insert_all(connection, merges, rows)


def save_records(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert new records and overwrite subject, stage and presence of known ones."""
    upsert(connection, records, rows, ("id",), _RECORD_COLUMNS)


def add_events(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert events. Raises `IntegrityError` when another transaction stored one first: the batch is tried again."""
    insert_all(connection, events, rows)


def revise_decisions(connection: Connection, ids: Collection[str], now: datetime) -> None:
    """Mark decisions that a fold of the whole history did not make again."""
    if ids:
        connection.execute(update(decisions).where(among(connection, [decisions.c.id], ids)).values(revised_at=now))


def add_decisions(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert decisions."""
    insert_all(connection, decisions, rows)


def add_notices(connection: Connection, rows: Sequence[Row]) -> None:
    """Ask for mails; one that was asked for before is not asked for again."""
    insert_new(connection, outbox, rows, "id")


def judge_anew(connection: Connection, rows: Sequence[Row]) -> None:
    """Note what became of stored events after all. Rows: `of` (connection), `named` (key), the event and what ended."""
    columns = {"outcome": "ended", "reason": "why", "steps": "made", "event": "fact"}
    values: dict[str, Any] = {column: bindparam(name, type_=events.c[column].type) for column, name in columns.items()}
    if rows:
        is_it = (events.c.connection == bindparam("of"), events.c.key == bindparam("named"))
        connection.execute(update(events).where(*is_it).values(values), [dict(row) for row in rows])


def match_sent(connection: Connection, matched: Sequence[tuple[str, str | None]]) -> None:
    """Note which event (key) came back for an entry of the echo ledger (id); None: none did."""
    if matched:
        connection.execute(
            update(echoes).where(echoes.c.id == bindparam("of")).values(matched=bindparam("came")),
            [{"of": entry, "came": key} for entry, key in matched],
        )
