"""A clock that is far ahead for a while: nobody is cooled for days that have not passed, and all goes on after it."""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.operations import flow
from connector.operations.doctor import examine
from connector.operations.subjects import listed
from connector.pipeline.sweep import doubt
from connector.processes.jobs import Jobs
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.senders import Sender, add_connection, drain


def _visit(runtime: Runtime, name: str, at: datetime) -> None:
    line = {"id": f"v{name}", "at": at.isoformat(), "type": "action", "action": "site_access"}
    sender = Sender(runtime)
    assert sender.send({**line, "subject": {"visitor": name}}, key=f"v{name}").status_code == 202
    drain(runtime)


def _statuses(runtime: Runtime) -> list[str]:
    return sorted(row["status"] for row in listed(runtime))


def _what_is_wrong(runtime: Runtime) -> str:
    (found,) = (one.detail for one in examine(runtime) if one.name == "sweep")
    return found


def test_a_sweep_over_days_of_which_nobody_knows_waits_with_a_reason_until_something_says_that_they_have_passed(
    runtime: Runtime, clock: Clock
) -> None:
    add_connection(runtime)
    jobs, start = Jobs(runtime), clock()
    _visit(runtime, "A", start)
    clock.forward(days=100)
    jobs.sweep()
    assert _statuses(runtime) == ["latent"]
    assert "nothing has been received since" in _what_is_wrong(runtime)
    _visit(runtime, "B", start + timedelta(minutes=1))
    jobs.sweep()
    assert "no event is dated after that" in _what_is_wrong(runtime)
    assert _statuses(runtime) == ["latent", "latent"]
    clock.now = start + timedelta(minutes=2)
    jobs.sweep()
    assert _what_is_wrong(runtime) == ""
    assert _statuses(runtime) == ["latent", "latent"]
    clock.forward(days=100)
    _visit(runtime, "C", clock())
    assert _what_is_wrong(runtime) == ""
    jobs.sweep()
    assert _statuses(runtime) == ["latent", "not_set", "not_set"]


def test_where_the_clocks_of_the_database_and_of_the_machine_differ_by_days_the_sweep_waits(
    runtime: Runtime, clock: Clock
) -> None:
    add_connection(runtime)
    _visit(runtime, "A", clock())
    clock.forward(days=100)
    _visit(runtime, "B", clock())
    zone = runtime.ruleset.zone
    wrong = doubt(runtime.database, clock(), clock() - timedelta(days=100), zone)
    assert wrong is not None
    assert "this machine's 2026-04-01" in wrong
    assert doubt(runtime.database, clock(), clock(), zone) is None


def test_a_person_may_run_it_all_the_same(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    _visit(runtime, "A", clock())
    clock.forward(days=100)
    assert flow.sweep(runtime).due == 1
    assert _statuses(runtime) == ["not_set"]


def test_what_is_told_of_long_ago_is_swept_where_deliveries_have_come_in_without_a_gap(
    runtime: Runtime, clock: Clock
) -> None:
    add_connection(runtime)
    _visit(runtime, "A", clock() - timedelta(days=100))
    Jobs(runtime).sweep()
    assert _statuses(runtime) == ["not_set"]
