"""Queries on deliveries and the quarantine: store, claim, finish, count, show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select, update

from connector.store.rows import Row, dialect_insert, insert_all, insert_new
from connector.store.tables import accepted, deliveries, events, quarantine

PENDING: Final = "pending"
OUTCOMES: Final = ("applied", "ignored", "stale", "echo", "duplicate", "held", "dead", PENDING)


def store(connection: Connection, rows: Sequence[Row], shard: int) -> set[str]:
    """Store deliveries (rows of `deliveries`), count them as accepted; the ids that are new, not duplicates.

    Two rows of the same key in one call count as a delivery and its duplicate.
    """
    new: set[str] = insert_new(connection, deliveries, rows, "id")
    repeated = Counter((row["connection"], row["key"]) for row in rows if row["id"] not in new)
    if repeated:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.connection == bindparam("of"), deliveries.c.key == bindparam("keyed"))
            .values(duplicates=deliveries.c.duplicates + bindparam("more")),
            [{"of": name, "keyed": key, "more": count} for (name, key), count in sorted(repeated.items())],
        )
    statement = dialect_insert(connection, accepted)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["connection", "shard"], set_={"count": accepted.c.count + statement.excluded.count}
        ),
        [
            {"connection": name, "shard": shard, "count": count}
            for name, count in sorted(Counter(row["connection"] for row in rows).items())
        ],
    )
    return new


def claim(
    connection: Connection,
    lane: int,
    now: datetime,
    *,
    lease: timedelta,
    limit: int,
    without: Collection[str] = (),
) -> list[Row]:
    """Take up to `limit` pending deliveries of a lane, oldest first; they are nobody else's until the lease ends.

    Nothing of the connections in `without` is taken. A claim that is never finished is due again.
    """
    waiting = (
        select(deliveries.c.id)
        .where(
            deliveries.c.outcome == PENDING,
            deliveries.c.lane == lane,
            deliveries.c.next_attempt_at <= now,
            deliveries.c.connection.not_in(without),
        )
        .order_by(deliveries.c.next_attempt_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(waiting.scalar_subquery()))
        .values(next_attempt_at=now + lease, attempts=deliveries.c.attempts + 1)
        .returning(deliveries)
    ).mappings()
    return sorted((dict(row) for row in rows), key=lambda row: str(row["id"]))


def finish(connection: Connection, rows: Sequence[Row]) -> None:
    """Set outcome, tally and error of deliveries that are still pending. Rows: `of` (id), outcome, tally, error, at."""
    if rows:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == bindparam("of"), deliveries.c.outcome == PENDING)
            .values(
                outcome=bindparam("outcome"),
                tally=bindparam("tally"),
                error=bindparam("error"),
                finished_at=bindparam("at"),
            ),
            [dict(row) for row in rows],
        )


def settle_again(connection: Connection, rows: Sequence[Row]) -> None:
    """Overwrite outcome, tally and error of held deliveries. Rows as for `finish`."""
    if rows:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == bindparam("of"), deliveries.c.outcome == "held")
            .values(
                outcome=bindparam("outcome"),
                tally=bindparam("tally"),
                error=bindparam("error"),
                finished_at=bindparam("at"),
            ),
            [dict(row) for row in rows],
        )


def reread_held(connection: Connection, of: str, now: datetime) -> list[str]:
    """Make held deliveries of a connection that no event came out of pending again; their ids."""
    waiting = select(deliveries.c.id).where(deliveries.c.connection == of, deliveries.c.outcome == "held")
    without = waiting.where(~select(events.c.id).where(events.c.delivery == deliveries.c.id).exists())
    return replay(connection, [str(found) for found in connection.execute(without).scalars()], now)


def postpone(connection: Connection, rows: Sequence[Row]) -> None:
    """Leave deliveries pending until a later time. Rows: `of` (id), `until`, `tried`, error."""
    if rows:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == bindparam("of"), deliveries.c.outcome == PENDING)
            .values(next_attempt_at=bindparam("until"), attempts=bindparam("tried"), error=bindparam("error")),
            [dict(row) for row in rows],
        )


def waiting_lanes(connection: Connection, now: datetime) -> dict[int, int]:
    """Lanes with pending deliveries that are due, and how many."""
    rows = connection.execute(
        select(deliveries.c.lane, func.count())
        .where(deliveries.c.outcome == PENDING, deliveries.c.next_attempt_at <= now)
        .group_by(deliveries.c.lane)
    )
    return {int(lane): int(count) for lane, count in rows}


def oldest_pending(connection: Connection) -> datetime | None:
    """When the oldest pending delivery was received (UTC)."""
    found: datetime | None = connection.execute(
        select(func.min(deliveries.c.received_at)).where(deliveries.c.outcome == PENDING)
    ).scalar()
    return found


def get(connection: Connection, delivery_id: str) -> Row | None:
    """One delivery with its body."""
    row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).mappings().first()
    return dict(row) if row else None


def listed(
    connection: Connection,
    *,
    of: str | None = None,
    outcome: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[Row]:
    """Deliveries without their bodies, newest first; `after` is the id that the page before ended with."""
    columns = [column for column in deliveries.c if column.name not in {"body", "headers", "query"}]
    query = select(*columns).order_by(deliveries.c.id.desc()).limit(limit)
    if of is not None:
        query = query.where(deliveries.c.connection == of)
    if outcome is not None:
        query = query.where(deliveries.c.outcome == outcome)
    if after is not None:
        query = query.where(deliveries.c.id < after)
    return [dict(row) for row in connection.execute(query).mappings()]


def replay(connection: Connection, ids: Sequence[str], now: datetime) -> list[str]:
    """Make finished deliveries with a body pending again; their ids."""
    return [
        str(found)
        for found in connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.outcome != PENDING, deliveries.c.body.is_not(None))
            .values(outcome=PENDING, attempts=0, next_attempt_at=now, error=None, finished_at=None)
            .returning(deliveries.c.id)
        ).scalars()
    ]


def account(connection: Connection) -> dict[str, dict[str, int]]:
    """Per connection: `accepted` as counted at the door, and how many deliveries ended or wait in each outcome."""
    books: dict[str, dict[str, int]] = {}

    def page(name: str) -> dict[str, int]:
        return books.setdefault(name, dict.fromkeys(("accepted", *OUTCOMES), 0))

    for name, count in connection.execute(
        select(accepted.c.connection, func.sum(accepted.c.count)).group_by("connection")
    ):
        page(name)["accepted"] += int(count)
    counted = select(
        deliveries.c.connection, deliveries.c.outcome, func.count(), func.sum(deliveries.c.duplicates)
    ).group_by(deliveries.c.connection, deliveries.c.outcome)
    for name, outcome, count, duplicates in connection.execute(counted):
        page(name)[outcome] += int(count)
        page(name)["duplicate"] += int(duplicates)
    return dict(sorted(books.items()))


def put_aside(connection: Connection, row: Row, keep: int) -> None:
    """Quarantine a delivery; of each connection the newest `keep` stay."""
    insert_all(connection, quarantine, [row])
    newest = (
        select(quarantine.c.id)
        .where(quarantine.c.connection == row["connection"])
        .order_by(quarantine.c.id.desc())
        .limit(1)
        .offset(keep)
        .scalar_subquery()
    )
    connection.execute(
        delete(quarantine).where(quarantine.c.connection == row["connection"], quarantine.c.id <= newest)
    )


def quarantined(connection: Connection, of: str | None = None, limit: int = 1000) -> list[Row]:
    """Quarantined deliveries, oldest first."""
    query = select(quarantine).order_by(quarantine.c.id).limit(limit)
    if of is not None:
        query = query.where(quarantine.c.connection == of)
    return [dict(row) for row in connection.execute(query).mappings()]


def release(connection: Connection, ids: Sequence[str]) -> None:
    """Remove deliveries from the quarantine."""
    connection.execute(delete(quarantine).where(quarantine.c.id.in_(ids)))


def forget(connection: Connection, *, bodies_before: datetime, quarantine_before: datetime) -> tuple[int, int]:
    """Drop bodies of finished deliveries and old quarantined ones; how many of each. Keys and counts stay."""
    emptied = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.received_at < bodies_before,
            deliveries.c.body.is_not(None),
            deliveries.c.outcome.not_in((PENDING, "held")),
        )
        .values(body=None, headers={}, query=[])
    ).rowcount
    gone = connection.execute(delete(quarantine).where(quarantine.c.received_at < quarantine_before)).rowcount
    return emptied, gone
