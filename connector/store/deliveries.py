"""Queries on deliveries: store, claim, finish, count, show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, func, literal, null, select, union_all, update

from connector.core.event import Outcome
from connector.store.rows import Batch, as_row, chunks, columns_of, fetch, insert_new, upsert
from connector.store.tables import accepted, deliveries, events

SIZE: Final = 2_000_000
"""Bytes of bodies that are claimed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery to be stored; `received_at` and `next_attempt_at` are aware UTC."""

    id: str
    connection: str
    key: str
    received_at: datetime
    lane: int
    next_attempt_at: datetime
    method: str
    query: Sequence[Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    outcome: str = Outcome.PENDING
    attempts: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """What processing needs to know of a delivery. `received_at` is aware UTC; `body` None: it was forgotten.

    `tally`: how those of its events ended that are written already, where it is a large one.
    """

    id: str
    connection: str
    received_at: datetime
    attempts: int
    method: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes | None
    tally: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """What became of a delivery. `tally`: how many of its events ended in each outcome."""

    id: str
    outcome: Outcome
    tally: Mapping[str, int]
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery without what was sent. Times are aware UTC."""

    id: str
    connection: str
    key: str
    received_at: datetime
    lane: int
    outcome: str
    attempts: int
    next_attempt_at: datetime
    duplicates: int
    method: str
    tally: Mapping[str, int] | None
    error: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeDelivery(DeliveryRow):
    """A delivery with what was sent; `body` None: it was forgotten."""

    query: Sequence[Sequence[str]]
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGroup:
    """Deliveries or events of a connection that are held for one reason: how many, and the id of one of them."""

    connection: str
    reason: str | None
    count: int
    example: str


