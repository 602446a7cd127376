"""A system that refuses the connector's credentials for a while: everything waits, and goes out when it takes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.emulators.engine.emulator import Crm
from connector.emulators.engine.faults import Faults
from connector.emulators.systems import CRMS
from connector.operations import connections, inspections
from connector.operations.doctor import HealthCheck, examine
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import EndToEnd, playing

EMAIL = "aiko@customer.example"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: what differs between the two is below what is tested here."""
    return sqlite_url


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC).replace(second=0, microsecond=0))


@pytest.fixture(params=sorted(CRMS))
def system(request: pytest.FixtureRequest, clock: Clock) -> Crm:
    return CRMS[str(request.param)](now=clock, faults=Faults(seed=1))


def _access(runtime: Runtime) -> HealthCheck:
    return next(one for one in examine(runtime, with_account=False) if one.name == "access")


def _refused(run: EndToEnd, system: Crm, clock: Clock, **passes: Any) -> str:
    """A record that is known; then the credentials are refused, and the status changes here. The record's id."""
    record = system.add(EMAIL)
    run.finish()
    clock.forward(hours=1)
    system.faults.has_bad_credentials = True
    run.set_status("explicit")
    run.finish()
    clock.forward(**passes)
    run.finish()
    return record


def test_updates_wait_for_credentials_that_are_refused_and_go_out_when_they_are_taken_again(
    runtime: Runtime, system: Crm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        record = _refused(run, system, clock, seconds=20)
        for _ in range(5):
            clock.forward(minutes=10)
            run.finish()
        assert [outcome for outcome, _ in run.outbox()] == ["waiting"]
        assert not _access(runtime).is_fine
        assert f"connector connection rotate {run.name}" in _access(runtime).detail
        system.move(record, system.STAGES[1])
        run.finish()
        system.faults.has_bad_credentials = False
        clock.forward(minutes=5)
        run.finish()
        clock.forward(minutes=1)
        run.finish()
        assert [outcome for outcome, _ in run.outbox()] == ["done"]
        assert system.status_of(record) == run.label()
        assert not {"dead", "pending", "held"} & run.outcomes().keys()
        assert _access(runtime).is_fine


def test_a_connection_that_is_refused_is_asked_once_in_its_pause_whatever_is_to_be_sent(
    runtime: Runtime, system: Crm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        _refused(run, system, clock, minutes=30)
        asked = system.tally["rest.requests"]
        run.set_status("latent")
        run.finish()
        assert system.tally["rest.requests"] == asked


def test_new_secrets_are_tried_at_once(runtime: Runtime, system: Crm, clock: Clock) -> None:
    with playing(runtime, system) as run:
        record = _refused(run, system, clock, minutes=30)
        system.faults.has_bad_credentials = False
        run.finish()
        assert [outcome for outcome, _ in run.outbox()] == ["waiting"]
        _, secrets = system.connection()
        connections.rotate(runtime, run.name, secrets, keeps_old=False, actor="test")
        run.finish()
        assert [outcome for outcome, _ in run.outbox()] == ["done"]
        assert system.status_of(record) == run.label()


def test_a_check_that_finds_the_credentials_good_lets_out_what_waits(
    runtime: Runtime, system: Crm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        _refused(run, system, clock, minutes=30)
        inspections.inspect(runtime, run.name)
        assert not _access(runtime).is_fine
        system.faults.has_bad_credentials = False
        inspections.inspect(runtime, run.name)
        assert _access(runtime).is_fine
        run.finish()
        assert [outcome for outcome, _ in run.outbox()] == ["done"]
