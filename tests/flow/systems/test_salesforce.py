"""What only Salesforce has, against the whole product: leads that are converted, tokens that run out."""

from __future__ import annotations

from connector.emulators.engine.faults import Faults
from connector.emulators.salesforce.crm import SalesforceCrm
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import playing


def test_a_converted_lead_goes_on_as_its_opportunity_and_is_left_alone(runtime: Runtime, clock: Clock) -> None:
    system = SalesforceCrm(now=clock, faults=Faults(seed=1))
    with playing(runtime, system) as run:
        lead = system.add("ann@customer.example")
        run.finish()
        clock.forward(hours=1)
        _, opportunity = system.convert(lead)
        run.finish()
        assert run.subject().status == "project"
        clock.forward(hours=1)
        system.shelf.change("Opportunity", opportunity, {"StageName": "Closed Won"})
        run.finish()
        assert run.subject().status == "order"
        shown = system.shelf.find("Opportunity", opportunity)
        assert shown
        assert shown.fields["ABM_Status__c"] == run.label()
        assert sorted(outcome for outcome, _ in run.outbox()) == ["done", "gone"]
        assert system.tally["webhooks.unacknowledged"] == 0


def test_access_tokens_run_out_and_nothing_is_lost(runtime: Runtime, clock: Clock) -> None:
    system = SalesforceCrm(now=clock, faults=Faults(seed=1))
    with playing(runtime, system) as run:
        lead = system.add("ann@customer.example")
        run.finish()
        system.rest.tokens.clear()
        clock.forward(hours=1)
        system.move(lead, "Working - Contacted")
        run.finish()
        assert system.status_of(lead) == run.label()
