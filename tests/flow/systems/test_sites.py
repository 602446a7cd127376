"""Every tracker, against its emulator: what an unknown visitor does counts, and becomes the lead's once known."""

from __future__ import annotations

import pytest

from connector.emulators.engine.emulator import SiteEmulator, VisitorAction
from connector.emulators.engine.faults import Faults
from connector.emulators.engine.segment_site import SegmentSpecSite
from connector.emulators.systems import SITES
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import EndToEnd, playing

EMAIL = "aiko@customer.example"
VISITOR = "9f3c1a2b5d6e7f80"


@pytest.fixture(params=sorted(SITES))
def system(request: pytest.FixtureRequest, clock: Clock) -> SiteEmulator:
    return SITES[str(request.param)](now=clock, faults=Faults(seed=1))


def _do(run: EndToEnd, system: SiteEmulator, clock: Clock, kind: str, **more: str) -> None:
    clock.forward(minutes=5)
    system.do(VisitorAction(kind=kind, visitor=VISITOR, at=clock(), **more))
    if system.IS_POLLED:
        run.reconcile()
    run.finish()


def test_what_an_unknown_visitor_does_counts_and_becomes_the_leads(
    runtime: Runtime, system: SiteEmulator, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        _do(run, system, clock, "site_access")
        unknown = run.subject()
        assert (unknown.kind, unknown.status) == ("unknown", "latent")
        _do(run, system, clock, "identify", email=EMAIL)
        known = run.subject()
        assert (known.id, known.kind) == (unknown.id, "lead")
        assert "pending" not in run.outcomes()


def test_each_action_that_the_tracker_can_tell_is_counted_as_it(
    runtime: Runtime, system: SiteEmulator, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        for kind in system.KINDS:
            _do(run, system, clock, kind, email=EMAIL, page=f"https://www.example.com/{kind}")
        actions = {step["action"] for event in run.events("applied") for step in event.steps if "action" in step}
        assert actions == set(system.KINDS)
        assert {"held", "dead", "pending"}.isdisjoint(run.outcomes())


@pytest.mark.parametrize(("name", "method"), [("segment", "PUT"), ("rudderstack", "PATCH")])
def test_messages_without_ids_count_once_each_by_whatever_method_they_come(
    runtime: Runtime, clock: Clock, name: str, method: str
) -> None:
    site = SITES[name](now=clock, faults=Faults(seed=1))
    assert isinstance(site, SegmentSpecSite)
    site.method, site.has_ids = method, False
    with playing(runtime, site) as run:
        site.faults.doubled = 1.0
        for page in ("a", "b"):
            site.do(
                VisitorAction(kind="site_access", visitor=VISITOR, at=clock(), page=f"https://www.example.com/{page}")
            )
        site.request_deletion("u_1")
        run.finish()
        assert [event.kind for event in run.events("applied")] == ["action", "action"]
        assert run.outcomes() == {"accepted": 6, "applied": 2, "held": 1, "duplicate": 3}


def test_doubled_and_late_deliveries_end_the_same(runtime: Runtime, system: SiteEmulator, clock: Clock) -> None:
    with playing(runtime, system) as run:
        system.faults.doubled = system.faults.late = 1.0
        system.faults.late_seconds = 0.05
        for day in range(3):
            clock.now = clock.now.replace(hour=3) if day == 0 else clock.now
            _do(run, system, clock, "site_access", page=f"https://www.example.com/{day}")
            _do(run, system, clock, "identify", email=EMAIL)
        applied = [event.key for event in run.events("applied")]
        assert len(applied) == len(set(applied))
        assert run.subject().status in {"latent", "quasi_explicit"}
