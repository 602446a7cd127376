"""What is acknowledged is stored, once, in groups; what cannot be stored stands for itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from connector.adapter_kit.contract import Delivery
from connector.core.errors import NotFound
from connector.intake.group_commit import Writer
from connector.intake.receive import Intake, NotStored, Paused
from connector.operations.doctor import balance, is_balanced
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import queue_of
from connector.store import connections, deliveries, quarantine
from connector.store.database import Database, new_id
from connector.store.quarantine import Bounds, QuarantinedDelivery
from tests.conftest import NOW, wait_for
from tests.intake.workspace import all_at_once, commits_counted, delivery, receive, stored
from tests.store.test_deliveries import row
from tests.web.answers import add_connections
from tests.web.malformed import PORTAL, SHOP
from tests.web.malformed import event as form


def test_what_is_acknowledged_is_committed_and_to_be_seen_by_others(shop: Runtime, intake: Intake) -> None:
    other = Database(shop.config.database_url)
    for number in range(5):
        assert receive(intake, delivery(f"msg_{number}")).status == 202
        with other.read() as connection:
            assert len(deliveries.listed(connection)) == number + 1
    other.close()


def test_what_arrives_during_a_commit_is_committed_together(shop: Runtime, intake: Intake) -> None:
    is_held, waiting = threading.Event(), intake._writer._items

    def hold() -> None:
        if not is_held.is_set():
            is_held.set()
            wait_for(lambda: waiting.qsize() == 39, "39 waiting deliveries")

    with commits_counted(shop.database, hold) as counted, ThreadPoolExecutor(1) as pool:
        first = pool.submit(receive, intake, delivery("first"))
        wait_for(is_held.is_set, "the first commit")
        rest = all_at_once(lambda number: receive(intake, delivery(f"msg_{number}")), range(39))
        assert {reply.status for reply in (first.result(), *rest)} == {202}
    assert counted == [2]
    assert len(stored(shop)) == 40


def test_a_row_that_cannot_be_stored_does_not_fail_its_neighbours(database: Database) -> None:
    woken: list[int] = []
    writer, is_held = Writer(database, Bounds(most=10, most_bytes=1_000_000), woken.extend), threading.Event()
    without_lane: Any = None
    bad = [
        replace(row("naive time"), received_at=NOW.replace(tzinfo=None)),
        replace(row("no lane"), lane=without_lane),
    ]
    good = [row(f"k{number}", lane=number) for number in range(10)]
    aside = QuarantinedDelivery(
        id=new_id(NOW),
        connection=SHOP,
        received_at=NOW,
        reason="bad_signature",
        error="x",
        size=1,
        sealed="",
        is_plausible=False,
        weight=500,
    )

    def hold() -> None:
        if not is_held.is_set():
            is_held.set()
            wait_for(lambda: writer._items.qsize() == 13, "a group of 13")

    with commits_counted(database, hold), ThreadPoolExecutor(1) as pool:
        pool.submit(writer.write, row("first", lane=20))
        wait_for(is_held.is_set, "the first commit")
        results = all_at_once(writer.write, [*bad, *good, aside])
    assert [type(result) for result in results] == [NotStored] * 2 + [type(None)] * 11
    with database.read() as connection:
        assert {one.key for one in deliveries.listed(connection)} == {"first", *(one.key for one in good)}
        assert deliveries.account(connection)[SHOP]["accepted"] == 11
        assert quarantine.count(connection) == {SHOP: 1}
    wait_for(lambda: set(woken) == {*range(10), 20}, "the lanes of the good ones")


def test_a_duplicate_is_answered_the_same_counted_and_wakes_its_lane_again(shop: Runtime, intake: Intake) -> None:
    queue = queue_of(shop.redis, "process")
    first = receive(intake, delivery())
    wait_for(lambda: queue.count == 1, "the lane's job")
    shop.redis.flushall()
    assert receive(intake, delivery()) == first
    wait_for(lambda: queue.count == 1, "the lane's job again")
    assert [one.duplicates for one in stored(shop)] == [1]
    assert balance(shop)[SHOP]["duplicate"] == 1


def test_800_requests_of_8_senders_with_duplicates_balance_at_every_moment(shop: Runtime, intake: Intake) -> None:
    is_over = threading.Event()

    def send(seed: int) -> None:
        for number in range(100):
            receive(intake, delivery(f"msg_{(seed * 37 + number) % 250}"))

    def watch() -> list[int]:
        seen = []
        while not is_over.is_set():
            book = balance(shop).get(SHOP, {"accepted": 0})
            assert is_balanced(book)
            seen.append(book["accepted"])
        return seen

    with ThreadPoolExecutor(9) as pool, commits_counted(shop.database) as counted:
        watched = pool.submit(watch)
        try:
            list(pool.map(send, range(8)))
        finally:
            is_over.set()
        assert watched.result() == sorted(watched.result())
    book = balance(shop)[SHOP]
    assert (book["accepted"], book["pending"], book["duplicate"]) == (800, 250, 550)
    assert counted[0] < 800


def test_a_key_that_is_too_long_keeps_to_itself(runtime: Runtime, intake: Intake) -> None:
    add_connections(runtime)
    for ending in ("a", "b"):
        body = form(event="\u0390" * 59 + ending, **{"auth[member_id]": None, "ts": "1" * 60})
        headers = {"content-type": "application/x-www-form-urlencoded"}
        long = Delivery(method="POST", query=(), headers=headers, body=body, received_at=NOW)
        assert receive(intake, long, PORTAL).status == 202
        receive(intake, long, PORTAL)
    keys = [one.key for one in stored(runtime)]
    assert len(set(keys)) == len(keys) == 2
    assert max(map(len, keys)) <= 255


def test_unknown_and_paused_connections_are_told_apart(shop: Runtime, intake: Intake) -> None:
    with pytest.raises(NotFound, match=r"there is no connection 'x{63}'"):
        intake.find("x" * 1000)
    with shop.database.write() as connection:
        connections.change(connection, SHOP, is_paused=True)
    shop.connections.forget()
    with pytest.raises(Paused, match="send again later"):
        receive(intake, delivery())
    assert stored(shop) == []
