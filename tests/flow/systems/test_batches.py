"""What speaks the Segment spec: each message of a batch counts once; what has no entry is counted as ignored."""

from __future__ import annotations

from typing import Any

import pytest

from connector.emulators.engine.emulator import VisitorAction
from connector.emulators.engine.faults import Faults
from connector.emulators.engine.segment_site import SegmentSpecSite
from connector.emulators.systems import SITES
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import playing

BATCHED = sorted(name for name, site in SITES.items() if issubclass(site, SegmentSpecSite))


@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_counts_message_by_message(runtime: Runtime, clock: Clock, name: str) -> None:
    site = SITES[name](now=clock, faults=Faults(seed=1, doubled=1.0, late_seconds=0.02))
    assert isinstance(site, SegmentSpecSite)
    site.batch = 3
    with playing(runtime, site) as run:
        for kind in ("site_access", "form_submission", "login", "file_download"):
            clock.forward(minutes=1)
            site.do(VisitorAction(kind=kind, visitor="9f3c1a2b5d6e7f80", at=clock(), email="aiko@customer.example"))
        run.finish()
        applied = run.events("applied")
        actions = [step["action"] for event in applied for step in event.steps if "action" in step]
        assert sorted(actions) == ["file_download", "form_submission", "login", "site_access"]
        assert {"held", "dead", "pending"}.isdisjoint(run.outcomes())
        assert run.subject().kind == "lead"


@pytest.mark.parametrize("name", BATCHED)
def test_events_without_an_entry_are_ignored_and_counted(runtime: Runtime, clock: Clock, name: str) -> None:
    site = SITES[name](now=clock, faults=Faults(seed=1))
    assert isinstance(site, SegmentSpecSite)
    with playing(runtime, site) as run:
        for number, word in enumerate(("Button Clicked", " form SUBMITTED ", "Brochure Viewed")):
            message = {"type": "track", "event": word, "messageId": f"m{number}", "timestamp": clock().isoformat()}
            more: dict[str, Any] = {"anonymousId": "9f3c1a2b5d6e7f80", "userId": None, "context": {}}
            site.courier.send(site.sent([{**message, **more}], site.handlers[0]))
        run.finish()
        assert run.outcomes() == {"accepted": 3, "applied": 1, "ignored": 2}
