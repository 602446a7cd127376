"""Of changes that are dated to the same second the last one stands, in the status and in what the record shows."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import update

from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.operations.flow import build_reconciler
from connector.runtime.parts import Runtime
from connector.store import subjects
from connector.store.tables import records
from tests.conftest import NOW, Clock
from tests.flow.scripted_adapter import Script, add_scripted
from tests.flow.senders import Sender, drain
from tests.flow.store_queries import moves, subject_of

KEY = ("scripted", "lead", "L")


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime)


@pytest.fixture
def sender(runtime: Runtime, script: Script) -> Sender:  # noqa: ARG001 - its connection
    return Sender(runtime, "scripted")


def line(number: int, stage: str) -> dict[str, Any]:
    lead = {"type": "stage", "object": "lead", "subject": {"id": "L"}, "kind": "lead"}
    return {"id": str(number), "at": NOW.isoformat(), "stage": stage, **lead}


def read(key: str, stage: str) -> Event:
    """What the record shows when it is read."""
    identity = Identity(kind=IdentityKind.RECORD, value="lead:L")
    record = RecordRef(object="lead", id="L")
    return Event(key=key, at=NOW, kind=Kind.STAGE, stage=stage, record=record, identities=(identity,))


def ends(runtime: Runtime) -> tuple[str, str | None]:
    """The status, and the stage that is known of the record."""
    with runtime.database.read() as connection:
        record = subjects.records_by_key(connection, {KEY})[KEY]
    return subject_of(runtime, "record", "scripted:lead:L").status, record.stage


def reconcile(runtime: Runtime, script: Script, *events: Event) -> None:
    script.changes = lambda _: iter(events)
    connected = runtime.connections.get("scripted")
    assert connected is not None
    build_reconciler(runtime).reconcile(connected)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_events_9_10_and_11_of_one_second_count_in_this_order(
    runtime: Runtime, sender: Sender, order: tuple[int, ...]
) -> None:
    lines = [line(9, "new"), line(10, "meeting"), line(11, "talking")]
    for place in order:
        sender.send(lines[place])
        drain(runtime)
    assert ends(runtime) == ("appointment_prospect", "talking")
    subject = subject_of(runtime, "record", "scripted:lead:L").id
    assert [status for _, status in moves(runtime, subject)] == [
        "latent",
        "appointment_acquisition",
        "appointment_acquisition",
        "appointment_prospect",
    ]
    with runtime.database.read() as connection:
        keys = [event.key for event in subjects.events_of(connection, subject)]
    assert keys == ["scripted:11", "scripted:10", "scripted:9"]


def test_what_was_read_of_a_record_last_is_newer_than_what_else_happened_in_that_second(
    runtime: Runtime, sender: Sender, script: Script, clock: Clock
) -> None:
    reconcile(runtime, script, read("9", "new"))
    clock.forward(minutes=1)
    reconcile(runtime, script, read("8", "talking"))
    sender.send(line(10, "meeting"))
    drain(runtime)
    assert ends(runtime) == ("appointment_prospect", "talking")


def test_what_a_later_reading_shows_again_stands_and_is_known_when_it_is_read_once_more(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    for key, stage in (("1", "talking"), ("2", "meeting"), ("1", "talking"), ("1", "talking")):
        reconcile(runtime, script, read(key, stage))
        clock.forward(milliseconds=100)
    assert ends(runtime) == ("appointment_prospect", "talking")
    subject = subject_of(runtime, "record", "scripted:lead:L").id
    with runtime.database.read() as connection:
        stored = {event.key: event.event["read_at"] for event in subjects.events_of(connection, subject)}
    assert list(stored) == ["scripted:1", "scripted:2"]
    assert stored["scripted:1"] > stored["scripted:2"]


def test_a_record_that_was_read_for_a_webhook_knows_when_and_a_webhook_alone_does_not(
    runtime: Runtime, sender: Sender, script: Script, clock: Clock
) -> None:
    script.fetch = lambda _: {"lead:L": {}}
    sender.send(line(1, "new"))
    clock.forward(minutes=1)
    drain(runtime)
    script.fetch = lambda _: {"owners": {}}
    sender.send(line(2, "talking"))
    drain(runtime)
    with runtime.database.read() as connection:
        events = subjects.all_events_of(connection, subject_of(runtime, "record", "scripted:lead:L").id)
    read = {event.key: event.event.get("read_at") for event in events}
    assert read == {"scripted:1": clock().isoformat(), "scripted:2": None}


def test_a_record_of_a_former_version_takes_whatever_else_happened_in_that_second(
    runtime: Runtime, sender: Sender
) -> None:
    sender.send(line(10, "new"))
    drain(runtime)
    with runtime.database.write() as connection:
        connection.execute(update(records).values(stage_order=None))
    sender.send(line(9, "talking"))
    drain(runtime)
    assert ends(runtime)[1] == "talking"
