"""Queries on subjects, their identities, records, events and decisions, always for a batch of subjects at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, func, or_, select, tuple_, update

from connector.core.decide.decisions import place_order
from connector.core.event import COUNTED, Outcome
from connector.store.deliveries import HeldGroup
from connector.store.event_json import event_from_json
from connector.store.rows import Row, among, columns_of, fetch
from connector.store.tables import decisions, events, identities, merges, records, subjects


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRow:
    """A subject as it is stored; times are aware UTC.

    `due`: the local day (ordinal) of its next daily rule. `state`: the JSON of its state, None where nothing has
    happened to it yet.
    """

    id: str
    kind: str
    status: str
    since: datetime
    owner: str | None
    due: int | None
    state: Mapping[str, Any] | None
    version: int
    merged_into: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """A record of an external system as it was seen last, and its subject; times are aware UTC."""

    id: str
    connection: str
    object: str
    external_id: str
    subject: str
    stage: str | None
    pipeline: str | None
    stage_at: datetime | None
    owner: str | None
    is_gone: bool
    gone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A stored event: the `event` as its adapter read it, and the `steps` that a mapping made of it (both JSON)."""

    id: str
    connection: str
    key: str
    subject: str
    origin: str
    at: datetime
    kind: str
    outcome: str
    reason: str | None
    event: Mapping[str, Any]
    steps: list[dict[str, Any]]
    mapping_version: int | None
    delivery: str | None
    compacted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvent:
    """An event that waits for its reason to be mapped, and who waits. `at` is aware UTC."""

    id: str
    connection: str
    reason: str | None
    at: datetime
    subject: str
    delivery: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A decision as it is stored; times are aware UTC.

    `place` orders the decisions of one instant. `revised_at`: when a fold from the start did not make it again. `mail`:
    what became of its notice.
    """

    id: str
    subject: str
    at: datetime
    place: str
    rule: str
    before: str
    after: str
    notify: list[str]
    skipped: list[str]
    reason: str | None
    notice: str | None
    step: str | None
    facts: Mapping[str, Any] | None
    delivery: str | None
    mapping_version: int | None
    recorded_at: datetime
    revised_at: datetime | None
    mail: str | None


_SUBJECT: Final = columns_of(subjects, SubjectRow)
_RECORD: Final = columns_of(records, RecordRow)
_EVENT: Final = columns_of(events, EventRow)
_DECISION: Final = columns_of(decisions, DecisionRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRow:
    """A merge of two subjects. `event`: the key of the one that named both. `identities`: what found the loser before.

    Times are aware UTC.
    """

    id: str
    at: datetime
    loser: str
    survivor: str
    event: str
    identities: Sequence[Sequence[str]]
    undone_at: datetime | None
    undone_by: str | None


def by_identities(connection: Connection, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The subject of each (kind, value) that has one; of several the oldest."""
    key = (identities.c.kind, identities.c.value)
    query = select(*key, func.min(identities.c.subject)).where(among(connection, key, wanted))
    rows = connection.execute(query.where(identities.c.until.is_(None)).group_by(*key)).all()
    return {(kind, value): subject for kind, value, subject in rows}


def states(connection: Connection, ids: Collection[str]) -> dict[str, SubjectRow]:
    """Subjects by id as they are, without a lock."""
    query = select(*_SUBJECT).where(among(connection, [subjects.c.id], ids))
    return {row["id"]: SubjectRow(**row) for row in fetch(connection, query)}


