"""Workers that meet at the same subjects at the same moment lose nothing, double nothing, and end as one would."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_processor, remap, sweep
from connector.operations.subjects import set_status
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import batches, connections, deliveries, identities, subjects
from tests.conftest import NOW, Clock, put_in_force, wait_for
from tests.flow.conftest import WORKSPACE
from tests.flow.pipeline.test_order import CONNECTIONS, as_told, draw_lines, marked, send, simulated
from tests.flow.senders import MAPPING, Sender, add_connection, drain
from tests.flow.store_queries import subject_of, whole_state

PEOPLE = 5
MARK = "x9"


def _is_done(runtime: Runtime) -> bool:
    with runtime.database.read() as connection:
        return deliveries.oldest_pending(connection) is None


def _work(runtime: Runtime, start: threading.Barrier, stop: threading.Event, seed: int) -> None:
    lanes = list(range(runtime.config.lanes))
    random.Random(seed).shuffle(lanes)
    start.wait(10)
    while not stop.is_set() and not _is_done(runtime):
        for lane in lanes:
            build_processor(runtime, batch_size=4).drain(lane, lambda: not stop.is_set())
        sweep(runtime)


@pytest.fixture
def runtimes(postgres_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[list[Runtime]]:
    """Two processes' worth of the product over one PostgreSQL."""
    environ = {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    found = [Runtime(read_config(environ, tmp_path), clock) for _ in range(2)]
    put_in_force(found[0], **WORKSPACE)
    yield found
    for runtime in found:
        runtime.close()


@pytest.mark.parametrize("seed", range(3))
def test_two_workers_on_all_lanes_at_once_end_as_one_worker_in_order(runtimes: list[Runtime], seed: int) -> None:
    for name in CONNECTIONS:
        add_connection(runtimes[0], name)
    chance = random.Random(seed)
    lines: dict[int, list[dict[str, Any]]] = {person: draw_lines(chance, person) for person in range(1, PEOPLE + 1)}
    every = marked([line for own in lines.values() for line in own], MARK)
    chance.shuffle(every)
    senders = {name: Sender(runtimes[0], name) for name in CONNECTIONS}
    for line in every:
        send(senders, [line], MARK)
    start, stop = threading.Barrier(2), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(_work, runtime, start, stop, number) for number, runtime in enumerate(runtimes)]
        try:
            wait_for(lambda: all(one.done() for one in work), "both workers to be done", 60)
        finally:
            stop.set()
    assert [one.result() for one in work] == [None, None]
    sweep(runtimes[0])
    for person, own in lines.items():
        assert as_told(whole_state(runtimes[0], f"p{person}@{MARK}.example", MARK)) == simulated(
            runtimes[0], marked(own, "")
        )
    books = balance(runtimes[0])
    assert all(map(is_balanced, books.values()))
    assert sum(book["dead"] + book["held"] + book["pending"] for book in books.values()) == 0


def _is_waiting(runtime: Runtime) -> bool:
    """Whether a transaction waits for another one's lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with runtime.database.read() as connection:
        return bool(connection.execute(text(query)).scalar())


def _merge_while(runtimes: list[Runtime], work: Callable[[], object]) -> tuple[str, str]:
    """Join two subjects, and let `work` begin when that is decided and not yet committed; their ids."""
    add_connection(runtimes[0])
    sender = Sender(runtimes[0])
    at = (NOW - timedelta(days=95)).isoformat()
    for name in "vw":
        line = {"id": name, "at": at, "subject": {"visitor": name}, "type": "action", "action": "site_access"}
        sender.send(line)
        drain(runtimes[0])
    kept, lost = (subject_of(runtimes[0], "visitor", name).id for name in "vw")
    with ThreadPoolExecutor(1) as pool:
        with runtimes[0].database.write() as connection:
            batches.lock_subjects(connection, {kept, lost})
            batches.merge(connection, {lost: kept}, [])
            held = [one._replace(subject=kept) for one in identities.of_subjects(connection, [lost])]
            identities.save(connection, held, (), {(one.key, one.number) for one in held})
            at_work = pool.submit(work)
            wait_for(lambda: _is_waiting(runtimes[1]), "the other worker to wait for the subject")
        at_work.result(20)
    return kept, lost


def test_a_batch_that_waited_for_a_merge_sees_it(runtimes: list[Runtime]) -> None:
    def work() -> None:
        line = {"id": "n", "at": NOW.isoformat(), "subject": {"visitor": "w"}, "type": "identify"}
        Sender(runtimes[1]).send(line, key="later")
        drain(runtimes[1])

    kept, lost = _merge_while(runtimes, work)
    with runtimes[0].database.read() as connection:
        assert {row.key for row in subjects.events_of(connection, kept)} == {"shop:v", "shop:w", "shop:n"}
        assert subjects.get(connection, lost).merged_into == kept
    assert balance(runtimes[0])["shop"]["applied"] == 3


def test_a_sweep_that_waited_for_a_merge_leaves_the_subject_out_that_is_no_more(runtimes: list[Runtime]) -> None:
    kept, lost = _merge_while(runtimes, lambda: sweep(runtimes[1]))
    with runtimes[0].database.read() as connection:
        gone, standing_on = subjects.get(connection, lost), subjects.get(connection, kept)
    assert (gone.merged_into, gone.due) == (kept, None)
    assert standing_on.status == "not_set"


def test_translating_anew_leaves_a_subject_out_that_was_merged_meanwhile_and_finds_its_events_again(
    runtimes: list[Runtime],
) -> None:
    def work() -> None:
        ignoring = f"{MAPPING}actions: {{site_access: ignore}}\n"
        with runtimes[1].database.write() as connection:
            connections.publish(connection, "shop", ignoring, author="test", comment="", now=runtimes[1].clock())
        remap(runtimes[1], "shop")

    kept, lost = _merge_while(runtimes, work)
    with runtimes[0].database.read() as connection:
        assert subjects.get(connection, lost).merged_into == kept
        assert [row.outcome for row in subjects.events_of(connection, kept)] == ["ignored", "ignored"]
        assert [(row.id, row.state) for row in subjects.listed(connection)] == [(kept, None)]


def test_what_a_person_sets_while_subjects_become_one_is_set_on_the_one(runtimes: list[Runtime]) -> None:
    kept, lost = _merge_while(runtimes, lambda: set_status(runtimes[1], "w", "project", actor="kim"))
    with runtimes[0].database.read() as connection:
        assert subjects.get(connection, kept).status == "project"
        assert subjects.get(connection, lost).merged_into == kept
