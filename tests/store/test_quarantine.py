"""Queries on the quarantine, on both databases: it is bounded, read by pages, released and forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.store import quarantine
from connector.store.database import Database, new_id
from connector.store.quarantine import Bounds, QuarantinedDelivery
from tests.conftest import NOW

BOUNDS = Bounds(most=10, most_bytes=1_000_000)


def bad(number: int, *, of: str = "shop", is_plausible: bool = True, weight: int = 600) -> QuarantinedDelivery:
    at = NOW + timedelta(seconds=number)
    return QuarantinedDelivery(
        id=new_id(at),
        connection=of,
        received_at=at,
        reason="bad_signature",
        error="no signature",
        size=number,
        sealed=f"sealed {number}",
        is_plausible=is_plausible,
        weight=weight,
    )


@pytest.mark.parametrize("keep", [0, 1, 3, 100])
def test_the_quarantine_keeps_the_newest_of_each_connection(database: Database, keep: int) -> None:
    with database.write() as connection:
        quarantine.add(connection, [bad(0, of="other")], BOUNDS)
        quarantine.add(connection, [bad(number) for number in range(1, 5)], Bounds(most=keep, most_bytes=1_000_000))
        quarantine.add(connection, [bad(5), bad(6)], Bounds(most=keep, most_bytes=1_000_000))
        kept = [one.size for one in quarantine.listed(connection, "shop")]
        assert kept == list(range(1, 7))[max(0, 6 - keep) :]
        assert quarantine.count(connection).get("shop", 0) == len(kept)
        assert quarantine.count(connection)["other"] == 1


def test_what_is_put_aside_twice_is_there_once(database: Database) -> None:
    one = bad(1)
    with database.write() as connection:
        quarantine.add(connection, [one], BOUNDS)
        quarantine.add(connection, [one], BOUNDS)
        assert quarantine.count(connection) == {"shop": 1}


def test_the_quarantine_is_read_by_pages_and_released(database: Database) -> None:
    with database.write() as connection:
        quarantine.add(connection, [bad(number) for number in range(5)], BOUNDS)
        first = quarantine.listed(connection, limit=3)
        rest = quarantine.listed(connection, "shop", after=first[-1].id)
        assert [one.size for one in (*first, *rest)] == [0, 1, 2, 3, 4]
        quarantine.release(connection, [one.id for one in first])
        quarantine.release(connection, [])
        assert [one.size for one in quarantine.listed(connection)] == [3, 4]


def test_what_came_last_is_told_and_what_is_old_is_forgotten(database: Database) -> None:
    with database.write() as connection:
        assert quarantine.newest(connection, "shop") is None
        quarantine.add(connection, [bad(1), bad(2), bad(3, of="other")], BOUNDS)
        newest = quarantine.newest(connection, "shop")
        assert newest is not None
        assert newest.size == 2
        assert quarantine.forget(connection, NOW + timedelta(seconds=1)) == 0
        assert quarantine.forget(connection, NOW + timedelta(seconds=2)) == 1
        assert quarantine.count(connection) == {"other": 1, "shop": 1}


def _kept(database: Database, name: str | None = None) -> list[int]:
    with database.read() as connection:
        return [one.size for one in quarantine.listed(connection, name)]


def test_a_connection_has_a_fourth_of_the_quarantine_s_bytes(database: Database) -> None:
    bounds = Bounds(most=100, most_bytes=4_000)
    with database.write() as connection:
        quarantine.add(connection, [bad(number, weight=400) for number in range(5)], bounds)
    assert _kept(database) == [3, 4]


def test_all_connections_together_have_the_quarantine_s_bytes(database: Database) -> None:
    bounds = Bounds(most=100, most_bytes=4_000)
    with database.write() as connection:
        for number in range(6):
            quarantine.add(connection, [bad(number, of=f"shop{number}", weight=900)], bounds)
    assert _kept(database) == [2, 3, 4, 5]


def test_noise_goes_before_what_looks_like_the_sender_s_however_new_it_is(database: Database) -> None:
    bounds = Bounds(most=4, most_bytes=1_000_000)
    with database.write() as connection:
        quarantine.add(connection, [bad(number) for number in range(3)], bounds)
        for number in range(10, 20):
            quarantine.add(connection, [bad(number, is_plausible=False)], bounds)
    assert _kept(database) == [0, 1, 2, 19]
    with database.write() as connection:
        quarantine.add(connection, [bad(20), bad(21)], bounds)
    assert _kept(database) == [1, 2, 20, 21]
