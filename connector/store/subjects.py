"""Queries on subjects, their identities, records, events and decisions, always for a batch of subjects at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, tuple_, update

from connector.store.rows import Row, chunks, insert_all, upsert
from connector.store.tables import decisions, events, identities, records, subjects

SUBJECT_COLUMNS = ("kind", "status", "since", "owner", "due", "state", "version", "merged_into")


def by_identities(connection: Connection, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The subject of each (kind, value) that has one."""
    found: dict[tuple[str, str], str] = {}
    for part in chunks(sorted(wanted)):
        rows = connection.execute(select(identities).where(tuple_(identities.c.kind, identities.c.value).in_(part)))
        found |= {(kind, value): subject for kind, value, subject in rows}
    return found


def load(connection: Connection, ids: Collection[str]) -> dict[str, Row]:
    """Subjects by id, locked for this transaction in the order of their ids."""
    found: dict[str, Row] = {}
    for part in chunks(sorted(ids)):
        query = select(subjects).where(subjects.c.id.in_(part)).order_by(subjects.c.id).with_for_update()
        found |= {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    return found


def save(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert new subjects and overwrite known ones."""
    upsert(connection, subjects, rows, ["id"], SUBJECT_COLUMNS)


def add_identities(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert identities. Raises `IntegrityError` when another transaction took one first: the batch is tried again."""
    insert_all(connection, identities, rows)


def known_events(connection: Connection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The outcome of each (connection, key) that is stored already."""
    found: dict[tuple[str, str], str] = {}
    for part in chunks(sorted(keys)):
        rows = connection.execute(
            select(events.c.connection, events.c.key, events.c.outcome).where(
                tuple_(events.c.connection, events.c.key).in_(part)
            )
        )
        found |= {(name, key): outcome for name, key, outcome in rows}
    return found


def add_events(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert events. Raises `IntegrityError` when another transaction stored one first: the batch is tried again."""
    insert_all(connection, events, rows)


def history(connection: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """Per subject its applied events in order of time: steps, delivery, mapping version."""
    found: dict[str, list[Row]] = {subject: [] for subject in ids}
    columns = (events.c.subject, events.c.steps, events.c.delivery, events.c.mapping_version)
    for part in chunks(sorted(ids)):
        query = select(*columns).where(events.c.subject.in_(part), events.c.outcome == "applied").order_by(events.c.at)
        for row in connection.execute(query).mappings():
            found[row["subject"]].append(dict(row))
    return found


def decided(connection: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """Per subject its decisions that stand (not revised), in order."""
    found: dict[str, list[Row]] = {subject: [] for subject in ids}
    for part in chunks(sorted(ids)):
        query = (
            select(decisions)
            .where(decisions.c.subject.in_(part), decisions.c.revised_at.is_(None))
            .order_by(decisions.c.at, decisions.c.place)
        )
        for row in connection.execute(query).mappings():
            found[row["subject"]].append(dict(row))
    return found


def add_decisions(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert decisions."""
    insert_all(connection, decisions, rows)


def revise(connection: Connection, ids: Collection[str], now: datetime) -> None:
    """Mark decisions that a fold from the start did not make again."""
    for part in chunks(sorted(ids)):
        connection.execute(update(decisions).where(decisions.c.id.in_(part)).values(revised_at=now))


def merge(connection: Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """Hand everything of the losers (loser, survivor) to the survivors; each event keeps its origin."""
    moved = [{"lost": loser, "kept": survivor} for loser, survivor in pairs]
    for table in (identities, records, events, decisions):
        connection.execute(
            update(table).where(table.c.subject == bindparam("lost")).values(subject=bindparam("kept")), moved
        )
    connection.execute(
        update(subjects).where(subjects.c.id == bindparam("lost")).values(merged_into=bindparam("kept"), due=None),
        moved,
    )


def records_of(connection: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """Per subject its records that are not gone."""
    found: dict[str, list[Row]] = {subject: [] for subject in ids}
    for part in chunks(sorted(ids)):
        query = select(records).where(records.c.subject.in_(part), records.c.is_gone.is_(False))
        for row in connection.execute(query.order_by(records.c.id)).mappings():
            found[row["subject"]].append(dict(row))
    return found


def records_by_key(connection: Connection, keys: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], Row]:
    """Records by (connection, object, external id)."""
    found: dict[tuple[str, str, str], Row] = {}
    for part in chunks(sorted(keys)):
        query = select(records).where(tuple_(records.c.connection, records.c.object, records.c.external_id).in_(part))
        for row in connection.execute(query).mappings():
            found[row["connection"], row["object"], row["external_id"]] = dict(row)
    return found


def save_records(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert new records and overwrite subject, stage and presence of known ones."""
    upsert(connection, records, rows, ["id"], ["subject", "stage", "pipeline", "stage_at", "is_gone"])


def due(connection: Connection, day: int, limit: int) -> list[str]:
    """Ids of subjects on which a daily rule may hold on or before a local day (ordinal), most overdue first."""
    query = select(subjects.c.id).where(subjects.c.due <= day).order_by(subjects.c.due, subjects.c.id).limit(limit)
    return [str(found) for found in connection.execute(query).scalars()]


def find(connection: Connection, who: Collection[tuple[str, str]], subject: str) -> str | None:
    """The subject that one of the identities names, or whose id it is; a merged one gives its survivor."""
    named = connection.execute(
        select(identities.c.subject).where(tuple_(identities.c.kind, identities.c.value).in_(sorted(who))).limit(1)
    ).scalar()
    if named is not None:
        return str(named)
    row = connection.execute(select(subjects.c.id, subjects.c.merged_into).where(subjects.c.id == subject)).first()
    return None if row is None else str(row.merged_into or row.id)


def identities_of(connection: Connection, ids: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Per subject its identities (kind, value), sorted."""
    found: dict[str, list[tuple[str, str]]] = {subject: [] for subject in ids}
    for part in chunks(sorted(ids)):
        query = select(identities).where(identities.c.subject.in_(part)).order_by(identities.c.kind, identities.c.value)
        for kind, value, subject in connection.execute(query):
            found[subject].append((kind, value))
    return found


def listed(
    connection: Connection, *, status: str | None = None, after: str | None = None, limit: int = 500
) -> list[Row]:
    """Subjects that were not merged away, by id; `after` is the id that the page before ended with."""
    query = select(subjects).where(subjects.c.merged_into.is_(None)).order_by(subjects.c.id).limit(limit)
    if status is not None:
        query = query.where(subjects.c.status == status)
    if after is not None:
        query = query.where(subjects.c.id > after)
    return [dict(row) for row in connection.execute(query).mappings()]


def decisions_of(connection: Connection, subject: str) -> list[Row]:
    """All decisions of a subject, revised ones included, in order."""
    query = select(decisions).where(decisions.c.subject == subject).order_by(decisions.c.at, decisions.c.place)
    return [dict(row) for row in connection.execute(query).mappings()]


def events_of(connection: Connection, subject: str, limit: int = 200) -> list[Row]:
    """The newest events of a subject, newest first."""
    query = select(events).where(events.c.subject == subject).order_by(events.c.at.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def held(connection: Connection) -> list[Row]:
    """What is held, by connection and reason: how many, and the id of one example."""
    query = (
        select(
            events.c.connection, events.c.reason, func.count().label("count"), func.max(events.c.id).label("example")
        )
        .where(events.c.outcome == "held")
        .group_by(events.c.connection, events.c.reason)
        .order_by(events.c.connection, events.c.reason)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def count_by_status(connection: Connection) -> dict[str, int]:
    """How many subjects hold each status."""
    query = select(subjects.c.status, func.count()).where(subjects.c.merged_into.is_(None)).group_by(subjects.c.status)
    return {str(status): int(count) for status, count in connection.execute(query)}


def held_events(connection: Connection, of: str, after: str, limit: int) -> list[Row]:
    """Held events of a connection by id, after an id."""
    query = (
        select(events)
        .where(events.c.connection == of, events.c.outcome == "held", events.c.id > after)
        .order_by(events.c.id)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def set_steps(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Overwrite what a mapping made of events. Rows: `of` (id), outcome, reason, steps, version."""
    listed_rows = list(rows)
    if listed_rows:
        connection.execute(
            update(events)
            .where(events.c.id == bindparam("of"))
            .values(
                outcome=bindparam("outcome"),
                reason=bindparam("reason"),
                steps=bindparam("steps"),
                mapping_version=bindparam("version"),
            ),
            listed_rows,
        )
