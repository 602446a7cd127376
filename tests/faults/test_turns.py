"""One worker for everything: each lane and the outbox have their turn, and a system that hangs holds up nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from rq import Queue

from connector.adapter_kit.contract import Delivery, Pushed, Update
from connector.operations.flow import build_intake
from connector.processes.jobs import Jobs
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import NOTIFY, RECONCILE
from connector.store import deliveries, outbox
from tests.conftest import wait_for
from tests.flow.outbound.test_push import Lead
from tests.flow.scripted_adapter import Script, add_scripted, done
from tests.flow.senders import Sender
from tests.flow.store_queries import updates


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime)


MOST = 15


def _waiting(runtime: Runtime, queue: str) -> int:
    return Queue(queue, connection=runtime.redis).count


def test_a_system_that_hangs_delays_a_healthy_one_by_less_than_a_second_with_one_worker(
    runtime: Runtime, script: Script
) -> None:
    other, may_go = add_scripted(runtime, "other"), threading.Event()

    def hangs(updates: Sequence[Update]) -> Sequence[Pushed]:
        may_go.wait(20)
        return done(updates)

    script.push = hangs
    Lead(runtime).moves("new")
    lead, jobs = Lead(runtime, "other", record="M"), Jobs(runtime)
    try:
        for number, stage in enumerate(("new", "talking", "meeting"), 1):
            lead.moves(stage)
            runtime.wakeups.enqueue(NOTIFY)
            started = time.monotonic()
            jobs.push()
            assert time.monotonic() - started < 1
            wait_for(lambda number=number: len(other.sent) == number, "the healthy one", 1)  # type: ignore[misc]
        assert updates(runtime)["L"].outcome == outbox.WAITING
        runtime.redis.flushall()
    finally:
        may_go.set()
    wait_for(lambda: updates(runtime)["L"].outcome == outbox.DONE, "the one that hung")
    wait_for(lambda: _waiting(runtime, "push") == 1, "the outbox to be looked at again")
    jobs.push()
    assert (other.statuses()[-1], len(script.sent)) == ("appointment_acquisition", 1)


def test_a_lane_that_never_empties_lets_others_have_their_turn(runtime: Runtime, script: Script) -> None:
    """Each delivery that is read is followed by another one of the same lane, some times."""
    sender = Sender(runtime, "scripted", build_intake(runtime, lambda _: None))
    sent: list[int] = []

    def send(_: Delivery | None = None) -> None:
        if len(sent) < MOST:
            sent.append(len(sent))
            line = {"id": f"e{len(sent)}", "at": runtime.clock().isoformat(), "type": "stage", "stage": "new"}
            line |= {"object": "lead", "subject": {"id": "L"}}  # type: ignore[dict-item]
            assert sender.send(line).status_code == 202

    script.before_parsing = send
    send()
    with runtime.database.read() as connection:
        (lane,) = deliveries.waiting_lanes(connection, runtime.clock())
    runtime.wakeups.enqueue(RECONCILE)
    started = time.monotonic()
    Jobs(runtime).drain(lane)
    assert time.monotonic() - started < 1
    assert 1 < len(sent) < MOST
    assert _waiting(runtime, "process") == 1
    script.before_parsing = lambda _: None
    Jobs(runtime).drain(lane)
    with runtime.database.read() as connection:
        assert deliveries.waiting_lanes(connection, runtime.clock()) == {}