def history(connection: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """Per subject its applied events in order of time: steps, delivery, mapping version."""
    found: dict[str, list[Row]] = {subject: [] for subject in ids}
    columns = (events.c.subject, events.c.steps, events.c.delivery, events.c.mapping_version)
    query = select(*columns).where(among(connection, [events.c.subject], ids), events.c.outcome.in_(sorted(COUNTED)))
    for row in fetch(connection, query.order_by(events.c.at)):
        found[row["subject"]].append(row)
    return found


def decided(connection: Connection, ids: Collection[str]) -> dict[str, list[DecisionRow]]:
    """Per subject its decisions that stand (not revised), in order."""
    found: dict[str, list[DecisionRow]] = {subject: [] for subject in ids}
    query = select(*_DECISION).where(among(connection, [decisions.c.subject], ids), decisions.c.revised_at.is_(None))
    for row in _decided(connection, query):
        found[row.subject].append(row)
    return found


def _decided(connection: Connection, query: Select[Any]) -> list[DecisionRow]:
    """Decisions in the order in which they were made."""
    found = [DecisionRow(**row) for row in fetch(connection, query)]
    return sorted(found, key=lambda row: (row.at, place_order(row.place)))


def records_of(connection: Connection, ids: Collection[str]) -> dict[str, list[RecordRow]]:
    """Per subject its records that are not gone."""
    found: dict[str, list[RecordRow]] = {subject: [] for subject in ids}
    query = select(*_RECORD).where(among(connection, [records.c.subject], ids), records.c.is_gone.is_(False))
    for row in fetch(connection, query.order_by(records.c.id)):
        found[row["subject"]].append(RecordRow(**row))
    return found


def records_by_key(
    connection: Connection, keys: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str, str], RecordRow]:
    """Records by (connection, object, external id)."""
    if not keys:
        return {}
    query = select(*_RECORD).where(
        among(connection, (records.c.connection, records.c.object, records.c.external_id), keys)
    )
    return {
        (row["connection"], row["object"], row["external_id"]): RecordRow(**row) for row in fetch(connection, query)
    }


def due(connection: Connection, day: int, limit: int) -> list[str]:
    """Ids of subjects on which a daily rule may hold on or before a local day (ordinal), most overdue first."""
    query = select(subjects.c.id).where(subjects.c.due <= day).order_by(subjects.c.due, subjects.c.id).limit(limit)
    return [str(found) for found in connection.execute(query).scalars()]


def find(connection: Connection, who: Collection[tuple[str, str]], subject: str) -> list[str]:
    """The subjects that have one of the identities, or the one whose id it is; a merged one gives its survivor."""
    query = select(identities.c.subject).where(
        tuple_(identities.c.kind, identities.c.value).in_(sorted(who)), identities.c.until.is_(None)
    )
    if named := sorted(set(connection.execute(query).scalars())):
        return [str(one) for one in named]
    row = connection.execute(select(subjects.c.id, subjects.c.merged_into).where(subjects.c.id == subject)).first()
    return [] if row is None else [str(row.merged_into or row.id)]


