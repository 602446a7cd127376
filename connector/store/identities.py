"""Queries on who has which identity, on what stored events have named, and on the subjects that people keep apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update

from connector.core.decide.batch import TranslatedEvent
from connector.core.identity import Apart, Holding, IdentityKey, Knot, StoredNaming
from connector.store.event_json import event_from_json
from connector.store.rows import Row, among, insert_all, upsert
from connector.store.tables import apart, events, identities, merges, subjects

_COLUMNS: Final = (
    identities.c.kind,
    identities.c.value,
    identities.c.number,
    identities.c.subject,
    identities.c.sources,
    identities.c.since,
    identities.c.changed_at,
    identities.c.until,
    identities.c.is_shared,
)
_KEY: Final = (identities.c.kind, identities.c.value)
_CHANGING: Final = ("subject", "sources", "since", "changed_at", "until", "is_shared")


def of_keys(connection: Connection, keys: Collection[IdentityKey]) -> list[Holding]:
    """Who has or had these identities."""
    return _holdings(connection, among(connection, _KEY, keys))


def of_subjects(connection: Connection, ids: Collection[str]) -> list[Holding]:
    """What these subjects have or had."""
    return _holdings(connection, among(connection, [identities.c.subject], ids))


def _holdings(connection: Connection, condition: Any) -> list[Holding]:
    return [
        Holding(
            key=IdentityKey(kind, value),
            number=number,
            subject=subject,
            sources=tuple(sources),
            since=since,
            changed_at=changed_at,
            until=until,
            is_shared=is_shared,
        )
        for kind, value, number, subject, sources, since, changed_at, until, is_shared in connection.execute(
            select(*_COLUMNS).where(condition)
        ).all()
    ]


def linked(connection: Connection, ids: Collection[str]) -> set[str]:
    """These subjects and all that identities link to them, directly or by way of others; shared ones link nobody."""
    start = select(subjects.c.id.label("subject")).where(among(connection, [subjects.c.id], ids))
    reached = start.cte("reached", recursive=True)
    mine, theirs = identities.alias("mine"), identities.alias("theirs")
    step = (
        select(theirs.c.subject)
        .join(mine, and_(mine.c.kind == theirs.c.kind, mine.c.value == theirs.c.value))
        .join(reached, reached.c.subject == mine.c.subject)
        .where(mine.c.is_shared.is_(False))
    )
    return set(connection.execute(select(reached.union(step).c.subject)).scalars())


def knot(connection: Connection, ids: Collection[str]) -> Knot:
    """All that bears on who is who among subjects, which are all that are linked."""
    held = of_subjects(connection, ids)
    keys = {one.key for one in held}
    columns = (events.c.id, events.c.connection, events.c.subject, events.c.origin, events.c.event)
    query = select(*columns).where(among(connection, [events.c.subject], ids))
    return Knot(
        subjects=frozenset(ids),
        holdings=tuple(of_keys(connection, keys)) if keys else (),
        events=tuple(
            StoredNaming(id=of, subject=subject, origin=origin, naming=named.naming)
            for of, name, subject, origin, event in connection.execute(query).all()
            if (named := TranslatedEvent(connection=name, event=event_from_json(event))).identities
        ),
        apart=apart_of(connection, ids),
    )


def save(
    connection: Connection,
    holdings: Sequence[Holding],
    dropped: Collection[tuple[IdentityKey, int]],
    known: Collection[tuple[IdentityKey, int]],
) -> None:
    """Store who has what, in place of what is `dropped`; `known`: what is stored already (identity and number of each).

    Raises `IntegrityError` when another transaction gave an identity away first: the batch is tried again.
    """
    if dropped:
        gone = [{"of_kind": key.kind, "of_value": key.value, "of_number": number} for key, number in dropped]
        place = [column == bindparam(f"of_{column.name}") for column in (*_KEY, identities.c.number)]
        connection.execute(delete(identities).where(*place), gone)
    insert_all(connection, identities, [_row(one) for one in holdings if (one.key, one.number) not in known])
    rows = [_row(one) for one in holdings if (one.key, one.number) in known]
    upsert(connection, identities, rows, ("kind", "value", "number"), _CHANGING)
    shared = sorted({one.key for one in holdings if one.is_shared})
    if shared:
        query = update(identities).where(among(connection, _KEY, shared))
        connection.execute(query.values(is_shared=True))


def _row(one: Holding) -> Row:
    return {
        "kind": one.key.kind,
        "value": one.key.value,
        "number": one.number,
        "subject": one.subject,
        "sources": list(one.sources),
        "since": one.since,
        "changed_at": one.changed_at,
        "until": one.until,
        "is_shared": one.is_shared,
    }


def move_events(connection: Connection, moved: Mapping[str, str]) -> None:
    """Hand events (by id) to other subjects; each keeps its origin."""
    if moved:
        rows = [{"of": event, "to": subject} for event, subject in sorted(moved.items())]
        connection.execute(update(events).where(events.c.id == bindparam("of")).values(subject=bindparam("to")), rows)


def revive(connection: Connection, ids: Collection[str], now: Any, by: str) -> None:
    """Note of subjects that were merged away that they are there again: their merges are undone."""
    if ids:
        query = update(merges).where(among(connection, [merges.c.loser], ids), merges.c.undone_at.is_(None))
        connection.execute(query.values(undone_at=now, undone_by=by))


# Whom people keep apart


def apart_of(connection: Connection, ids: Collection[str]) -> tuple[Apart, ...]:
    """The pairs that one of these subjects, or of those that were merged into them, is of."""
    start = select(subjects.c.id).where(among(connection, [subjects.c.id], ids)).cte("within", recursive=True)
    within = start.union(select(subjects.c.id).join(start, subjects.c.merged_into == start.c.id))
    named = or_(apart.c.one.in_(select(within.c.id)), apart.c.other.in_(select(within.c.id)))
    return tuple(
        Apart(one=first, other=second, sides={IdentityKey(kind, value): of for kind, value, of in sides})
        for first, second, sides in connection.execute(
            select(apart.c.one, apart.c.other, apart.c.sides).where(named)
        ).all()
    )


def keep_apart(connection: Connection, pair: Apart, now: Any, by: str) -> None:
    """Join two subjects no more, by whatever names them both."""
    let_join(connection, [pair])
    one, other = sorted((pair.one, pair.other))
    sides = [[key.kind, key.value, of] for key, of in sorted(pair.sides.items())]
    insert_all(connection, apart, [{"one": one, "other": other, "at": now, "by": by, "sides": sides}])


def let_join(connection: Connection, pairs: Iterable[Apart]) -> None:
    """Keep them apart no more."""
    for pair in pairs:
        one, other = sorted((pair.one, pair.other))
        connection.execute(delete(apart).where(apart.c.one == one, apart.c.other == other))


# What may be one, and what says nothing any more


def pairs_with_one_identity(connection: Connection, after: tuple[str, str] | None, limit: int) -> list[tuple[str, str]]:
    """Pairs of subjects (the smaller id first) that both have an identity now which still finds somebody."""
    mine, theirs = identities.alias("mine"), identities.alias("theirs")
    is_both = and_(mine.c.kind == theirs.c.kind, mine.c.value == theirs.c.value, mine.c.subject < theirs.c.subject)
    query = select(mine.c.subject, theirs.c.subject).distinct().join(theirs, is_both)
    query = query.where(mine.c.until.is_(None), theirs.c.until.is_(None), mine.c.is_shared.is_(False))
    if after is not None:
        one, other = after
        is_next = or_(mine.c.subject > one, and_(mine.c.subject == one, theirs.c.subject > other))
        query = query.where(mine.c.subject >= one, is_next)
    rows = connection.execute(query.order_by(mine.c.subject, theirs.c.subject).limit(limit)).all()
    return [(one, other) for one, other in rows]


def shared(connection: Connection, after: IdentityKey | None, limit: int) -> list[IdentityKey]:
    """The identities that too many have to find anybody."""
    query = select(*_KEY).distinct().where(identities.c.is_shared)
    if after is not None:
        is_next = and_(identities.c.kind == after.kind, identities.c.value > after.value)
        query = query.where(or_(identities.c.kind > after.kind, is_next))
    rows = connection.execute(query.order_by(*_KEY).limit(limit)).all()
    return [IdentityKey(kind, value) for kind, value in rows]


def count_shared(connection: Connection) -> int:
    """How many identities too many have."""
    query = select(*_KEY).where(identities.c.is_shared).distinct()
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())
