"""Every CRM: one value that no database takes is that record's own misfortune."""

from __future__ import annotations

import pytest

from connector.emulators.engine.emulator import Crm
from connector.emulators.engine.faults import Faults
from connector.emulators.systems import CRMS
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import playing


@pytest.fixture(params=sorted(CRMS))
def system(request: pytest.FixtureRequest, clock: Clock) -> Crm:
    return CRMS[str(request.param)](now=clock, faults=Faults(seed=1))


def test_half_a_character_in_one_record_of_a_list_hides_no_other_record(
    runtime: Runtime, system: Crm, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        system.faults.lost, system.faults.halved = 1.0, "halved"
        for email in ("aiko@customer.example", "halved@customer.example", "ken@customer.example"):
            system.add(email)
        clock.forward(minutes=1)
        assert run.reconcile()["applied"] > 0
        assert len(run.subjects()) == 2
        system.faults.halved = ""
        run.reconcile()
        assert len(run.subjects()) == 3
