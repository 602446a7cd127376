"""Reconciliation repairs what webhooks missed, once, for every connection, whatever one of their systems does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from rq.timeouts import JobTimeoutException

from connector.adapter_kit.contract import Answer
from connector.adapter_kit.payload import read_answer
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.operations.flow import build_reconciler
from connector.pipeline.reconcile import FIRST, OVERLAP, Patient
from connector.runtime import metrics
from connector.runtime.parts import Runtime
from connector.store import connections, subjects
from tests.conftest import NOW, Clock
from tests.flow.scripted_adapter import Script, add_scripted
from tests.flow.senders import Sender, drain
from tests.flow.store_queries import moves, subject_of


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime)


def stage_event(number: int, days: float, stage: str = "new") -> Event:
    record = RecordRef(object="lead", id="L")
    identity = Identity(kind=IdentityKind.RECORD, value="lead:L")
    at = NOW - timedelta(days=days)
    common: dict[str, Any] = {"record": record, "identities": (identity,), "is_lead": True}
    return Event(key=f"e{number}", at=at, kind=Kind.STAGE, stage=stage, **common)


def _missed(runtime: Runtime) -> int:
    with runtime.database.read() as connection:
        row = connections.get(connection, "scripted")
    assert row is not None
    return int(row.missed)


def _reconcile(runtime: Runtime, name: str = "scripted") -> dict[str, int]:
    connected = runtime.connections.get(name)
    assert connected is not None
    return dict(build_reconciler(runtime).reconcile(connected)[0])


def test_a_record_that_no_database_takes_is_dead_and_the_others_of_its_list_go_on(
    runtime: Runtime, script: Script
) -> None:
    people = read_answer(
        rb'[{"mail": "\ud800@x.example"}, {"n": NaN}, {"text": "\u0000"}, {"text": "\\\\u0000"}, {"n": {}}]'
    )
    bad = [replace(stage_event(number, 2), data=data) for number, data in enumerate(people)]
    unheard = replace(stage_event(5, 2), data={"n": 2**70})
    script.changes = lambda _: iter([*bad, unheard, stage_event(6, 1, "talking")])
    assert _reconcile(runtime) == {"applied": 3, "dead": 4}


def test_what_webhooks_missed_is_applied_once_and_what_they_brought_is_known(runtime: Runtime, script: Script) -> None:
    line = {"id": "e1", "at": stage_event(1, 3).at.isoformat(), "type": "stage", "object": "lead", "stage": "new"}
    Sender(runtime, "scripted").send(line | {"subject": {"id": "L"}, "kind": "lead"})
    drain(runtime)
    script.changes = lambda _: iter(
        [stage_event(1, 3), stage_event(2, 2, "talking"), stage_event(3, 1, "never-heard-of")]
    )
    assert _reconcile(runtime) == {"duplicate": 1, "applied": 1, "held": 1}
    assert _reconcile(runtime) == {"duplicate": 3}
    found = subject_of(runtime, "record", "scripted:lead:L")
    assert [rule for rule, _ in moves(runtime, found.id)] == ["jump", "jump"]
    assert found.status == "appointment_prospect"


def test_each_run_looks_back_behind_the_start_of_the_last_one(runtime: Runtime, script: Script, clock: Clock) -> None:
    asked: list[datetime] = []

    def changes(since: datetime) -> Iterator[Event]:
        asked.append(since)
        return iter(())

    script.changes = changes
    _reconcile(runtime)
    first = clock()
    clock.forward(hours=2)
    _reconcile(runtime)
    connected = runtime.connections.get("scripted")
    assert connected is not None
    build_reconciler(runtime).reconcile(connected, NOW - timedelta(days=100))
    assert asked == [first - FIRST, first - OVERLAP, NOW - timedelta(days=100)]


def test_a_run_that_breaks_off_keeps_what_it_took_and_looks_back_as_far_again(runtime: Runtime, script: Script) -> None:

    def changes(_: datetime) -> Iterator[Event]:
        yield stage_event(1, 3)
        message = "away"
        raise CrmUnavailable(message)

    script.changes = changes
    connected = runtime.connections.get("scripted")
    assert connected is not None
    with pytest.raises(CrmUnavailable):
        build_reconciler(runtime, batch_size=1).reconcile(connected)
    assert subject_of(runtime, "record", "scripted:lead:L").status == "latent"
    with runtime.database.read() as connection:
        assert connections.reconciled_at(connection, "scripted") is None


def test_one_event_that_cannot_be_written_stops_no_other(runtime: Runtime, script: Script) -> None:
    bad = replace(stage_event(2, 2), data={"number": 2**70})
    script.changes = lambda _: iter([stage_event(1, 3), bad, stage_event(3, 1, "meeting")])
    assert _reconcile(runtime) == {"applied": 2, "dead": 1}
    assert subject_of(runtime, "record", "scripted:lead:L").status == "appointment_acquisition"


def _breaks(error: Exception) -> Any:
    def changes(_: datetime) -> Iterator[Event]:
        raise error

    return changes


@pytest.mark.parametrize("error", [CrmRefused("the token is revoked"), KeyError("a bug in the adapter")])
def test_a_connection_on_which_it_fails_stops_no_other(runtime: Runtime, script: Script, error: Exception) -> None:
    script.changes = _breaks(error)
    other = add_scripted(runtime, "zulu")
    other.changes = lambda _: iter([stage_event(1, 1)])
    assert build_reconciler(runtime).reconcile_all().has_updates
    assert subject_of(runtime, "record", "zulu:lead:L").status == "latent"
    assert not build_reconciler(runtime).reconcile_all().has_updates


def test_what_the_system_tells_and_cannot_be_read_is_counted_and_stops_nothing(
    runtime: Runtime, script: Script
) -> None:
    script.changes = lambda _: iter([BadPayload("is missing", "$.id"), stage_event(1, 3)])
    assert _reconcile(runtime) == {"applied": 1, "unreadable": 1}
    assert _reconcile(runtime) == {"duplicate": 1, "unreadable": 1}
    assert _missed(runtime) == 0


def test_paused_connections_are_left_out(runtime: Runtime, script: Script) -> None:
    script.changes = lambda _: iter([stage_event(1, 1)])
    with runtime.database.write() as connection:
        connections.change(connection, "scripted", is_paused=True)
    runtime.connections.forget()
    assert not build_reconciler(runtime).reconcile_all().has_updates
    with runtime.database.read() as connection:
        assert subjects.listed(connection) == []


def test_when_the_job_s_time_is_up_the_next_run_begins_with_those_that_had_no_turn(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    turns: list[str] = []

    def noted(name: str, error: Exception | None = None) -> Any:
        def changes(_: datetime) -> Iterator[Event]:
            turns.append(name)
            if error is not None:
                raise error
            return iter(())

        return changes

    script.changes = noted("scripted")
    names = ("alpha", "beta")
    others = {name: add_scripted(runtime, name) for name in names}
    others["alpha"].changes = noted("alpha")
    others["beta"].changes = noted("beta", JobTimeoutException())
    with pytest.raises(JobTimeoutException):
        build_reconciler(runtime).reconcile_all()
    assert turns == ["alpha", "beta"]
    others["beta"].changes = noted("beta")
    clock.forward(minutes=15)
    build_reconciler(runtime).reconcile_all()
    assert turns[2:] == ["scripted", "alpha", "beta"]


def test_a_round_ends_when_its_time_is_up_and_the_next_one_takes_only_those_that_had_no_turn(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    turns: list[str] = []

    def noted(name: str) -> Any:
        return lambda _: iter(turns.append(name) or ())  # type: ignore[func-returns-value]

    script.changes = noted("scripted")
    add_scripted(runtime, "alpha").changes = noted("alpha")
    times = iter([True, False])
    assert build_reconciler(runtime).reconcile_all(lambda: next(times)).is_cut_short
    clock.forward(seconds=30)
    recently = timedelta(minutes=7)
    assert not build_reconciler(runtime).reconcile_all(unless_within=recently).is_cut_short
    assert turns == ["alpha", "scripted"]
    clock.forward(minutes=8)
    build_reconciler(runtime).reconcile_all(unless_within=recently)
    assert turns == ["alpha", "scripted", "alpha", "scripted"]


def test_what_no_webhook_brought_is_counted_per_connection_but_for_the_first_run(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    metrics.count_in(None)
    script.changes = lambda _: iter([stage_event(1, 3)])
    _reconcile(runtime)
    assert _missed(runtime) == 0
    clock.forward(minutes=15)
    bad = replace(stage_event(3, 2), data={"number": 2**70})
    script.changes = lambda _: iter([stage_event(1, 3), stage_event(2, 1, "talking"), bad])
    _reconcile(runtime)
    _reconcile(runtime)
    assert _missed(runtime) == 1
    assert b'connector_missed_events_total{connection="scripted"} 1.0' in metrics.render()


class Busy:
    """An `Api` that is busy some times before it answers."""

    def __init__(self, times: int, retry_after: float | None = None) -> None:
        self.times, self._retry_after, self.memo = times, retry_after, {"known": "things"}

    def set_secret(self, name: str, value: str) -> None:
        self.memo[name] = value

    def get_secret(self, name: str) -> str | None:
        return self.memo.get(name)

    def call(self, method: str, url: str, **content: Any) -> Answer:
        del method, url, content
        if self.times:
            self.times -= 1
            message = "busy"
            raise CrmUnavailable(message, self._retry_after)
        return Answer(status=200, headers={}, body=b"")


def test_a_busy_system_is_asked_again_a_few_times_a_little_later_each_time() -> None:
    pauses: list[float] = []
    patient = Patient(Busy(4), pauses.append)
    assert patient.call("GET", "https://e.example/").status == 200
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert patient.memo == {"known": "things"}
    with pytest.raises(CrmUnavailable):
        Patient(Busy(5), pauses.append).call("GET", "https://e.example/")


def test_a_busy_system_says_how_long_to_wait_and_is_given_up_where_that_is_too_long() -> None:
    pauses: list[float] = []
    Patient(Busy(1, 7.0), pauses.append).call("GET", "https://e.example/")
    assert pauses == [7.0]
    with pytest.raises(CrmUnavailable):
        Patient(Busy(1, 60.0), pauses.append).call("GET", "https://e.example/")
    assert pauses == [7.0]
