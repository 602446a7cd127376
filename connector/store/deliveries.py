"""Queries on deliveries and the quarantine: store, claim, finish, count, show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, literal, select, union_all, update

from connector.store.rows import Batch, Row, chunks, fetch, insert_new, upsert
from connector.store.tables import accepted, deliveries, events, quarantine


def last_delivery(connection: Connection, of: str) -> datetime | None:
    """When the newest delivery was received (UTC); None: there was none."""
    query = select(deliveries.c.received_at).where(deliveries.c.connection == of).order_by(deliveries.c.id.desc())
    found: datetime | None = connection.execute(query.limit(1)).scalar()
    return found


def last_quarantined(connection: Connection, of: str) -> Row | None:
    """The quarantined delivery that came last: `received_at`, `reason`, `error`; None: there is none."""
    query = (
        select(quarantine.c.received_at, quarantine.c.reason, quarantine.c.error)
        .where(quarantine.c.connection == of)
        .order_by(quarantine.c.received_at.desc())
    )
    row = connection.execute(query.limit(1)).mappings().first()
    return dict(row) if row else None


PENDING: Final = "pending"
_CLAIMED: Final = ("id", "connection", "received_at", "attempts", "method", "query", "headers", "body")
OUTCOMES: Final = ("applied", "ignored", "stale", "echo", "duplicate", "held", "dead", PENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """What processing needs to know of a delivery. `received_at` is aware UTC; `body` None: it was forgotten."""

    id: str
    connection: str
    received_at: datetime
    attempts: int
    method: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes | None


def store(connection: Connection, rows: Sequence[Row], shard: int) -> set[str]:
    """Store deliveries (rows of `deliveries`), count them as accepted; the ids that are new, not duplicates.

    Two rows of the same key in one call count as a delivery and its duplicate. Rows go in by key, so that two processes
    that store the same deliveries at the same time wait for each other and do not deadlock.
    """
    ordered = sorted(rows, key=lambda row: (row["connection"], row["key"], row["id"]))
    new: set[str] = insert_new(connection, deliveries, ordered, "id")
    repeated = Counter((row["connection"], row["key"]) for row in rows if row["id"] not in new)
    if repeated:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.connection == bindparam("of"), deliveries.c.key == bindparam("keyed"))
            .values(duplicates=deliveries.c.duplicates + bindparam("more")),
            [{"of": name, "keyed": key, "more": count} for (name, key), count in sorted(repeated.items())],
        )
    counts = sorted(Counter(row["connection"] for row in rows).items())
    more = [{"connection": name, "shard": shard, "count": count} for name, count in counts]
    upsert(connection, accepted, more, ("connection", "shard"), _more)
    return new


def _more(new: Any) -> dict[str, Any]:
    return {"count": accepted.c.count + new["count"]}


def claim(
    connection: Connection,
    lane: int,
    now: datetime,
    *,
    lease: timedelta,
    limit: int,
    without: Collection[str] = (),
) -> list[ClaimedDelivery]:
    """Take up to `limit` pending deliveries of a lane, oldest first; ours until the lease ends.

    Nothing of the connections in `without` is taken. A claim that is never finished is due again.
    """
    # A common table expression: PostgreSQL may run a plain subquery more than once, and then locks more than the limit.
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
        .cte("waiting")
    )
    claimed = (
        update(deliveries)
        .where(deliveries.c.id.in_(select(waiting.c.id)))
        .values(next_attempt_at=now + lease, attempts=deliveries.c.attempts + 1)
        .returning(*(deliveries.c[name] for name in _CLAIMED))
    )
    return sorted((ClaimedDelivery(**row) for row in fetch(connection, claimed)), key=attrgetter("id"))


def renew(connection: Connection, ids: Collection[str], *, before: datetime, until: datetime) -> None:
    """Keep claimed deliveries longer: those whose lease still is the one that ended at `before`."""
    for part in chunks(ids):
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(part), deliveries.c.outcome == PENDING, deliveries.c.next_attempt_at == before)
            .values(next_attempt_at=until)
        )


def finish(connection: Connection, rows: Sequence[Row]) -> None:
    """Set outcome, tally and error of deliveries that are still pending. Rows: `of` (id), outcome, tally, error, at."""
    _end(connection, rows, deliveries.c.outcome == PENDING)


def settle_again(connection: Connection, rows: Sequence[Row]) -> None:
    """Overwrite outcome, tally and error of deliveries that were finished. Rows as for `finish`."""
    _end(connection, rows, deliveries.c.outcome != PENDING)


def _end(connection: Connection, rows: Sequence[Row], is_meant: ColumnElement[bool]) -> None:
    if rows:
        names = {"of": "id", "outcome": "outcome", "tally": "tally", "error": "error", "at": "finished_at"}
        batch = Batch(connection, rows, {name: deliveries.c[column] for name, column in names.items()})
        batch.execute(
            update(deliveries)
            .where(deliveries.c.id == batch["of"], is_meant)
            .values({column: batch[name] for name, column in names.items() if name != "of"})
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


def backlog(connection: Connection) -> dict[str, tuple[int, datetime]]:
    """Pending deliveries of each connection that has some: how many, and when the oldest was received (UTC)."""
    query = (
        select(deliveries.c.connection, func.count(), func.min(deliveries.c.received_at))
        .where(deliveries.c.outcome == PENDING)
        .group_by(deliveries.c.connection)
    )
    return {str(name): (int(count), oldest) for name, count, oldest in connection.execute(query)}


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
    return fetch(connection, query)


def replay(connection: Connection, ids: Sequence[str], now: datetime) -> list[str]:
    """Make finished deliveries with a body pending again; their ids."""
    return [
        str(found)
        for part in chunks(ids)
        for found in connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(part), deliveries.c.outcome != PENDING, deliveries.c.body.is_not(None))
            .values(outcome=PENDING, attempts=0, next_attempt_at=now, error=None, finished_at=None)
            .returning(deliveries.c.id)
        ).scalars()
    ]


def account(connection: Connection) -> dict[str, dict[str, int]]:
    """Per connection: `accepted` as counted at the door, and how many deliveries ended or wait in each outcome.

    One statement: on PostgreSQL two would see two moments, and not add up while deliveries come in.
    """
    books: dict[str, dict[str, int]] = {}

    def page(name: str) -> dict[str, int]:
        return books.setdefault(name, dict.fromkeys(("accepted", *OUTCOMES), 0))

    counted = union_all(
        select(accepted.c.connection, literal("accepted"), func.sum(accepted.c.count), literal(0)).group_by(
            "connection"
        ),
        select(deliveries.c.connection, deliveries.c.outcome, func.count(), func.sum(deliveries.c.duplicates)).group_by(
            deliveries.c.connection, deliveries.c.outcome
        ),
    )
    for name, outcome, count, duplicates in connection.execute(counted):
        page(name)[outcome] += int(count)
        page(name)["duplicate"] += int(duplicates)
    return dict(sorted(books.items()))


def put_aside(connection: Connection, rows: Sequence[Row], keep: int) -> None:
    """Quarantine deliveries (rows of `quarantine`); of each of their connections at most the newest `keep` stay."""
    insert_new(connection, quarantine, rows, "id")
    for name in sorted({row["connection"] for row in rows}):
        is_its = quarantine.c.connection == name
        newest_first = select(quarantine.c.received_at).where(is_its).order_by(quarantine.c.received_at.desc())
        too_old = newest_first.limit(1).offset(keep).scalar_subquery()
        connection.execute(delete(quarantine).where(is_its, quarantine.c.received_at <= too_old))


def quarantined(connection: Connection, of: str | None = None, limit: int = 1000, after: str = "") -> list[Row]:
    """Quarantined deliveries, oldest first; `after` is the id that the page before ended with."""
    query = select(quarantine).where(quarantine.c.id > after).order_by(quarantine.c.id).limit(limit)
    if of is not None:
        query = query.where(quarantine.c.connection == of)
    return fetch(connection, query)


def release(connection: Connection, ids: Sequence[str]) -> None:
    """Remove deliveries from the quarantine."""
    for part in chunks(ids):
        connection.execute(delete(quarantine).where(quarantine.c.id.in_(part)))


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


def count_quarantined(connection: Connection) -> dict[str, int]:
    """How many deliveries of each connection are in the quarantine."""
    query = select(quarantine.c.connection, func.count()).group_by(quarantine.c.connection)
    return {str(name): int(count) for name, count in connection.execute(query)}


def held_unread(connection: Connection) -> list[Row]:
    """Held deliveries that no event came out of, by connection and reason: how many, and the id of one example."""
    query = (
        select(
            deliveries.c.connection,
            deliveries.c.error.label("reason"),
            func.count().label("count"),
            func.max(deliveries.c.id).label("example"),
        )
        .where(deliveries.c.outcome == "held")
        .where(~select(events.c.id).where(events.c.delivery == deliveries.c.id).exists())
        .group_by(deliveries.c.connection, deliveries.c.error)
        .order_by(deliveries.c.connection, deliveries.c.error)
    )
    return fetch(connection, query)
