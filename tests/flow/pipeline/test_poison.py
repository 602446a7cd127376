"""Deliveries that cannot be read or written, and systems that hang or are away: each holds up itself alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Outcome
from connector.operations.deliveries import replay
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_processor
from connector.runtime.parts import Runtime
from connector.store import connections, deliveries, subjects
from connector.store.deliveries import DeliveryRow
from tests.conftest import Clock, wait_for
from tests.flow.scripted_adapter import Script, add_scripted
from tests.flow.senders import Sender, drain


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime)


def _line(runtime: Runtime, number: str, **more: Any) -> dict[str, Any]:
    line = {"id": number, "at": runtime.clock().isoformat(), "subject": {"id": f"L{number}"}}
    return line | {"type": "action", "action": "site_access"} | more


def _send(runtime: Runtime, *numbers: str, to: str = "scripted") -> None:
    for number in numbers:
        assert Sender(runtime, to).send(_line(runtime, number), key=number).status_code == 202


def _rows(runtime: Runtime) -> dict[str, DeliveryRow]:
    with runtime.database.read() as connection:
        found = {row.key: row for row in deliveries.listed(connection, limit=1000)}
    assert all(map(is_balanced, balance(runtime).values()))
    return found


def _outcomes(runtime: Runtime) -> dict[str, str]:
    return {key: row.outcome for key, row in sorted(_rows(runtime).items())}


def _fails_on(word: str, error: Exception) -> Any:
    def reads(delivery: Delivery) -> None:
        if f'"{word}"'.encode() in delivery.body:
            raise error

    return reads


def test_a_delivery_that_its_adapter_fails_on_is_tried_with_back_off_then_dead_and_the_others_go_on(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    script.before_parsing = _fails_on("2", ZeroDivisionError("division\0by zero"))
    _send(runtime, "1", "2", "3")
    for number in range(1, runtime.config.max_attempts + 1):
        drain(runtime)
        row = _rows(runtime)["2"]
        assert row.attempts == number
        if number < runtime.config.max_attempts:
            assert row.outcome == Outcome.PENDING
            pause = row.next_attempt_at - clock()
            assert pause == min(timedelta(seconds=2) * 2**number, timedelta(minutes=10))
            clock.forward(seconds=pause.total_seconds())
    assert _outcomes(runtime) == {"1": "applied", "2": "dead", "3": "applied"}
    assert _rows(runtime)["2"].error == "ZeroDivisionError: division\ufffdby zero"


def test_a_delivery_on_which_fetching_for_the_batch_fails_takes_no_other_with_it(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    def fetch(given: Sequence[Delivery]) -> Mapping[str, Any]:
        if any(b'"2"' in one.body for one in given):
            raise KeyError
        return {}

    script.fetch = fetch
    _send(runtime, "1", "2", "3")
    for _ in range(runtime.config.max_attempts):
        drain(runtime)
        clock.forward(hours=1)
    assert _outcomes(runtime) == {"1": "applied", "2": "dead", "3": "applied"}


def test_a_row_that_the_database_refuses_is_dead_in_the_end_and_the_others_of_its_batch_are_written(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    """A number that no JSON column can hold; the error tells what is wrong, and none of the values."""

    def alters(event: Event) -> Event:
        return replace(event, data={"thought": "private", "number": 2**70}) if event.key == "2" else event

    script.alter = alters
    _send(runtime, "1", "2", "3")
    for _ in range(runtime.config.max_attempts):
        drain(runtime)
        clock.forward(hours=1)
    assert _outcomes(runtime) == {"1": "applied", "2": "dead", "3": "applied"}
    assert "private" not in (_rows(runtime)["2"].error or "")


def test_a_body_that_cannot_be_read_is_dead_at_once_and_an_unknown_word_is_held(
    runtime: Runtime, script: Script
) -> None:
    script.before_parsing = _fails_on("1", BadPayload("must be a number", "$.ID"))
    _send(runtime, "1")
    drain(runtime)
    script.before_parsing = _fails_on("2", UnknownEvent("nobody has heard of ONCRMTELEPATHY"))
    _send(runtime, "2")
    drain(runtime)
    assert _outcomes(runtime) == {"1": "dead", "2": "held"}
    assert _rows(runtime)["1"].error == "$.ID: must be a number"
    assert _rows(runtime)["2"].error == "nobody has heard of ONCRMTELEPATHY"


def test_a_dead_delivery_that_is_replayed_by_hand_is_processed(runtime: Runtime, script: Script) -> None:
    script.before_parsing = _fails_on("1", BadPayload("must be a number", "$.ID"))
    _send(runtime, "1")
    drain(runtime)
    script.before_parsing = lambda _: None
    (dead,) = _rows(runtime).values()
    assert replay(runtime, [dead.id]).replayed == (dead.id,)
    drain(runtime)
    assert _outcomes(runtime) == {"1": "applied"}
    assert _rows(runtime)["1"].error is None


def test_deliveries_of_a_connection_that_was_removed_are_held_until_it_is_back(
    runtime: Runtime, script: Script
) -> None:
    del script
    _send(runtime, "1")
    with runtime.database.write() as connection:
        connections.change(connection, "scripted", removed_at=runtime.clock())
    runtime.connections.forget()
    drain(runtime)
    (row,) = _rows(runtime).values()
    assert (row.outcome, "add it again" in (row.error or "")) == ("held", True)
    add_scripted(runtime)
    replay(runtime, [row.id])
    drain(runtime)
    assert _outcomes(runtime) == {"1": "applied"}


def test_a_delivery_that_is_replayed_although_all_went_well_stays_what_it_was(runtime: Runtime, script: Script) -> None:
    del script
    line = {"type": "stage", "object": "lead", "stage": "never-heard-of"}
    Sender(runtime, "scripted").send(_line(runtime, "h") | line, key="h")
    _send(runtime, "a")
    drain(runtime)
    before = {key: (row.outcome, row.tally, row.error) for key, row in _rows(runtime).items()}
    assert {key: outcome for key, (outcome, _, _) in before.items()} == {"h": "held", "a": "applied"}
    replay(runtime, [row.id for row in _rows(runtime).values()])
    drain(runtime)
    assert {key: (row.outcome, row.tally, row.error) for key, row in _rows(runtime).items()} == before
    with runtime.database.read() as connection:
        assert len(subjects.listed(connection)) == 2


def test_while_a_system_is_away_its_deliveries_wait_and_none_is_dead_before_the_hours_are_over(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    def fetch(_: Sequence[Delivery]) -> Mapping[str, Any]:
        raise error

    error: Exception = CrmUnavailable("busy", retry_after=90.0)
    script.fetch = fetch
    _send(runtime, "1")
    drain(runtime)
    row = _rows(runtime)["1"]
    assert (row.next_attempt_at, row.error) == (clock() + timedelta(seconds=90), "busy")
    error = CrmRefused("the token is revoked")
    for _ in range(20):
        clock.now = _rows(runtime)["1"].next_attempt_at
        drain(runtime)
        row = _rows(runtime)["1"]
        assert row.outcome == Outcome.PENDING
        assert timedelta(0) < row.next_attempt_at - clock() <= timedelta(minutes=10)
    assert row.attempts > runtime.config.max_attempts
    clock.forward(hours=runtime.config.push_give_up_hours)
    drain(runtime)
    assert (_rows(runtime)["1"].outcome, _rows(runtime)["1"].error) == ("dead", "the token is revoked")


def test_when_a_system_comes_back_what_waited_for_it_is_processed(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    def fetch(_: Sequence[Delivery]) -> Mapping[str, Any]:
        raise error

    error = CrmUnavailable("away")
    script.fetch = fetch
    _send(runtime, "1", "2")
    drain(runtime)
    script.fetch = lambda _: {}
    clock.forward(minutes=10)
    drain(runtime)
    assert _outcomes(runtime) == {"1": "applied", "2": "applied"}


class Hanging:
    """A system whose answer comes when the test lets it."""

    def __init__(self) -> None:
        self.is_asked, self.may_answer = threading.Event(), threading.Event()

    def __call__(self, given: Sequence[Delivery]) -> Mapping[str, Any]:
        del given
        self.is_asked.set()
        self.may_answer.wait(20)
        return {}


@pytest.mark.parametrize("has_time", [True, False])
def test_a_system_that_hangs_holds_up_no_other_even_when_the_time_of_the_job_is_over(
    runtime: Runtime, script: Script, *, has_time: bool
) -> None:
    add_scripted(runtime, "other")
    script.fetch = hanging = Hanging()
    _send(runtime, "1")
    is_over = threading.Event()
    drains = [
        threading.Thread(target=build_processor(runtime).drain, args=(lane, lambda: not is_over.is_set()))
        for lane in range(runtime.config.lanes)
    ]
    for one in drains:
        one.start()
    try:
        assert hanging.is_asked.wait(10)
        if not has_time:
            is_over.set()
        lane = _lane(runtime, "1")
        for number in range(20, 60):
            _send(runtime, f"{number}", to="other")
            if _lane(runtime, f"{number}") == lane:
                break
        wait_for(lambda: _outcomes(runtime)[f"{number}"] == "applied", "the other connection's delivery")
        assert _outcomes(runtime)["1"] == Outcome.PENDING
    finally:
        is_over.set()
        hanging.may_answer.set()
        for one in drains:
            one.join(20)
    assert _outcomes(runtime)["1"] == "applied"


def _lane(runtime: Runtime, key: str) -> int:
    with runtime.database.read() as connection:
        return int(next(row.lane for row in deliveries.listed(connection, limit=1000) if row.key == key))


def test_what_is_to_be_sent_is_told_while_another_system_hangs(runtime: Runtime, script: Script) -> None:
    add_scripted(runtime, "other")
    script.fetch = hanging = Hanging()
    _send(runtime, "1")
    _send(runtime, "2", to="other")
    told = threading.Event()
    lanes = {_lane(runtime, "1"), _lane(runtime, "2")}
    drains = [
        threading.Thread(target=build_processor(runtime).drain, args=(lane, lambda: True, told.set)) for lane in lanes
    ]
    for one in drains:
        one.start()
    try:
        assert hanging.is_asked.wait(10)
        assert told.wait(10)
    finally:
        hanging.may_answer.set()
        for one in drains:
            one.join(20)


def test_while_a_system_is_slow_the_lease_is_renewed_and_nobody_else_reads_the_same(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    script.fetch = hanging = Hanging()
    _send(runtime, "1")
    at_work = threading.Thread(target=drain, args=(runtime,))
    at_work.start()
    try:
        assert hanging.is_asked.wait(10)
        for _ in range(4):
            before = _rows(runtime)["1"].next_attempt_at
            clock.forward(seconds=runtime.config.lease_seconds / 2)

            def is_renewed(before: Any = before) -> bool:
                return bool(_rows(runtime)["1"].next_attempt_at > before)

            wait_for(is_renewed, "the lease to be renewed")
            with runtime.database.read() as connection:
                assert deliveries.waiting_lanes(connection, clock()) == {}
    finally:
        hanging.may_answer.set()
        at_work.join(20)
    row = _rows(runtime)["1"]
    assert (row.outcome, row.attempts) == ("applied", 1)


def test_a_worker_that_died_leaves_its_deliveries_to_others_when_its_lease_is_over(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    del script
    _send(runtime, "1")
    with runtime.database.write() as connection:
        lease = timedelta(seconds=runtime.config.lease_seconds)
        assert deliveries.claim(connection, _lane(runtime, "1"), clock(), lease=lease, limit=9)
    drain(runtime)
    assert _outcomes(runtime) == {"1": Outcome.PENDING}
    clock.forward(seconds=runtime.config.lease_seconds)
    drain(runtime)
    assert _outcomes(runtime) == {"1": "applied"}


def test_an_event_dated_in_the_future_counts_at_its_receipt_however_late_it_is_processed(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    del script
    received = clock()
    at = (received + timedelta(minutes=30)).isoformat()
    Sender(runtime, "scripted").send(_line(runtime, "1") | {"at": at})
    clock.forward(minutes=28)
    drain(runtime)
    with runtime.database.read() as connection:
        (subject,) = subjects.listed(connection)
        (event,) = subjects.events_of(connection, subject.id)
    assert event.at == received
    assert event.event["data"]["future_at"] == at
