"""BowNow against its emulator: notices of many leads and of none, and tokens that run out."""

from __future__ import annotations

import pytest

from connector.emulators.bownow.crm import BowNowCrm
from connector.emulators.engine.faults import Faults
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import MAPPINGS, playing


@pytest.mark.parametrize("has_sids", [True, False])
def test_leads_that_the_template_moves_at_once_are_moved_here_by_one_notice(
    runtime: Runtime, clock: Clock, *, has_sids: bool
) -> None:
    only_in = (MAPPINGS / "bownow.yaml").read_text().partition("push:")[0]
    system = BowNowCrm(now=clock, faults=Faults(lost=1.0))
    with playing(runtime, system, only_in) as run:
        sids = [system.add(f"lead-{place}@customer.example") for place in range(30)]
        clock.forward(minutes=5)
        for sid in sids:
            system.move(sid, "5")
        system.faults.lost = 0.0
        system.notify(sids if has_sids else [], ["status"], "by the template")
        run.finish()
        assert [row.status for row in run.subjects()] == ["appointment_prospect"] * 30
        assert system.tally["rest.calls.POST /v1/leads/search"] == 1
        assert system.tally["rest.calls.GET /v1/leads/<sid>"] == 0


def test_tokens_that_run_out_are_renewed_and_a_month_later_fetched_by_the_key(runtime: Runtime, clock: Clock) -> None:
    system = BowNowCrm(now=clock)
    with playing(runtime, system) as run:
        lead = system.add("aiko@customer.example")
        run.finish()
        for hours, stage, renewed, issued in ((7, "5", 1, 1), (31 * 24, "6", 2, 2)):
            clock.forward(hours=hours)
            system.move(lead, stage)
            run.finish()
            assert system.tally["rest.calls.POST /v1/auth/refresh"] == renewed
            assert system.tally["rest.calls.POST /v1/auth/token"] == issued
        assert run.subject().status == "appointment_acquisition"
        assert system.status_of(lead) == "Appointment acquired"
