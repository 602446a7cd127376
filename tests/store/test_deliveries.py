"""Queries on deliveries, on both databases: what is stored, claimed, counted and forgotten."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError

from connector.core.event import Outcome
from connector.store import deliveries
from connector.store.database import Database, new_id
from connector.store.deliveries import ClaimedDelivery, DeliveryResult, HeldGroup, NewDelivery
from connector.store.persons.compaction import forget_bodies
from tests.conftest import NOW

T = TypeVar("T")
LEASE = timedelta(seconds=60)


def row(
    key: str, *, of: str = "shop", lane: int = 0, at: datetime = NOW, next_attempt_at: datetime | None = None
) -> NewDelivery:
    return NewDelivery(
        id=new_id(at),
        connection=of,
        key=key,
        received_at=at,
        lane=lane,
        next_attempt_at=next_attempt_at or at,
        method="POST",
        query=[],
        headers={},
        body=key.encode(),
    )


def store(database: Database, *rows: NewDelivery, shard: int = 0) -> set[str]:
    with database.write() as connection:
        return deliveries.store(connection, rows, shard)


def book(database: Database, name: str = "shop") -> dict[str, int]:
    """What of the account is not zero."""
    with database.read() as connection:
        return {word: count for word, count in deliveries.account(connection)[name].items() if count}


def claim(database: Database, lane: int = 0, now: datetime = NOW, **options: Any) -> list[str]:
    """The bodies of what is claimed; `row` makes them the same as the keys."""
    with database.write() as connection:
        claimed = deliveries.claim(connection, lane, now, lease=LEASE, **{"limit": 100, **options})
    return [(one.body or b"").decode() for one in claimed]


def _claimed(one: NewDelivery, attempts: int) -> ClaimedDelivery:
    values = {name: getattr(one, name) for name in ("id", "connection", "received_at", "method", "query", "headers")}
    return ClaimedDelivery(**values, attempts=attempts, body=one.body)


def result(of: str, outcome: Outcome = Outcome.APPLIED, error: str | None = None) -> DeliveryResult:
    return DeliveryResult(id=of, outcome=outcome, tally={outcome: 1}, error=error)


def finish(database: Database, ids: Sequence[str], outcome: Outcome = Outcome.APPLIED) -> None:
    with database.write() as connection:
        deliveries.finish(connection, [result(one, outcome) for one in ids], NOW)


def patiently(work: Callable[..., T], *args: Any, **options: Any) -> T:
    """As intake and the workers do: a deadlock on PostgreSQL is tried again."""
    while True:
        try:
            return work(*args, **options)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "40P01":
                raise


def test_a_delivery_that_comes_twice_in_one_group_counts_as_one_and_its_duplicate(database: Database) -> None:
    first, again, other = row("a"), row("a"), row("b")
    assert store(database, first, again, other) == {min(first.id, again.id), other.id}
    assert book(database) == {"accepted": 3, "pending": 2, "duplicate": 1}


def test_a_delivery_that_comes_again_later_is_a_duplicate_of_the_first(database: Database) -> None:
    store(database, row("a"))
    assert store(database, row("a"), row("a"), shard=3) == set()
    assert book(database) == {"accepted": 3, "pending": 1, "duplicate": 2}


def test_the_same_key_of_two_connections_is_two_deliveries(database: Database) -> None:
    assert len(store(database, row("a"), row("a", of="other"))) == 2
    assert book(database, "other") == {"accepted": 1, "pending": 1}


def test_groups_with_the_same_keys_in_opposite_order_do_not_deadlock(database: Database) -> None:
    keys = [f"k{number}" for number in range(60)]

    def write(seed: int) -> None:
        shuffled = random.Random(seed).sample(keys, len(keys))
        store(database, *(row(key) for key in shuffled), shard=seed)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    assert book(database) == {"accepted": 24 * 60, "pending": 60, "duplicate": 23 * 60}


def test_the_account_adds_up_at_every_moment_while_deliveries_come_in(database: Database) -> None:
    is_over = threading.Event()

    def write(seed: int) -> None:
        for start in range(0, 60, 5):
            new = patiently(store, database, *(row(f"k{number}") for number in range(start, start + 8)), shard=seed)
            patiently(finish, database, sorted(new)[::2])

    def watch() -> int:
        looks = 0
        while not is_over.is_set():
            with database.read() as connection:
                for page in deliveries.account(connection).values():
                    assert page.pop("accepted") == sum(page.values())
            looks += 1
        return looks

    with ThreadPoolExecutor(5) as pool:
        watched = pool.submit(watch)
        try:
            list(pool.map(write, range(4)))
        finally:
            is_over.set()
        assert watched.result() > 3
    assert book(database)["accepted"] == 4 * 12 * 8


def test_a_claim_takes_the_oldest_of_its_lane_once(database: Database) -> None:
    later = NOW + timedelta(seconds=1)
    store(database, row("b", at=later), row("a"), row("c", lane=1), row("d", next_attempt_at=later + LEASE))
    assert claim(database, now=later, limit=1) == ["a"]
    assert claim(database, now=later) == ["b"]
    assert claim(database, now=later) == []
    assert claim(database, 1) == ["c"]


def test_a_claim_that_is_never_finished_is_due_again_after_its_lease(database: Database) -> None:
    store(database, row("a"))
    assert claim(database) == ["a"]
    assert claim(database, now=NOW + LEASE - timedelta(microseconds=1)) == []
    assert claim(database, now=NOW + LEASE) == ["a"]
    with database.read() as connection:
        assert deliveries.listed(connection)[0].attempts == 2


def test_a_claim_leaves_the_connections_alone_that_it_is_told_to(database: Database) -> None:
    store(database, row("a"), row("b", of="other"))
    assert claim(database, without=["shop"]) == ["b"]


def test_claims_at_the_same_time_share_and_keep_their_limits(database: Database) -> None:
    store(database, *(row(f"k{number:03}") for number in range(100)))
    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(lambda _: claim(database, limit=7), range(14)))
    assert max(map(len, claimed)) == 7
    together = [key for keys in claimed for key in keys]
    assert len(set(together)) == len(together)


def test_only_pending_deliveries_are_finished_or_postponed(database: Database) -> None:
    one, other = row("a"), row("b")
    store(database, one, other)
    finish(database, [one.id])
    finish(database, [one.id], Outcome.DEAD)
    with database.write() as connection:
        for row_of in (one, other):
            deliveries.postpone(connection, _claimed(row_of, attempts=4), NOW + LEASE, "busy")
    assert book(database) == {"accepted": 2, "applied": 1, "pending": 1}
    assert claim(database) == []
    with database.read() as connection:
        assert deliveries.waiting_lanes(connection, NOW) == {}
        assert deliveries.waiting_lanes(connection, NOW + LEASE) == {0: 1}
        found = deliveries.get(connection, other.id)
        assert found is not None
        assert (found.attempts, found.error) == (4, "busy")


def test_nothing_to_finish_or_change_is_no_statement(database: Database) -> None:
    with database.write() as connection:
        deliveries.finish(connection, [], NOW)
        deliveries.change_results(connection, [], NOW)
        assert deliveries.replay(connection, [], NOW) == []
    with database.read() as connection:
        assert deliveries.account(connection) == {}
        assert deliveries.oldest_pending(connection) is None


def test_the_results_of_finished_deliveries_are_changed_and_no_others(database: Database) -> None:
    held, applied, waiting = row("a"), row("b"), row("c")
    store(database, held, applied, waiting)
    finish(database, [held.id], Outcome.HELD)
    finish(database, [applied.id])
    with database.write() as connection:
        again = [result(one.id, Outcome.IGNORED) for one in (held, waiting)]
        deliveries.change_results(connection, again, NOW)
    assert book(database) == {"accepted": 3, "applied": 1, "ignored": 1, "pending": 1}


def test_held_deliveries_without_events_are_shown_by_reason_and_read_again(database: Database) -> None:
    rows = [row(key) for key in ("a", "b", "c")]
    store(database, *rows)
    with database.write() as connection:
        deliveries.finish(connection, [result(one.id, Outcome.HELD, "unknown X") for one in rows[:2]], NOW)
    with database.write() as connection:
        example = max(one.id for one in rows[:2])
        assert deliveries.held_unread(connection) == [
            HeldGroup(connection="shop", reason="unknown X", count=2, example=example)
        ]
        assert set(deliveries.reread_held(connection, "shop", NOW)) == {one.id for one in rows[:2]}
    assert book(database) == {"accepted": 3, "pending": 3}


def test_thousands_of_deliveries_are_replayed_at_once(database: Database) -> None:
    ids = sorted(store(database, *(row(f"k{number}") for number in range(1_100))))
    finish(database, ids[:1_000], Outcome.DEAD)
    with database.write() as connection:
        assert sorted(deliveries.replay(connection, ids, NOW)) == ids[:1_000]
    assert book(database) == {"accepted": 1_100, "pending": 1_100}


def test_pages_of_deliveries_are_newest_first_and_come_without_bodies(database: Database) -> None:
    rows = [row(f"k{number}", at=NOW + timedelta(seconds=number)) for number in range(5)]
    store(database, *rows, row("x", of="other", at=NOW + timedelta(seconds=9)))
    finish(database, [rows[0].id])
    with database.read() as connection:
        first = deliveries.listed(connection, name="shop", limit=2)
        assert [one.key for one in first] == ["k4", "k3"]
        assert not hasattr(first[0], "body")
        rest = deliveries.listed(connection, name="shop", after=first[-1].id, outcome="pending")
        assert [one.key for one in rest] == ["k2", "k1"]


def test_what_waits_is_told_by_connection(database: Database) -> None:
    store(database, row("a"), row("b", at=NOW + timedelta(seconds=5)), row("c", of="other"))
    finish(database, [deliveries_id(database, "c")])
    with database.read() as connection:
        assert deliveries.backlog(connection) == {"shop": (2, NOW)}
        assert deliveries.oldest_pending(connection) == (NOW, None)


def deliveries_id(database: Database, key: str) -> str:
    with database.read() as connection:
        return str(next(one.id for one in deliveries.listed(connection) if one.key == key))


def test_bodies_are_forgotten_and_their_keys_and_counts_stay(database: Database) -> None:
    old, waiting = row("a"), row("b")
    store(database, old, waiting)
    finish(database, [old.id])
    later = NOW + timedelta(days=30)
    with database.write() as connection:
        assert forget_bodies(connection, NOW) == 0
        assert forget_bodies(connection, later) == 1
        assert deliveries.replay(connection, [old.id], NOW) == []
        found = deliveries.get(connection, old.id)
        assert found is not None
        assert (found.body, found.headers, found.query) == (None, {}, [])
        assert deliveries.get(connection, "nothing") is None
    assert store(database, row("a")) == set()
    assert book(database) == {"accepted": 3, "applied": 1, "pending": 1, "duplicate": 1}
