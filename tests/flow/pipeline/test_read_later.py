"""A record may be read long after its delivery was received: what it says by then counts at its own time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connector.runtime.parts import Runtime
from connector.store import subjects
from tests.conftest import NOW, Clock
from tests.flow.scripted_adapter import add_scripted
from tests.flow.senders import Sender, drain
from tests.flow.store_queries import subject_of

LINE = {
    "id": "e1",
    "at": NOW.isoformat(),
    "type": "action",
    "action": "site_access",
    "subject": {"email": "a@b.example"},
}


@pytest.mark.parametrize(("is_read_later", "counts_after"), [(True, 60), (False, 0)])
def test_only_what_was_read_in_the_system_may_be_newer_than_its_delivery(
    runtime: Runtime, clock: Clock, *, is_read_later: bool, counts_after: int
) -> None:
    script = add_scripted(runtime)
    script.fetch = lambda _: {"lead:1": {}} if is_read_later else {}
    script.alter = lambda event: replace(event, at=NOW + timedelta(minutes=60))
    assert Sender(runtime, "scripted").send(LINE).status_code == 202
    clock.forward(minutes=60)
    drain(runtime)
    with runtime.database.read() as connection:
        (event,) = subjects.events_of(connection, subject_of(runtime, "email", "a@b.example").id)
    assert event.at == NOW + timedelta(minutes=counts_after)
    assert ("future_at" in event.event.get("data", {})) is not is_read_later
