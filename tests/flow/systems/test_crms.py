"""Every CRM both ways, against its emulator: webhook in, status, update, echo, owner; what is lost, gone, and loops."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.decide.placing import ECHO_OF_KNOWN, ECHO_OF_SENT
from connector.emulators.engine.emulator import Crm
from connector.emulators.engine.faults import Faults
from connector.emulators.systems import CRMS
from connector.i18n.statuses import labels_in
from connector.mapping import parse_mapping
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import MAPPINGS, EndToEnd, playing

EMAIL = "aiko@customer.example"
UNDATED = {"amis", "bownow"}
"""Systems that do not say since when a record is in its stage: a stage that we wrote is no news, ledger or not."""


@pytest.fixture(params=sorted(CRMS))
def system(request: pytest.FixtureRequest, clock: Clock) -> Crm:
    return CRMS[str(request.param)](now=clock, faults=Faults(seed=1))


def _move(run: EndToEnd, system: Crm, clock: Clock, record: str, stage: str) -> str:
    """A person moves the record an hour later; the status that the shipped mapping gives the stage."""
    clock.forward(hours=1)
    system.move(record, stage)
    run.finish()
    return _status(system, run.runtime, stage)


def _status(system: Crm, runtime: Runtime, stage: str) -> str:
    source = (MAPPINGS / f"{system.NAME}.yaml").read_text()
    rules = parse_mapping(source, system.NAME, tuple(runtime.ruleset.statuses.values()))
    status = rules.status_of(system.OBJECT, None, stage)
    assert isinstance(status, str), f"the shipped mapping gives {stage} no status"
    return status


def test_a_webhook_moves_the_status_the_update_shows_it_and_the_echo_is_not_applied(
    runtime: Runtime, system: Crm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        record = system.add(EMAIL, owner=next(iter(system.OWNERS)))
        run.finish()
        status = _move(run, system, clock, record, system.STAGES[1])
        assert run.subject().status == status
        assert run.outbox() == [("done", None)]
        assert system.status_of(record) == run.label()
        assert system.stage_of(record) == system.STAGES[1]
        decided = run.decisions()
        assert run.finish() == 0
        assert run.decisions() == decided
        assert set(run.outcomes()) <= {"accepted", "applied", "ignored", "stale", "echo", "duplicate"}


def test_the_owner_goes_both_ways(runtime: Runtime, system: Crm, clock: Clock) -> None:
    first, second = list(system.OWNERS)[:2]
    with playing(runtime, system) as run:
        record = system.add(EMAIL, owner=first)
        run.finish()
        assert run.subject().owner == system.OWNERS[first]
        clock.forward(hours=1)
        system.assign(record, second)
        run.finish()
        assert run.subject().owner == system.OWNERS[second]
        clock.forward(hours=1)
        run.give_to(system.OWNERS[first])
        run.finish()
        assert system.owner_of(record) == first
        assert run.subject().owner == system.OWNERS[first]
        assert run.outbox() == [("done", None)]


def test_what_webhooks_lost_is_found_by_reconciliation_and_once(runtime: Runtime, system: Crm, clock: Clock) -> None:
    with playing(runtime, system) as run:
        system.faults.lost = 1.0
        record = system.add(EMAIL)
        status = _move(run, system, clock, record, system.STAGES[1])
        assert run.subjects() == []
        clock.forward(minutes=5)
        assert run.reconcile()["applied"] >= 1
        assert set(run.reconcile()) <= {"duplicate", "ignored"}
        run.finish()
        assert run.subject().status == status
        assert system.status_of(record) == run.label()


def test_a_system_that_reports_what_it_does_not_save_is_found_out(runtime: Runtime, system: Crm, clock: Clock) -> None:
    with playing(runtime, system) as run:
        system.faults.lying = 1.0
        record = system.add(EMAIL)
        run.finish()
        ((outcome, error),) = run.outbox()
        assert outcome in {"waiting", "dead"}
        assert system.STATUS.rpartition(".")[2] in (error or "")
        assert system.status_of(record) != run.label()
        system.faults.lying = 0.0
        _move(run, system, clock, record, system.STAGES[1])
        assert system.status_of(record) == run.label()


def test_lost_doubled_and_late_webhooks_and_a_failing_system_end_in_the_right_state(
    runtime: Runtime, system: Crm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        system.faults.doubled = system.faults.late = 0.5
        system.faults.late_seconds = 0.05
        system.faults.query_limit = system.faults.server_error = system.faults.lost_answer = 0.1
        records = {who: system.add(f"{who}@customer.example") for who in ("ann", "bob", "eve")}
        for stage in system.STAGES[1:3]:
            clock.forward(minutes=10)
            for record in records.values():
                system.move(record, stage)
            run.finish(2)
        system.faults.query_limit = system.faults.server_error = system.faults.lost_answer = 0.0
        for _ in range(4):
            clock.forward(minutes=15)
            run.reconcile()
            run.finish()
        status = _status(system, runtime, system.STAGES[2])
        assert {row.status for row in run.subjects()} == {status}
        label = labels_in("en", runtime.ruleset.statuses.values())[status]
        assert {who: system.status_of(record) for who, record in records.items()} == dict.fromkeys(records, label)
        assert "pending" not in run.outcomes()


def _looping(system: Crm) -> str:
    """What a status writes back is a stage that gives another status: only the echo ledger keeps the status."""
    one, two = system.STAGES[:2]
    return f"""
adapter: {system.NAME}
stages: {{{system.OBJECT}: {{{one!r}: latent, {two!r}: appointment_prospect}}}}
unmapped: ignore
push:
  {system.OBJECT}:
    status: {{explicit: {{{system.STAGE!r}: {two!r}}}}}
    fields: {{{system.STATUS!r}: "{{status.label}}"}}
"""


@pytest.mark.parametrize("has_ledger", [True, False])
def test_writes_that_come_back_as_webhooks_settle_after_one_round_and_only_by_the_ledger(
    runtime: Runtime, system: Crm, clock: Clock, *, has_ledger: bool
) -> None:
    if not has_ledger:
        runtime.config = replace(runtime.config, echo_window_minutes=-100_000)  # no write is remembered long enough
    with playing(runtime, system, _looping(system)) as run:
        record = system.add(EMAIL)
        run.finish()
        clock.forward(hours=1)
        before = run.pushes()
        run.set_status("explicit")
        for _ in range(3):
            clock.forward(seconds=30)
            run.finish()
        assert system.stage_of(record) == system.STAGES[1]
        is_named = any(event.event.get("is_ours") for event in run.events("echo"))
        is_kept = has_ledger or system.NAME in UNDATED or is_named
        assert run.pushes() - before == 1 or not is_kept
        assert run.subject().status == ("explicit" if is_kept else "appointment_prospect")
        reasons = {event.reason for event in run.events("echo")}
        assert (ECHO_OF_SENT in reasons or (system.NAME in UNDATED and ECHO_OF_KNOWN in reasons)) is is_kept
