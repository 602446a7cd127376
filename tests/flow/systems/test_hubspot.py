"""What is HubSpot's own, against its emulator: lifecycle stages that go back, merges, deals of contacts."""

from __future__ import annotations

import pytest

from connector.emulators.engine.faults import Faults
from connector.emulators.hubspot.crm import HubSpotCrm
from connector.i18n.statuses import labels_in
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import playing

EMAIL = "aiko@customer.example"


@pytest.fixture
def system(clock: Clock) -> HubSpotCrm:
    return HubSpotCrm(now=clock, faults=Faults(seed=1))


def test_a_lifecycle_stage_that_goes_back_is_emptied_and_set_and_both_come_back_as_echoes(
    runtime: Runtime, system: HubSpotCrm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        record = system.add(EMAIL, stage="salesqualifiedlead")
        run.finish()
        clock.forward(hours=1)
        run.set_status("explicit")
        run.finish()
        assert system.stage_of(record) == "marketingqualifiedlead"
        written = [
            change.after["lifecyclestage"] for change in system.shelf.changes if "lifecyclestage" in change.after
        ]
        assert written == ["salesqualifiedlead", "", "marketingqualifiedlead"]
        assert run.outbox() == [("done", None)]
        assert [event.event["stage"] for event in run.events("echo")] == ["marketingqualifiedlead", ""]
        assert run.subject().status == "explicit"


def test_merged_contacts_are_one_subject_and_only_the_new_record_takes_updates(
    runtime: Runtime, system: HubSpotCrm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        first = system.add(EMAIL)
        second = system.add("aiko.tanaka@customer.example")
        run.finish()
        assert len(run.subjects()) == 2
        clock.forward(hours=1)
        survivor = system.merge(first, second)
        run.finish()
        assert len([row for row in run.subjects() if row.merged_into is None]) == 1
        clock.forward(hours=1)
        system.move(survivor, "salesqualifiedlead")
        run.finish()
        assert system.status_of(survivor) == labels_in("en", runtime.ruleset.statuses.values())["appointment_prospect"]


def test_a_merge_whose_webhook_was_lost_is_followed_by_the_next_update_and_by_reconciliation(
    runtime: Runtime, system: HubSpotCrm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        first, second = system.add(EMAIL), system.add("aiko.tanaka@customer.example")
        run.finish()
        clock.forward(hours=1)
        system.faults.lost = 1.0
        survivor = system.merge(first, second)
        clock.forward(minutes=5)
        run.reconcile()
        run.finish()
        alive = [row for row in run.subjects() if row.merged_into is None]
        assert len(alive) == 1
        assert system.status_of(survivor) == labels_in("en", runtime.ruleset.statuses.values())[alive[0].status]
        assert {outcome for outcome, _ in run.outbox()} == {"done", "gone"}


def test_a_deal_belongs_to_the_person_of_its_contact(runtime: Runtime, system: HubSpotCrm, clock: Clock) -> None:
    with playing(runtime, system) as run:
        contact = system.add(EMAIL)
        run.finish()
        clock.forward(hours=1)
        deal = system.deal(contact, "closedwon")
        run.finish()
        assert [row.status for row in run.subjects() if row.merged_into is None] == ["order"]
        shown = system.shelf.find("deal", deal)
        assert shown is not None
        assert (
            shown.fields["abm_status"]
            == system.status_of(contact)
            == labels_in("en", runtime.ruleset.statuses.values())["order"]
        )
