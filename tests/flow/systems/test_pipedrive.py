"""Pipedrive's own, against its emulator: merges, won and lost, leads, and what a banned webhook does not tell."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.pipedrive.push import ARCHIVED_ADVICE
from connector.emulators.engine.faults import Faults
from connector.emulators.pipedrive.crm import PipedriveCrm
from connector.i18n.statuses import labels_in
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import playing

EMAIL = "aiko@customer.example"


@pytest.fixture
def system(clock: Clock) -> PipedriveCrm:
    return PipedriveCrm(now=clock, faults=Faults(seed=1))


def test_a_deal_that_is_won_lost_and_opened_again_is_followed(
    runtime: Runtime, system: PipedriveCrm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        deal = system.add(EMAIL, stage="17")
        statuses = []
        for status in ("won", "lost", "open"):
            clock.forward(hours=1)
            system.close(deal, status)
            run.finish()
            statuses.append(run.subject().status)
        assert statuses == ["order", "lost_order", "appointment_acquisition"]
        assert system.status_of(deal) == run.label()


def test_merged_deals_of_two_persons_leave_them_two_and_the_one_that_ended_takes_no_more_updates(
    runtime: Runtime, system: PipedriveCrm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        survivor, ended = system.add(EMAIL), system.add("aiko.tanaka@customer.example")
        run.finish()
        clock.forward(hours=1)
        system.merge("deal", ended, survivor)
        run.finish()
        assert len([row for row in run.subjects() if row.merged_into is None]) == 2
        clock.forward(hours=1)
        system.move(survivor, "18")
        run.finish()
        assert system.status_of(survivor) == labels_in("en", runtime.ruleset.statuses.values())["project"]
        assert {outcome for outcome, _ in run.outbox()} == {"done"}


def test_a_lead_of_a_known_person_shows_the_persons_status(
    runtime: Runtime, system: PipedriveCrm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        deal = system.add(EMAIL, stage="16")
        run.finish()
        clock.forward(minutes=5)
        lead = system.lead(str(system.record(deal).fields["person_id"]))
        run.finish()
        record = system.shelf.find("lead", lead)
        assert record is not None
        assert record.fields[system.STATUS] == run.label()


def test_what_happens_during_a_ban_is_found_by_reconciliation(
    runtime: Runtime, system: PipedriveCrm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        deal = system.add(EMAIL)
        run.finish()
        system.banned_until = clock() + timedelta(hours=2)
        clock.forward(hours=1)
        system.move(deal, "17")
        run.finish()
        assert system.tally["webhooks.banned"] > 0
        clock.forward(minutes=5)
        assert run.reconcile()["applied"] >= 1
        assert run.subject().status == "appointment_acquisition"


def test_a_deal_that_was_lost_and_archived_unseen_is_found_and_no_longer_written(
    runtime: Runtime, system: PipedriveCrm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        deal = system.add(EMAIL, stage="17")
        run.finish()
        system.banned_until = clock() + timedelta(hours=2)
        clock.forward(hours=1)
        system.close(deal, "lost")
        system.archive(deal)
        clock.forward(minutes=5)
        assert run.reconcile()["applied"] >= 1
        assert run.subject().status == "lost_order"
        for _ in range(3):
            run.finish()
            clock.forward(hours=12)
        assert run.outbox() == [("dead", ARCHIVED_ADVICE)]


def test_ten_first_attempts_that_fail_ban_a_webhook(system: PipedriveCrm) -> None:
    with system:
        system.subscribe("http://127.0.0.1:9/nobody")
        for number in range(5):
            system.add(f"{number}@customer.example")
        assert system.drain(10)
        sent = system.tally["webhooks.raised"]
        system.add("late@customer.example")
        assert system.tally["webhooks.raised"] == sent
        assert system.tally["webhooks.banned"] == 2
