"""The RQ jobs over a real Redis: each drains what the database says is waiting, one at a time, and wakes the next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from connector.adapter_kit.contract import Pushed, Update
from connector.operations.doctor import balance
from connector.operations.flow import build_intake, build_pusher
from connector.operations.subjects import listed
from connector.processes.jobs import Jobs, install
from connector.processes.worker import SteadyWorker
from connector.runtime import metrics
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import queue_of
from connector.store import connections, deliveries, histories, outbox
from tests.conftest import Clock, put_in_force, wait_for
from tests.flow.pipeline.test_reconcile import stage_event
from tests.flow.scripted_adapter import Script, add_scripted, done
from tests.flow.senders import Sender
from tests.flow.store_queries import updates


@pytest.fixture
def redis(runtime: Runtime) -> Redis:
    return runtime.redis


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime)


@pytest.fixture
def jobs(runtime: Runtime) -> Jobs:
    return Jobs(runtime)


def _post(runtime: Runtime, line: dict[str, Any], key: str) -> None:
    """Send a line; when it returns, its lane has been woken, which intake does beside its answer."""
    woken: list[int] = []

    def wake(lanes: set[int]) -> None:
        runtime.wakeups.enqueue_drains(lanes)
        woken.extend(lanes)

    sender = Sender(runtime, "scripted", build_intake(runtime, wake))
    assert sender.send(line, key=key).status_code == 202
    wait_for(lambda: bool(woken), "the lane to be woken")


def _send(runtime: Runtime, number: int, stage: str = "new") -> int:
    """Send a stage of the one lead; its lane."""
    line: dict[str, Any] = {
        "id": f"e{number}",
        "at": runtime.clock().isoformat(),
        "subject": {"id": "L"},
        "type": "stage",
    }
    line |= {"object": "lead", "stage": stage}
    _post(runtime, line, f"k{number}")
    with runtime.database.read() as connection:
        return int(next(row.lane for row in deliveries.listed(connection) if row.key == f"k{number}"))


def _waiting(redis: Redis) -> list[str]:
    """What waits in the queues: each job's name and arguments."""
    found = [job for name in ("process", "push", "notify", "maintenance") for job in queue_of(redis, name).jobs]
    return [f"{job.func_name.rpartition('.')[2]}{tuple(job.args)}" for job in found if job.func_name]


def _empty(redis: Redis) -> None:
    """Nothing waits any more, as if a worker had taken it and died, or Redis had been lost."""
    redis.flushall()


def test_a_lane_s_drain_processes_what_waits_and_wakes_the_push(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis
) -> None:
    lane = _send(runtime, 1)
    _send(runtime, 2, "talking")
    assert _waiting(redis) == [f"drain({lane},)"]
    _empty(redis)
    jobs.drain(lane)
    book = balance(runtime)["scripted"]
    assert book["applied"] + book["stale"] == 2, "two of one instant may be processed in either order"
    assert _waiting(redis) == ["push()"]
    _empty(redis)
    jobs.push()
    assert script.statuses() == ["appointment_prospect"]
    assert _waiting(redis) == []


@pytest.mark.usefixtures("script")
def test_rules_whose_publish_was_cut_short_are_gone_on_with(runtime: Runtime, jobs: Jobs) -> None:
    jobs.drain(_send(runtime, 1))
    put_in_force(runtime, session_gap_minutes=5)
    with runtime.database.read() as connection:
        assert len(histories.of_former_rules(connection, 1, 10)) == 1
    jobs.remap()
    with runtime.database.read() as connection:
        assert histories.of_former_rules(connection, 1, 10) == []


def test_what_the_version_before_has_queued_still_runs(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis
) -> None:
    lane = _send(runtime, 1)
    _empty(redis)
    install(jobs)
    queues = [queue_of(redis, name) for name in ("process", "push")]
    queues[0].enqueue("connector.jobs.drain", lane)
    queues[1].enqueue("connector.jobs.push")
    SteadyWorker(queues, connection=redis).work(burst=True, logging_level="WARNING")
    assert balance(runtime)["scripted"]["applied"] == 1
    assert script.statuses() == ["latent"]


def test_a_drain_without_a_turn_leaves_the_work_to_the_one_who_has_it(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis
) -> None:
    del script
    lane = _send(runtime, 1)
    with runtime.wakeups.lock(f"lane:{lane}"):
        jobs.drain(lane)
    assert balance(runtime)["scripted"]["pending"] == 1
    assert not redis.exists(f"connector:waiting:connector.processes.jobs.drain:{lane}")
    with runtime.wakeups.lock("push"):
        jobs.push()
    jobs.drain(lane)
    assert balance(runtime)["scripted"]["applied"] == 1


def test_a_drain_whose_time_is_up_wakes_the_next_one(runtime: Runtime, script: Script, redis: Redis) -> None:
    del script
    lane = _send(runtime, 1)
    _empty(redis)
    Jobs(runtime, budget=0.0).drain(lane)
    assert balance(runtime)["scripted"]["pending"] == 1
    assert _waiting(redis) == [f"drain({lane},)"]


def test_a_worker_that_is_asked_to_end_comes_to_an_end_and_leaves_the_rest_to_others(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis
) -> None:
    lane = _send(runtime, 1)
    _empty(redis)
    jobs.end_soon()
    jobs.drain(lane)
    jobs.push()
    jobs.sweep()
    assert balance(runtime)["scripted"]["pending"] == 1
    assert script.sent == []
    assert _waiting(redis) == [f"drain({lane},)"]


def test_a_push_that_leaves_something_due_wakes_the_next_one(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis
) -> None:
    jobs.drain(_send(runtime, 1))
    _empty(redis)
    Jobs(runtime, budget=0.0).push()
    assert script.sent == []
    assert _waiting(redis) == ["push()"]