def identities_of(connection: Connection, ids: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Per subject its identities (kind, value), sorted."""
    found: dict[str, list[tuple[str, str]]] = {subject: [] for subject in ids}
    query = select(identities.c.kind, identities.c.value, identities.c.subject)
    query = query.where(among(connection, [identities.c.subject], ids), identities.c.until.is_(None))
    for kind, value, subject in connection.execute(query.order_by(identities.c.kind, identities.c.value)):
        found[subject].append((kind, value))
    return found


def listed(
    connection: Connection, *, status: str | None = None, after: str | None = None, limit: int = 500
) -> list[SubjectRow]:
    """Subjects that were not merged away, by id; `after` is the id that the page before ended with."""
    query = select(*_SUBJECT).where(subjects.c.merged_into.is_(None)).order_by(subjects.c.id).limit(limit)
    if status is not None:
        query = query.where(subjects.c.status == status)
    if after is not None:
        query = query.where(subjects.c.id > after)
    return [SubjectRow(**row) for row in fetch(connection, query)]


def decisions_of(connection: Connection, subject: str) -> list[DecisionRow]:
    """All decisions of a subject, revised ones included, in order."""
    return _decided(connection, select(*_DECISION).where(decisions.c.subject == subject))


def events_of(connection: Connection, subject: str, limit: int = 200) -> list[EventRow]:
    """The newest events of a subject, newest first."""
    query = select(*_EVENT).where(events.c.subject == subject).order_by(events.c.at.desc()).limit(limit)
    return _in_order(connection, query)[::-1]


def _in_order(connection: Connection, query: Select[Any]) -> list[EventRow]:
    """Events in the order of the fold."""
    found = [EventRow(**row) for row in fetch(connection, query)]
    return sorted(found, key=lambda row: event_from_json(row.event).order)


def held(connection: Connection) -> list[HeldGroup]:
    """What is held, by connection and reason: how many, and the id of one example."""
    query = (
        select(
            events.c.connection, events.c.reason, func.count().label("count"), func.max(events.c.id).label("example")
        )
        .where(events.c.outcome == Outcome.HELD)
        .group_by(events.c.connection, events.c.reason)
        .order_by(events.c.connection, events.c.reason)
    )
    return [HeldGroup(**row) for row in fetch(connection, query)]


def held_events(connection: Connection, name: str | None, after: str, limit: int) -> list[HeldEvent]:
    """Held events after an id, of a connection (None: of all)."""
    query = select(*columns_of(events, HeldEvent)).where(events.c.outcome == Outcome.HELD, events.c.id > after)
    if name is not None:
        query = query.where(events.c.connection == name)
    return [HeldEvent(**row) for row in fetch(connection, query.order_by(events.c.id).limit(limit))]


def held_of(connection: Connection, subject: str) -> list[EventRow]:
    """The held events of a subject, oldest first."""
    query = select(*_EVENT).where(events.c.subject == subject, events.c.outcome == Outcome.HELD)
    return _in_order(connection, query)


def events_from(connection: Connection, delivery: str) -> list[EventRow]:
    """The events that came out of a delivery, in order of time."""
    return _in_order(connection, select(*_EVENT).where(events.c.delivery == delivery))


def decisions_from(connection: Connection, delivery: str, ids: Collection[str]) -> list[DecisionRow]:
    """The decisions that a delivery led to on these subjects, in order."""
    query = select(*_DECISION).where(among(connection, [decisions.c.subject], ids), decisions.c.delivery == delivery)
    return _decided(connection, query)


def get(connection: Connection, subject: str) -> SubjectRow:
    """One subject by its id, which must exist."""
    return SubjectRow(**connection.execute(select(*_SUBJECT).where(subjects.c.id == subject)).mappings().one())


def get_merge(connection: Connection, merge: str) -> MergeRow | None:
    """One merge; None: there is none."""
    return next((MergeRow(**row) for row in fetch(connection, select(merges).where(merges.c.id == merge))), None)


def merges_of(connection: Connection, subject: str) -> list[MergeRow]:
    """The merges that a subject took part in, those of the subjects within it too, the oldest first."""
    within = [subject, *merged_into(connection, subject)]
    query = select(merges).where(or_(among(connection, [merges.c.survivor], within), merges.c.loser == subject))
    return [MergeRow(**row) for row in fetch(connection, query.order_by(merges.c.id))]


def merged_into(connection: Connection, subject: str) -> list[str]:
    """The subjects that were merged into a subject, directly or by way of others."""
    found: list[str] = []
    edge = [subject]
    while edge:
        query = select(subjects.c.id).where(among(connection, [subjects.c.merged_into], edge))
        edge = [str(one) for one in connection.execute(query).scalars()]
        found += edge
    return found


def all_events_of(connection: Connection, subject: str) -> list[EventRow]:
    """Every event of a subject, in the order of their storing."""
    query = select(*_EVENT).where(events.c.subject == subject).order_by(events.c.id)
    return [EventRow(**row) for row in fetch(connection, query)]


def undo_merge(connection: Connection, merge: str, now: datetime, by: str) -> None:
    """Mark a merge as undone."""
    connection.execute(update(merges).where(merges.c.id == merge).values(undone_at=now, undone_by=by))
