"""What only Odoo has: leads that are lost by the archive and come back from it, and the older interface."""

from __future__ import annotations

import pytest

from connector.emulators.engine.faults import Faults
from connector.emulators.odoo.crm import OdooCrm
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import playing

EMAIL = "aiko@customer.example"


@pytest.mark.parametrize("protocol", ["json2", "jsonrpc"])
def test_a_lost_lead_is_archived_both_ways_and_comes_back_to_its_stage(
    runtime: Runtime, clock: Clock, protocol: str
) -> None:
    system = OdooCrm(now=clock, faults=Faults(seed=1))
    system.protocol = protocol
    with playing(runtime, system) as run:
        record = system.add(EMAIL, stage="Qualified")
        run.finish()
        seen = [run.subject().status]
        for stage in ("lost", "Qualified"):
            clock.forward(hours=1)
            system.move(record, stage)
            run.finish()
            seen.append(run.subject().status)
        assert seen == ["appointment_prospect", "lost_order", "appointment_prospect"]
        clock.forward(hours=1)
        run.set_status("lost_order")
        run.finish()
        assert system.stage_of(record) == "lost"
        assert run.subject().status == "lost_order"
        assert system.status_of(record) == run.label()
        assert run.outbox() == [("done", None)]


def test_a_deleted_lead_is_gone(runtime: Runtime, clock: Clock) -> None:
    system = OdooCrm(now=clock, faults=Faults(seed=1))
    with playing(runtime, system) as run:
        record = system.add(EMAIL)
        run.finish()
        system.delete(record)
        run.finish()
        assert f"odoo:lead:{record}:deleted" in {event.key.partition("@")[0] for event in run.events("applied")}
        assert set(run.outcomes()) <= {"accepted", "applied", "ignored", "stale", "echo", "duplicate"}