def test_a_connection_on_which_pushing_fails_does_not_make_the_push_run_in_circles(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis
) -> None:
    jobs.drain(_send(runtime, 1))
    _empty(redis)
    script.push = lambda updates: [Pushed(key=one.key, outcome="?") for one in updates]  # type: ignore[arg-type]
    jobs.push()
    jobs.requeue()
    assert _waiting(redis) == []


def test_the_requeue_finds_lanes_and_updates_whose_wake_ups_were_lost(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis, clock: Clock
) -> None:
    lane = _send(runtime, 1)
    _empty(redis)
    for _ in range(3):
        jobs.requeue()
    assert _waiting(redis) == [f"drain({lane},)"]
    jobs.drain(lane)
    _empty(redis)

    def dies(_: Sequence[Update]) -> Sequence[Pushed]:
        raise SystemExit

    script.push = dies
    with pytest.raises(SystemExit):
        build_pusher(runtime).push_batch("scripted")
    jobs.requeue()
    assert _waiting(redis) == []
    clock.forward(seconds=runtime.config.lease_seconds)
    script.push = done
    jobs.requeue()
    assert _waiting(redis) == ["push()"]
    jobs.push()
    assert updates(runtime)["L"].outcome == outbox.DONE


def test_the_requeue_finds_the_batch_of_a_worker_that_died(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis, clock: Clock
) -> None:
    del script
    lane = _send(runtime, 1)
    _empty(redis)
    with runtime.database.write() as connection:
        lease = timedelta(seconds=runtime.config.lease_seconds)
        assert deliveries.claim(connection, lane, clock(), lease=lease, limit=9)
    jobs.requeue()
    assert _waiting(redis) == []
    assert lease <= timedelta(minutes=2)
    clock.forward(seconds=runtime.config.lease_seconds)
    jobs.requeue()
    assert _waiting(redis) == [f"drain({lane},)"]


def test_a_paused_connection_s_updates_wake_nobody(runtime: Runtime, jobs: Jobs, script: Script, redis: Redis) -> None:
    jobs.drain(_send(runtime, 1))
    _empty(redis)
    with runtime.database.write() as connection:
        connections.change(connection, "scripted", is_paused=True)
    runtime.connections.forget()
    jobs.requeue()
    jobs.push()
    assert _waiting(redis) == []
    assert script.sent == []


def _swept() -> float:
    """How many subjects this process has swept, as its metrics say."""
    lines = metrics.render().decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("connector_swept_subjects_total"))


def _visit(clock: Clock, name: str) -> dict[str, Any]:
    line = {"id": f"visit-{name}", "at": clock().isoformat(), "type": "action", "action": "site_access"}
    return {**line, "subject": {"id": name, "visitor": name}}


def test_the_sweep_runs_once_at_a_time_and_wakes_the_push(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis, clock: Clock
) -> None:
    del script
    clock.forward(days=-95)
    _post(runtime, _visit(clock, "L"), "v")
    for lane in range(runtime.config.lanes):
        jobs.drain(lane)
    _empty(redis)
    clock.forward(days=95)
    _post(runtime, _visit(clock, "M"), "w")
    for lane in range(runtime.config.lanes):
        jobs.drain(lane)
    _empty(redis)
    with runtime.wakeups.lock("sweep"):
        jobs.sweep()
    assert [row["status"] for row in listed(runtime)] == ["latent", "latent"]
    before = _swept()
    jobs.sweep()
    assert sorted(row["status"] for row in listed(runtime)) == ["latent", "not_set"]
    assert _swept() - before == 1
    assert _waiting(redis) == ["push()"]


def test_reconciliation_runs_once_at_a_time_and_wakes_the_push(
    runtime: Runtime, jobs: Jobs, script: Script, redis: Redis
) -> None:
    script.changes = lambda _: iter([stage_event(1, 1)])
    with runtime.wakeups.lock("reconcile"):
        jobs.reconcile()
    assert list(listed(runtime)) == []
    jobs.reconcile()
    assert [row["status"] for row in listed(runtime)] == ["latent"]
    assert _waiting(redis) == ["push()"]
    _empty(redis)
    jobs.reconcile()
    assert _waiting(redis) == []


def test_a_reconciliation_whose_time_is_up_wakes_the_next_one(runtime: Runtime, script: Script, redis: Redis) -> None:
    script.changes = lambda _: iter([stage_event(1, 1)])
    Jobs(runtime, reconcile_budget=0.0).reconcile()
    assert _waiting(redis) == ["reconcile()"]
    assert list(listed(runtime)) == []


def test_a_forgetting_whose_time_is_up_wakes_the_next_one(runtime: Runtime, redis: Redis) -> None:
    Jobs(runtime, budget=0.0).forget()
    assert _waiting(redis) == ["forget('',)"]
    _empty(redis)
    Jobs(runtime).forget("")
    assert _waiting(redis) == []


def test_bodies_are_forgotten_when_their_time_is_over_but_not_those_still_needed(
    runtime: Runtime, jobs: Jobs, script: Script, clock: Clock
) -> None:
    del script
    jobs.drain(_send(runtime, 1))
    jobs.drain(_send(runtime, 2, "never-heard-of"))
    clock.forward(days=runtime.config.delivery_days + 1)
    pending = _send(runtime, 3)
    jobs.forget()
    with runtime.database.read() as connection:
        found = [deliveries.get(connection, row.id) for row in deliveries.listed(connection)]
    assert {row.key: row.body is not None for row in found if row} == {"k1": False, "k2": True, "k3": True}
    assert balance(runtime)["scripted"]["accepted"] == 3
    jobs.drain(pending)
    assert balance(runtime)["scripted"]["applied"] == 2
