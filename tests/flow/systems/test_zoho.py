"""What only Zoho CRM has, against the whole product: channels that the connector makes, blueprints, short tokens."""

from __future__ import annotations

from connector.emulators.engine.faults import Faults
from connector.emulators.zoho.crm import ZohoCrm
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import playing


def test_channels_that_the_connector_makes_tell_of_leads_whose_stage_a_blueprint_holds(
    runtime: Runtime, clock: Clock
) -> None:
    system = ZohoCrm(now=clock, faults=Faults(seed=1))
    system.rest.blueprints = {"Leads": {"Not Contacted": ("Contacted",), "Contacted": ("Junk Lead",)}}
    with playing(runtime, system) as run:
        (address,) = system.handlers
        system.channels.by_id.clear()
        connected = runtime.connections.look_again(run.name)
        assert connected
        again = connected.adapter.subscribe(address, clock(), runtime.api_for(connected))
        assert again
        assert again > clock()
        lead = system.add("ann@customer.example")
        run.finish()
        clock.forward(hours=2)
        run.set_status("not_targeted")
        run.finish(2)
        assert system.stage_of(lead) == "Not Contacted"
        clock.forward(hours=2)
        system.move(lead, "Contacted")
        run.finish()
        clock.forward(hours=2)
        run.set_status("not_targeted")
        run.finish()
        assert (system.stage_of(lead), system.status_of(lead)) == ("Junk Lead", run.label())
        assert "stage" in {event.kind for event in run.events("echo")}
