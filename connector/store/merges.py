"""Which subjects turned out to be one, so that it can be shown and undone, and which are to be kept apart."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, and_, insert, or_, select, update
from sqlalchemy import delete as remove

from connector.core.event import IdentityKind
from connector.store.rows import Row, among, fetch
from connector.store.tables import apart, events, identities, merges, records, subjects


def get(connection: Connection, merge: str) -> Row | None:
    """One merge; None: there is none."""
    row = connection.execute(select(merges).where(merges.c.id == merge)).mappings().first()
    return dict(row) if row else None


def of(connection: Connection, subject: str) -> list[Row]:
    """The merges that a subject took part in, those of the subjects within it too, the oldest first."""
    within = [subject, *chain(connection, subject)]
    query = select(merges).where(or_(among(connection, [merges.c.survivor], within), merges.c.loser == subject))
    return fetch(connection, query.order_by(merges.c.id))


def chain(connection: Connection, subject: str) -> list[str]:
    """The subjects that were merged into a subject, directly or by way of others."""
    found: list[str] = []
    edge = [subject]
    while edge:
        query = select(subjects.c.id).where(among(connection, [subjects.c.merged_into], edge))
        edge = [str(one) for one in connection.execute(query).scalars()]
        found += edge
    return found


def events_in(connection: Connection, subject: str) -> list[Row]:
    """Id, connection, origin and what was said of every event of a subject."""
    columns = (events.c.id, events.c.connection, events.c.origin, events.c.said)
    return fetch(connection, select(*columns).where(events.c.subject == subject).order_by(events.c.id))


def give_back(
    connection: Connection, loser: str, survivor: str, *, ids: Collection[str], names: Collection[tuple[str, str]]
) -> None:
    """Hand events (`ids`) and identities of the survivor to the loser, with the records that those identities name."""
    connection.execute(update(events).where(among(connection, [events.c.id], ids)).values(subject=loser))
    connection.execute(
        update(identities)
        .where(among(connection, [identities.c.kind, identities.c.value], names), identities.c.subject == survivor)
        .values(subject=loser)
    )
    of_records = [_record(value) for kind, value in names if kind == IdentityKind.RECORD]
    key = (records.c.connection, records.c.object, records.c.external_id)
    connection.execute(
        update(records).where(among(connection, key, of_records), records.c.subject == survivor).values(subject=loser)
    )
    connection.execute(update(subjects).where(subjects.c.id == loser).values(merged_into=None))


def _record(value: str) -> tuple[str, str, str]:
    name, _, rest = value.partition(":")
    record_object, _, external_id = rest.partition(":")
    return name, record_object, external_id


def undo(connection: Connection, merge: str, now: datetime, by: str) -> None:
    """Mark a merge as undone and keep its two subjects apart from now on."""
    row = get(connection, merge)
    if row is None:
        return
    connection.execute(update(merges).where(merges.c.id == merge).values(undone_at=now, undone_by=by))
    one, other = sorted((row["loser"], row["survivor"]))
    join(connection, [(one, other)])
    connection.execute(insert(apart).values(one=one, other=other, at=now, by=by))


def join(connection: Connection, pairs: Collection[tuple[str, str]]) -> None:
    """Keep them apart no more."""
    for pair in pairs:
        one, other = sorted(pair)
        connection.execute(remove(apart).where(and_(apart.c.one == one, apart.c.other == other)))
