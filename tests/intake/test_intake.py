"""Intake over both databases: what is acknowledged is committed, and what cannot be committed is not acknowledged."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from sqlalchemy import event, text
from sqlalchemy.exc import ArgumentError, OperationalError

from connector.adapter_kit.contract import Delivery, Reply
from connector.adapter_kit.signatures import sign_webhook
from connector.core.errors import BadPayload, BadSignature, NotFound
from connector.intake.group_commit import Writer, error_text
from connector.intake.quarantine import KEEP_SEALED_BYTES, seal, unseal
from connector.intake.receive import Intake, NotStored, Paused
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_intake
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import connections, deliveries
from connector.store.database import Database, new_id
from tests.conftest import NOW, Clock, wait_for
from tests.flow.senders import add_connection
from tests.store.test_deliveries import row
from tests.web.answers import add_connections
from tests.web.malformed import OTHER_SECRET, PORTAL, ROBOT_TOKEN, SECRET, SHOP, line, lines, robot
from tests.web.malformed import event as form


@pytest.fixture
def shop(runtime: Runtime) -> Runtime:
    """A runtime with the connection `shop`."""
    add_connection(runtime, SHOP)
    return runtime


def delivery(key: str = "msg_1", body: bytes | None = None, secret: str = SECRET) -> Delivery:
    content = lines(line()) if body is None else body
    headers = {"content-type": "application/json", **sign_webhook(key, content, [secret], NOW)}
    return Delivery(method="POST", query=(), headers=headers, body=content, received_at=NOW)


@pytest.fixture
def intake(runtime: Runtime) -> Intake:
    return build_intake(runtime)


def receive(intake: Intake, sent: Delivery, name: str = SHOP) -> Reply:
    return intake.receive(intake.find(name), sent)


def stored(runtime: Runtime) -> list[dict[str, Any]]:
    with runtime.database.read() as connection:
        return [dict(one) for one in deliveries.listed(connection, limit=10_000)]


def quarantined(runtime: Runtime) -> list[dict[str, Any]]:
    with runtime.database.read() as connection:
        return [dict(one) for one in deliveries.quarantined(connection)]


@contextmanager
def commits_counted(database: Database, before: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """Counts the transactions that are committed; `before` is called before each."""
    counted = [0]

    def count(_connection: object) -> None:
        before()
        counted[0] += 1

    event.listen(database.engine, "commit", count)
    yield counted
    event.remove(database.engine, "commit", count)


def all_at_once(work: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    """The results, or the refusals, of the work on each value in a thread of its own."""

    def run(value: Any) -> Any:
        try:
            return work(value)
        except NotStored as error:
            return error

    listed = list(values)
    with ThreadPoolExecutor(len(listed)) as pool:
        return list(pool.map(run, listed))


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
    writer, is_held = Writer(database, 10, woken.extend), threading.Event()
    bad = [row("naive time") | {"received_at": NOW.replace(tzinfo=None)}, row("no lane") | {"lane": None}]
    good = [row(f"k{number}", lane=number) for number in range(10)]
    aside = {"id": new_id(NOW), "connection": SHOP, "received_at": NOW, "reason": "bad_signature"}
    aside |= {"error": "x", "size": 1, "sealed": ""}

    def hold() -> None:
        if not is_held.is_set():
            is_held.set()
            wait_for(lambda: writer._items.qsize() == 13, "a group of 13")

    def write(one: dict[str, Any]) -> None:
        writer.write(one, is_quarantined="sealed" in one)

    with commits_counted(database, hold), ThreadPoolExecutor(1) as pool:
        pool.submit(write, row("first", lane=20))
        wait_for(is_held.is_set, "the first commit")
        results = all_at_once(write, [*bad, *good, aside])
    assert [type(result) for result in results] == [NotStored] * 2 + [type(None)] * 11
    with database.read() as connection:
        assert {one["key"] for one in deliveries.listed(connection)} == {"first", *(one["key"] for one in good)}
        assert deliveries.account(connection)[SHOP]["accepted"] == 11
        assert deliveries.count_quarantined(connection) == {SHOP: 1}
    wait_for(lambda: set(woken) == {*range(10), 20}, "the lanes of the good ones")


def test_a_duplicate_is_answered_the_same_counted_and_wakes_its_lane_again(shop: Runtime, intake: Intake) -> None:
    queue = Queue("process", connection=shop.redis)
    first = receive(intake, delivery())
    wait_for(lambda: queue.count == 1, "the lane's job")
    shop.redis.flushall()
    assert receive(intake, delivery()) == first
    wait_for(lambda: queue.count == 1, "the lane's job again")
    assert [one["duplicates"] for one in stored(shop)] == [1]
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
    keys = [one["key"] for one in stored(runtime)]
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


# The quarantine


def test_a_delivery_with_a_bad_signature_is_sealed_and_nothing_else(shop: Runtime, intake: Intake) -> None:
    wrong = delivery(secret=OTHER_SECRET)
    with pytest.raises(BadSignature):
        receive(intake, wrong)
    assert stored(shop) == []
    (kept,) = quarantined(shop)
    assert (kept["reason"], kept["error"], kept["size"]) == ("bad_signature", "no signature matches", len(wrong.body))
    assert b"site_access" not in kept["sealed"].encode()
    assert unseal(shop.vault, kept["sealed"]) == wrong
    assert balance(shop) == {}


def test_a_signed_delivery_that_cannot_be_read_is_quarantined(shop: Runtime, intake: Intake) -> None:
    with pytest.raises(BadPayload):
        receive(intake, delivery(body=b"hello"))
    assert [one["reason"] for one in quarantined(shop)] == ["bad_payload"]


def test_a_corrected_secret_takes_what_was_quarantined(shop: Runtime, intake: Intake, clock: Clock) -> None:
    for number in range(70):
        with pytest.raises(BadSignature):
            receive(intake, replace(delivery(f"msg_{number}", secret=OTHER_SECRET)))
    with pytest.raises(BadPayload):
        receive(intake, delivery(body=b"hello"))
    with pytest.raises(BadSignature):
        receive(intake, delivery("msg_x", secret="whsec_" + "A" * 40))
    clock.forward(days=2)
    assert intake.verify_again(SHOP, shop.database, clock()) == 0
    sealed = shop.vault.encrypt(orjson.dumps({"secret": [OTHER_SECRET, SECRET]}).decode())
    with shop.database.write() as connection:
        connections.change(connection, SHOP, sealed=sealed)
    assert intake.verify_again(SHOP, shop.database, clock()) == 70
    assert sorted(one["reason"] for one in quarantined(shop)) == ["bad_payload", "bad_signature"]
    taken = stored(shop)
    assert {one["key"] for one in taken} == {f"msg_{number}" for number in range(70)}
    assert {(one["received_at"], one["next_attempt_at"]) for one in taken} == {(NOW, clock())}
    assert intake.verify_again(SHOP, shop.database, clock()) == 0
    assert is_balanced(balance(shop)[SHOP])


def test_what_no_key_opens_stays_in_the_quarantine(shop: Runtime, intake: Intake, tmp_path: Path) -> None:
    foreign = Runtime(read_config({"CONNECTOR_DATA_DIR": str(tmp_path / "other")}, tmp_path)).vault
    kept = {"id": new_id(NOW), "connection": SHOP, "received_at": NOW, "reason": "bad_signature", "error": "x"}
    with shop.database.write() as connection:
        deliveries.put_aside(connection, [{**kept, "size": 1, "sealed": seal(foreign, delivery())}], 10)
    assert intake.verify_again(SHOP, shop.database, NOW) == 0
    assert len(quarantined(shop)) == 1


def test_what_a_version_before_had_sealed_is_verified_again(shop: Runtime, intake: Intake) -> None:
    sent = delivery()
    values = {"method": "POST", "query": [["a", "1"]], "headers": dict(sent.headers)}
    values |= {"body": b64encode(sent.body).decode(), "received_at": NOW.isoformat()}
    sealed = shop.vault.encrypt(orjson.dumps(values).decode())
    assert unseal(shop.vault, sealed) == replace(sent, query=(("a", "1"),))
    kept = {"id": new_id(NOW), "connection": SHOP, "received_at": NOW, "reason": "bad_signature", "error": "x"}
    with shop.database.write() as connection:
        deliveries.put_aside(connection, [{**kept, "size": 1, "sealed": sealed}], 10)
    assert intake.verify_again(SHOP, shop.database, NOW) == 1


@pytest.mark.parametrize("place", ["body", "headers", "query", "query_string"])
def test_a_large_delivery_is_quarantined_without_its_content(shop: Runtime, intake: Intake, place: str) -> None:
    large = "x" * (KEEP_SEALED_BYTES + 1)
    wrong = delivery(secret=OTHER_SECRET)
    if place == "body":
        wrong = replace(wrong, body=large.encode())
    elif place == "query":
        wrong = replace(wrong, query=(("a", large),))
    elif place == "query_string":
        wrong = replace(wrong, query_string=large)
    else:
        wrong = replace(wrong, headers={**wrong.headers, "x-large": large})
    with pytest.raises(BadSignature):
        receive(intake, wrong)
    (kept,) = quarantined(shop)
    assert (kept["sealed"], kept["size"]) == ("", len(wrong.body))
    assert intake.verify_again(SHOP, shop.database, NOW) == 0


def test_the_quarantine_is_bounded_in_number(shop: Runtime, clock: Clock) -> None:
    writer = Writer(shop.database, 3, lambda _: None)
    intake = Intake(connections=shop.connections, vault=shop.vault, writer=writer, lanes=1)
    for number in range(8):
        with pytest.raises(BadSignature):
            receive(intake, replace(delivery(f"msg_{number}", secret=OTHER_SECRET), received_at=clock()))
        clock.forward(seconds=1)
    kept = [unseal(shop.vault, one["sealed"]).headers["webhook-id"] for one in quarantined(shop)]
    assert kept == ["msg_5", "msg_6", "msg_7"]


def test_an_error_that_quotes_a_token_is_masked(runtime: Runtime, intake: Intake) -> None:
    add_connections(runtime)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = form(**{"auth[application_token]": f"{ROBOT_TOKEN}\0"})
    quoting = Delivery(method="POST", query=(), headers=headers, body=body, received_at=NOW)
    with pytest.raises(BadSignature) as caught:
        receive(intake, quoting, PORTAL)
    assert ROBOT_TOKEN not in str(caught.value)
    assert "***" in quarantined(runtime)[0]["error"]


def test_what_no_database_takes_is_made_storable(runtime: Runtime, intake: Intake) -> None:
    add_connections(runtime)
    headers = {"content-type": "application/x-www-form-urlencoded", "x-odd": "a\0b\udcff"}
    query = (("token", ROBOT_TOKEN), ("a\0", "\udcff"))
    odd = Delivery(
        method="POST", query=query, headers=headers, body=robot("crm", "CCrmDocumentLead", "LEAD_1"), received_at=NOW
    )
    assert receive(intake, odd, PORTAL).status == 202
    with runtime.database.read() as connection:
        found = deliveries.get(connection, stored(runtime)[0]["id"])
    assert found is not None
    assert found["headers"]["x-odd"] == "a\ufffdb?"
    assert found["query"] == [["token", "***"], ["a\ufffd", "?"]]
    refused = replace(odd, query=query[1:])
    with pytest.raises(BadSignature):
        receive(intake, refused, PORTAL)
    assert unseal(runtime.vault, quarantined(runtime)[0]["sealed"]) == refused


# The database is away, full, replaced


def set_pragma(runtime: Runtime, pragma: str) -> None:
    """Set a pragma of the one connection that writes."""
    connection = runtime.database.engine.raw_connection()
    connection.cursor().execute(f"PRAGMA {pragma}")
    connection.close()


def made(url: str, redis_url: str, folder: Path, clock: Clock) -> Iterator[Runtime]:
    environ = {"DATABASE_URL": url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(folder / "data")}
    runtime = Runtime(read_config(environ, folder), clock)
    add_connection(runtime, SHOP)
    yield runtime
    runtime.close()


@pytest.fixture
def on_sqlite(sqlite_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    yield from made(sqlite_url, redis_url, tmp_path, clock)


@pytest.fixture
def on_postgresql(postgres_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    yield from made(postgres_url, redis_url, tmp_path, clock)


@pytest.mark.parametrize(
    ("pragma", "mended"),
    [("max_page_count = 1", "max_page_count = 1000000"), ("query_only = 1", "query_only = 0")],
    ids=["full disk", "read-only"],
)
def test_a_sqlite_that_cannot_be_written_acknowledges_nothing_and_recovers(
    on_sqlite: Runtime, pragma: str, mended: str
) -> None:
    intake = build_intake(on_sqlite)
    large = lines(line(fields={"text": "x" * 30_000}))
    set_pragma(on_sqlite, pragma)
    results = all_at_once(lambda number: receive(intake, delivery(f"msg_{number}", large)), range(8))
    assert {type(result) for result in results} == {NotStored}
    with pytest.raises(NotStored):
        receive(intake, delivery(secret=OTHER_SECRET, body=large))
    set_pragma(on_sqlite, mended)
    assert stored(on_sqlite) == quarantined(on_sqlite) == []
    assert balance(on_sqlite) == {}
    assert receive(intake, delivery("msg_1", large)).status == 202


def test_a_sqlite_file_that_was_replaced_gets_what_comes_after(on_sqlite: Runtime, tmp_path: Path) -> None:
    runtime = on_sqlite
    intake = build_intake(runtime)
    receive(intake, delivery("before"))
    runtime.database.close()
    file = tmp_path / "connector.sqlite"
    backup = file.read_bytes()
    receive(intake, delivery("lost with the old file"))
    restored = tmp_path / "restored.sqlite"
    restored.write_bytes(backup)
    for ending in ("-wal", "-shm"):
        Path(f"{file}{ending}").unlink()
    restored.replace(file)
    assert receive(intake, delivery("after")).status == 202
    again = Database(runtime.config.database_url)
    with again.read() as connection:
        assert {one["key"] for one in deliveries.listed(connection)} == {"after", "before"}
    again.close()


def test_a_sqlite_file_that_was_deleted_acknowledges_nothing(on_sqlite: Runtime, tmp_path: Path) -> None:
    runtime = on_sqlite
    intake = build_intake(runtime)
    receive(intake, delivery("before"))
    (tmp_path / "connector.sqlite").unlink()
    with pytest.raises(NotStored):
        receive(intake, delivery("after"))
    assert not (tmp_path / "connector.sqlite").exists()


def test_a_postgresql_that_ends_its_connections_is_reached_again(postgres: Database, on_postgresql: Runtime) -> None:
    runtime = on_postgresql
    intake = build_intake(runtime)
    is_over = threading.Event()

    def end_connections() -> None:
        name = runtime.database.url.database
        kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        while not is_over.wait(0.05):
            with postgres.engine.connect() as connection:
                connection.execute(kill, {"name": name})

    def send(number: int) -> str | None:
        try:
            receive(intake, delivery(f"msg_{number}"))
        except NotStored:
            return None
        return f"msg_{number}"

    with ThreadPoolExecutor(5) as pool:
        killer = pool.submit(end_connections)
        try:
            acknowledged = {key for key in pool.map(send, range(160)) if key}
        finally:
            is_over.set()
        killer.result()
    assert len(acknowledged) > 80
    assert acknowledged <= {one["key"] for one in stored(runtime)}
    assert is_balanced(balance(runtime)[SHOP])


def test_a_postgresql_that_is_gone_acknowledges_nothing(postgres: Database, on_postgresql: Runtime) -> None:
    runtime = on_postgresql
    intake = build_intake(runtime)
    receive(intake, delivery("before"))
    name = str(runtime.database.url.database)
    rename(postgres, name, f"{name}_away")
    try:
        with pytest.raises(NotStored):
            intake._writer.write(row("after"))
        runtime.connections.forget()
        with pytest.raises(NotStored):
            receive(intake, delivery("after"))
    finally:
        rename(postgres, f"{name}_away", name)
    assert receive(intake, delivery("after")).status == 202
    assert {one["key"] for one in stored(runtime)} == {"after", "before"}


def rename(postgres: Database, name: str, new: str) -> None:
    autocommit = postgres.engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        connection.execute(kill, {"name": name})
        connection.execute(text(f"ALTER DATABASE {name} RENAME TO {new}"))


def test_a_commit_that_takes_too_long_acknowledges_nothing_and_stores_nothing_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.intake.group_commit.COMMIT_SECONDS", 0.05)
    writer, is_free = Writer(database, 10, lambda _: None), threading.Event()

    def hold() -> None:
        is_free.wait(20)

    with commits_counted(database, hold):
        with pytest.raises(NotStored):
            writer.write(row("during the slow commit"))
        with pytest.raises(NotStored):
            writer.write(row("behind it"))
        is_free.set()
        monkeypatch.undo()
        writer.write(row("after it"))
    with database.read() as connection:
        keys = {one["key"] for one in deliveries.listed(connection)}
    assert keys == {"during the slow commit", "after it"}


# Redis is away


def test_without_redis_deliveries_are_stored_and_acknowledged_without_delay(shop: Runtime, intake: Intake) -> None:
    shop.__dict__["redis"] = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    receive(intake, delivery("first"))
    started = time.monotonic()
    for number in range(20):
        receive(intake, delivery(f"msg_{number}"))
    assert (time.monotonic() - started) / 20 < 0.1
    assert len(stored(shop)) == 21


def test_a_redis_that_does_not_answer_holds_up_nobody(database: Database) -> None:
    is_free = threading.Event()
    woken: list[set[int]] = []

    def committed(lanes: set[int]) -> None:
        is_free.wait(20)
        woken.append(lanes)

    writer = Writer(database, 10, committed)
    started = time.monotonic()
    for number in range(20):
        writer.write(row(f"k{number}", lane=number))
    assert (time.monotonic() - started) / 20 < 0.1
    is_free.set()
    wait_for(lambda: set().union(*woken) == set(range(20)), "all lanes")
    assert len(woken) < 20


def test_a_wake_up_that_fails_stops_no_later_one(database: Database) -> None:
    woken: list[set[int]] = []

    def committed(lanes: set[int]) -> None:
        woken.append(lanes)
        if len(woken) == 1:
            message = "not expected"
            raise RuntimeError(message)

    writer = Writer(database, 10, committed)
    writer.write(row("a", lane=1))
    wait_for(lambda: bool(woken), "the first wake-up")
    writer.write(row("b", lane=2))
    wait_for(lambda: woken == [{1}, {2}], "the second")


def test_what_a_database_says_is_told_in_one_line_without_values() -> None:
    broken = OperationalError(
        "INSERT INTO deliveries", {"body": "private"}, ValueError("disk is full\nDETAIL: private")
    )
    assert error_text(broken) == "ValueError: disk is full"
    assert error_text(ArgumentError("private")) == "ArgumentError"
    assert error_text(OSError(28, "No space left on device")) == "OSError: [Errno 28] No space left on device"