def store(connection: Connection, rows: Sequence[NewDelivery], shard: int) -> set[str]:
    """Store deliveries and count them as accepted; the ids that are new, not duplicates.

    Two rows of the same key in one call count as a delivery and its duplicate. Rows go in by key, so that two processes
    that store the same deliveries at the same time wait for each other and do not deadlock.
    """
    ordered = sorted(rows, key=attrgetter("connection", "key", "id"))
    new: set[str] = insert_new(connection, deliveries, [as_row(row) for row in ordered], "id")
    repeated = Counter((row.connection, row.key) for row in rows if row.id not in new)
    if repeated:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.connection == bindparam("name"), deliveries.c.key == bindparam("keyed"))
            .values(duplicates=deliveries.c.duplicates + bindparam("more")),
            [{"name": name, "keyed": key, "more": count} for (name, key), count in sorted(repeated.items())],
        )
    counts = sorted(Counter(row.connection for row in rows).items())
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
    size: int = SIZE,
    without: Collection[str] = (),
) -> list[ClaimedDelivery]:
    """Claim up to `limit` pending deliveries of a lane, oldest first, the last of which begins within `size` bytes.

    They are ours until the lease ends.

    Nothing of the connections in `without` is claimed. A claim that is never finished is due again.
    """
    # A common table expression: PostgreSQL may run a plain subquery more than once, and then locks more than the limit.
    size_of = func.coalesce(func.length(deliveries.c.body), 0)
    waiting = (
        select(deliveries.c.id, deliveries.c.next_attempt_at, size_of.label("size"))
        .where(
            deliveries.c.outcome == Outcome.PENDING,
            deliveries.c.lane == lane,
            deliveries.c.next_attempt_at <= now,
            deliveries.c.connection.not_in(without),
        )
        .order_by(deliveries.c.next_attempt_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    before = func.sum(waiting.c.size).over(order_by=(waiting.c.next_attempt_at, waiting.c.id)) - waiting.c.size
    bounded = select(waiting.c.id, before.label("before")).subquery("bounded")
    claimed = (
        update(deliveries)
        .where(deliveries.c.id.in_(select(bounded.c.id).where(bounded.c.before < size)))
        .values(next_attempt_at=now + lease, attempts=deliveries.c.attempts + 1)
        .returning(*columns_of(deliveries, ClaimedDelivery))
    )
    return sorted((ClaimedDelivery(**row) for row in fetch(connection, claimed)), key=attrgetter("id"))


def renew(connection: Connection, ids: Collection[str], *, before: datetime, until: datetime) -> None:
    """Keep claimed deliveries longer: those whose lease still is the one that ended at `before`."""
    for part in chunks(ids):
        connection.execute(
            update(deliveries)
            .where(
                deliveries.c.id.in_(part),
                deliveries.c.outcome == Outcome.PENDING,
                deliveries.c.next_attempt_at == before,
            )
            .values(next_attempt_at=until)
        )


def finish(connection: Connection, results: Sequence[DeliveryResult], now: datetime) -> None:
    """Set what became of deliveries that are still pending; `now` is aware UTC."""
    _record(connection, results, now, deliveries.c.outcome == Outcome.PENDING)


def change_results(connection: Connection, results: Sequence[DeliveryResult], now: datetime) -> None:
    """Overwrite what became of deliveries that were finished; `now` is aware UTC."""
    _record(connection, results, now, deliveries.c.outcome != Outcome.PENDING)


def _record(
    connection: Connection, results: Sequence[DeliveryResult], now: datetime, is_meant: ColumnElement[bool]
) -> None:
    if results:
        names = {"row_id": "id", "outcome": "outcome", "tally": "tally", "error": "error", "at": "finished_at"}
        rows = [
            {"row_id": one.id, "outcome": one.outcome.value, "tally": one.tally, "error": one.error, "at": now}
            for one in results
        ]
        batch = Batch(connection, rows, {name: deliveries.c[column] for name, column in names.items()})
        batch.execute(
            update(deliveries)
            .where(deliveries.c.id == batch["row_id"], is_meant)
            .values({column: batch[name] for name, column in names.items() if name != "row_id"})
        )


def reread_held(connection: Connection, name: str, now: datetime) -> list[str]:
    """Make held deliveries of a connection that no event came out of pending again; their ids."""
    waiting = select(deliveries.c.id).where(deliveries.c.connection == name, deliveries.c.outcome == Outcome.HELD)
    without = waiting.where(~select(events.c.id).where(events.c.delivery == deliveries.c.id).exists())
    return replay(connection, [str(found) for found in connection.execute(without).scalars()], now)


def postpone(connection: Connection, delivery: ClaimedDelivery, until: datetime, error: str) -> None:
    """Leave a delivery pending until a later time (aware UTC)."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery.id, deliveries.c.outcome == Outcome.PENDING)
        .values(next_attempt_at=until, attempts=delivery.attempts, error=error)
    )


def waiting_lanes(connection: Connection, now: datetime) -> dict[int, int]:
    """Lanes with pending deliveries that are due, and how many."""
    rows = connection.execute(
        select(deliveries.c.lane, func.count())
        .where(deliveries.c.outcome == Outcome.PENDING, deliveries.c.next_attempt_at <= now)
        .group_by(deliveries.c.lane)
    )
    return {int(lane): int(count) for lane, count in rows}


def oldest_pending(connection: Connection) -> tuple[datetime, str | None] | None:
    """When the pending delivery that waits longest was received (UTC), and what stopped it, if anything did."""
    query = select(deliveries.c.received_at, deliveries.c.error).where(deliveries.c.outcome == Outcome.PENDING)
    row = connection.execute(query.order_by(deliveries.c.received_at).limit(1)).first()
    return None if row is None else (row.received_at, row.error)


def backlog(connection: Connection) -> dict[str, tuple[int, datetime]]:
    """Pending deliveries of each connection that has some: how many, and when the oldest was received (UTC)."""
    query = (
        select(deliveries.c.connection, func.count(), func.min(deliveries.c.received_at))
        .where(deliveries.c.outcome == Outcome.PENDING)
        .group_by(deliveries.c.connection)
    )
    return {str(name): (int(count), oldest) for name, count, oldest in connection.execute(query)}


def last_delivery(connection: Connection, name: str) -> datetime | None:
    """When the newest delivery was received (UTC); None: there was none."""
    query = select(deliveries.c.received_at).where(deliveries.c.connection == name).order_by(deliveries.c.id.desc())
    found: datetime | None = connection.execute(query.limit(1)).scalar()
    return found


def get(connection: Connection, delivery_id: str) -> WholeDelivery | None:
    """One delivery with its body."""
    query = select(*columns_of(deliveries, WholeDelivery)).where(deliveries.c.id == delivery_id)
    return next((WholeDelivery(**row) for row in fetch(connection, query)), None)


def listed(
    connection: Connection,
    *,
    name: str | None = None,
    outcome: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[DeliveryRow]:
    """Deliveries without their bodies, newest first; `after` is the id that the page before ended with."""
    query = select(*columns_of(deliveries, DeliveryRow)).order_by(deliveries.c.id.desc()).limit(limit)
    if name is not None:
        query = query.where(deliveries.c.connection == name)
    if outcome is not None:
        query = query.where(deliveries.c.outcome == outcome)
    if after is not None:
        query = query.where(deliveries.c.id < after)
    return [DeliveryRow(**row) for row in fetch(connection, query)]


def replay(connection: Connection, ids: Sequence[str], now: datetime) -> list[str]:
    """Make finished deliveries with a body pending again; their ids."""
    return [
        str(found)
        for part in chunks(ids)
        for found in connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(part), deliveries.c.outcome != Outcome.PENDING, deliveries.c.body.is_not(None))
            .values(
                outcome=Outcome.PENDING, attempts=0, next_attempt_at=now, tally=null(), error=None, finished_at=None
            )
            .returning(deliveries.c.id)
        ).scalars()
    ]


def empty_account() -> dict[str, int]:
    """The account of a connection that has accepted nothing yet: `accepted`, and each outcome."""
    return dict.fromkeys(("accepted", *(outcome.value for outcome in Outcome)), 0)


def account(connection: Connection) -> dict[str, dict[str, int]]:
    """Per connection: `accepted` as counted at the door, and how many deliveries ended or wait in each outcome.

    One statement: on PostgreSQL two would see two moments, and not add up while deliveries come in.
    """
    books: dict[str, dict[str, int]] = {}

    def page(name: str) -> dict[str, int]:
        return books.setdefault(name, empty_account())

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
        page(name)[Outcome.DUPLICATE] += int(duplicates)
    return dict(sorted(books.items()))


def held_unread(connection: Connection) -> list[HeldGroup]:
    """Held deliveries that no event came out of, by connection and reason: how many, and the id of one example."""
    query = (
        select(
            deliveries.c.connection,
            deliveries.c.error.label("reason"),
            func.count().label("count"),
            func.max(deliveries.c.id).label("example"),
        )
        .where(deliveries.c.outcome == Outcome.HELD)
        .where(~select(events.c.id).where(events.c.delivery == deliveries.c.id).exists())
        .group_by(deliveries.c.connection, deliveries.c.error)
        .order_by(deliveries.c.connection, deliveries.c.error)
    )
    return [HeldGroup(**row) for row in fetch(connection, query)]
