"""Updates on their way out: the newest state wins, each is tried as its answer asks for, nobody waits for others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.core.errors import CrmRefused, CrmUnavailable
from connector.operations.flow import build_pusher
from connector.outbound.push import LEFT_ALONE
from connector.runtime.parts import Runtime
from connector.runtime.retry import UPDATE
from connector.store import batches, connections, outbox, tables
from connector.store.outbox import OutboxEntry
from tests.conftest import Clock, wait_for
from tests.flow.scripted_adapter import SCRIPTED_MAPPING, Script, add_scripted, done, know
from tests.flow.senders import Sender, drain
from tests.flow.store_queries import subject_of, updates

Answer = Callable[[Sequence[Update]], Sequence[Pushed]]


def _answers(outcome: PushOutcome, **more: Any) -> Answer:
    return lambda updates: [Pushed(key=update.key, outcome=outcome, **more) for update in updates]


def _raises(error: BaseException) -> Answer:
    def takes(_: Sequence[Update]) -> Sequence[Pushed]:
        raise error

    return takes


class Lead:
    """Sends the stages of one lead of a connection, one after the other."""

    def __init__(self, runtime: Runtime, name: str = "scripted", record: str = "L") -> None:
        self._runtime, self._name, self._record, self._count = runtime, name, record, 0
        self._sender = Sender(runtime, name)

    def moves(self, stage: str) -> None:
        self._count += 1
        line = {"id": f"{self._record}{self._count}", "at": self._runtime.clock().isoformat(), "type": "stage"}
        line |= {"subject": {"id": self._record}, "object": "lead", "stage": stage}  # type: ignore[dict-item]
        assert self._sender.send(line, key=f"{self._name}{self._record}{self._count}").status_code == 202
        drain(self._runtime)


def _push(runtime: Runtime) -> int:
    return build_pusher(runtime).drain(lambda: True)


def _entry(runtime: Runtime, record: str = "L") -> OutboxEntry:
    return updates(runtime)[record]


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime)


def test_several_changes_before_a_push_are_one_update_to_the_newest_state(runtime: Runtime, script: Script) -> None:
    lead = Lead(runtime)
    for stage in ("new", "talking", "meeting"):
        lead.moves(stage)
    assert _push(runtime) == 1
    assert script.statuses() == ["appointment_acquisition"]
    assert script.sent[0].fields == {"SHOWN": "appointment_acquisition"}
    assert _entry(runtime).outcome == outbox.DONE
    assert _push(runtime) == 0


def test_a_status_that_the_workspace_does_not_have_any_more_is_shown_by_its_code(
    runtime: Runtime, script: Script
) -> None:
    Lead(runtime).moves("meeting")
    with runtime.database.write() as connection:
        connection.execute(update(tables.subjects).values(status="loyal"))
    _push(runtime)
    assert [(sent.status, sent.label) for sent in script.sent] == [("loyal", "loyal")]


def test_a_decision_made_during_a_send_is_sent_after_it(runtime: Runtime, script: Script) -> None:
    lead = Lead(runtime)
    lead.moves("new")

    def takes(updates: Sequence[Update]) -> Sequence[Pushed]:
        script.push = done
        lead.moves("meeting")
        return done(updates)

    script.push = takes
    _push(runtime)
    assert script.statuses() == ["latent", "appointment_acquisition"]
    assert len({update.key for update in script.sent}) == 2
    assert _entry(runtime).outcome == outbox.DONE


def test_a_stage_set_by_a_person_during_a_send_is_left_alone(runtime: Runtime, script: Script, clock: Clock) -> None:
    """What was written must not be taken for what is shown: `calling` stands for the status as well as `talking`."""
    lead = Lead(runtime)
    lead.moves("meeting")
    _push(runtime)
    with runtime.database.write() as connection:
        row = subject_of(runtime, "record", "scripted:lead:L")
        state = {**(row.state or {}), "status": "latent"}
        batches.save_subjects(connection, [asdict(row) | {"status": "latent", "state": state}])
        outbox.enqueue_updates(
            connection, [{**asdict(_entry(runtime)), "payload": None, "next_attempt_at": runtime.clock()}]
        )

    def takes(updates: Sequence[Update]) -> Sequence[Pushed]:
        script.push = done
        clock.forward(seconds=5)
        lead.moves("calling")
        return done(updates)

    script.push = takes
    _push(runtime)
    assert [update.fields for update in script.sent[1:]] == [
        {"STAGE": "new", "SHOWN": "latent"},
        {"SHOWN": "appointment_prospect"},
    ]


def test_a_stage_that_stands_for_the_status_is_not_written_over(runtime: Runtime, script: Script) -> None:
    Lead(runtime).moves("calling")
    _push(runtime)
    assert script.sent[0].status == "appointment_prospect"
    assert script.sent[0].fields == {"SHOWN": "appointment_prospect"}


def test_a_worker_that_died_in_mid_send_leaves_its_updates_to_others_when_its_lease_is_over(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    Lead(runtime).moves("new")
    script.push = _raises(SystemExit())
    with pytest.raises(SystemExit):
        build_pusher(runtime).push_batch("scripted")
    script.push = done
    assert _push(runtime) == 0
    clock.forward(seconds=runtime.config.lease_seconds)
    assert _push(runtime) == 1
    assert _entry(runtime).outcome == outbox.DONE


def test_a_worker_whose_lease_ran_out_does_not_end_what_another_worker_sent_after_it(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    """Nobody knows which of the two arrived last, so the newest state is sent once more."""
    lead = Lead(runtime)
    lead.moves("new")

    def slow(updates: Sequence[Update]) -> Sequence[Pushed]:
        script.push = done
        lead.moves("meeting")
        clock.forward(seconds=runtime.config.lease_seconds)
        other = Runtime(runtime.config, clock)
        know(other)
        assert build_pusher(other).push_batch("scripted") == 1
        other.close()
        return done(updates)

    script.push = slow
    build_pusher(runtime).push_batch("scripted")
    assert script.statuses() == ["latent", "appointment_acquisition"]
    assert _entry(runtime).outcome == outbox.WAITING
    _push(runtime)
    assert script.statuses()[-1] == "appointment_acquisition"
    assert _entry(runtime).outcome == outbox.DONE


def test_while_a_system_is_slow_the_lease_is_renewed_and_nobody_else_sends_the_same(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    Lead(runtime).moves("new")
    is_in, may_go = threading.Event(), threading.Event()

    def slow(updates: Sequence[Update]) -> Sequence[Pushed]:
        is_in.set()
        may_go.wait(20)
        return done(updates)

    script.push = slow
    sending = threading.Thread(target=_push, args=(runtime,))
    sending.start()
    try:
        assert is_in.wait(10)
        for _ in range(4):
            before = _entry(runtime).next_attempt_at
            clock.forward(seconds=runtime.config.lease_seconds / 2)
            wait_for(lambda before=before: _entry(runtime).next_attempt_at > before, "the lease to be renewed")  # type: ignore[misc]
            with runtime.database.read() as connection:
                assert outbox.waiting_connections(connection, clock()) == []
    finally:
        may_go.set()
        sending.join(10)
    assert _entry(runtime).outcome == outbox.DONE
    assert script.statuses() == ["latent"]


def test_a_refusal_is_tried_three_times_then_dead_with_its_reason_until_somebody_retries_it(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    Lead(runtime).moves("new")
    script.push = _answers(PushOutcome.REFUSED, reason="no such field\0")
    for number in range(1, 5):
        assert _push(runtime) == (1 if number < 4 else 0)
        clock.forward(hours=1)
    dead = _entry(runtime)
    assert (dead.outcome, dead.attempts, dead.error) == ("dead", 3, "no such field\ufffd")
    script.push = _answers(PushOutcome.REFUSED, reason="still none")
    with runtime.database.write() as connection:
        assert outbox.retry(connection, clock()) == [dead.id]
    for _ in range(2):
        _push(runtime)
        assert _entry(runtime).outcome == outbox.WAITING
        clock.forward(hours=1)
    script.push = done
    _push(runtime)
    assert _entry(runtime).outcome == outbox.DONE


def test_an_outage_before_it_does_not_make_the_first_refusal_the_last(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    Lead(runtime).moves("new")
    for answer in ([_answers(PushOutcome.LATER)] * 5) + ([_answers(PushOutcome.REFUSED, reason="a lie")] * 2):
        script.push = answer
        assert _push(runtime) == 1
        assert _entry(runtime).outcome == outbox.WAITING
        clock.forward(hours=1)
    script.push = done
    _push(runtime)
    assert _entry(runtime).outcome == outbox.DONE


def test_a_newer_state_has_its_own_tries_and_wakes_what_was_dead(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    lead = Lead(runtime)
    lead.moves("new")
    script.push = _answers(PushOutcome.REFUSED, reason="no")
    for _ in range(2):
        _push(runtime)
        clock.forward(hours=1)
    lead.moves("meeting")
    for number in range(3):
        assert _push(runtime) == 1
        assert _entry(runtime).outcome == ("dead" if number == 2 else outbox.WAITING)
        clock.forward(hours=1)
    script.push = done
    lead.moves("talking")
    assert _entry(runtime).attempts == 0
    _push(runtime)
    assert (script.statuses()[-1], _entry(runtime).outcome) == ("appointment_prospect", outbox.DONE)


def test_later_waits_as_long_as_the_system_asks_for(runtime: Runtime, script: Script, clock: Clock) -> None:
    Lead(runtime).moves("new")
    script.push = _raises(CrmUnavailable("busy", retry_after=90.0))
    _push(runtime)
    entry = _entry(runtime)
    assert (entry.next_attempt_at, entry.error) == (clock() + timedelta(seconds=90), "busy")
    clock.forward(seconds=89)
    assert _push(runtime) == 0
    clock.forward(seconds=1)
    assert _push(runtime) == 1


def test_later_without_a_time_backs_off_twice_as_long_each_time_with_jitter(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    Lead(runtime).moves("new")
    script.push = _answers(PushOutcome.LATER, reason="busy")
    for number in range(12):
        _push(runtime)
        pause, most = _entry(runtime).next_attempt_at - clock(), min(UPDATE.first * 2**number, UPDATE.most)
        assert most / 2 <= pause <= most
        clock.now = _entry(runtime).next_attempt_at


def test_what_fails_for_hours_is_given_up_and_says_why(runtime: Runtime, script: Script, clock: Clock) -> None:
    Lead(runtime).moves("new")
    script.push = _raises(RuntimeError("a bug in the adapter"))
    hours = runtime.config.push_give_up_hours
    for _ in range(4):
        _push(runtime)
        assert _entry(runtime).outcome == outbox.WAITING
        clock.forward(hours=hours / 4 - 0.01)
    clock.forward(hours=1)
    _push(runtime)
    dead = _entry(runtime)
    assert (dead.outcome, dead.error) == ("dead", "RuntimeError: a bug in the adapter")


def test_a_refusal_of_the_whole_batch_counts_for_each_of_its_updates(runtime: Runtime, script: Script) -> None:
    for record in ("L", "M"):
        Lead(runtime, record=record).moves("new")
    script.push = _raises(CrmRefused("the token is revoked"))
    _push(runtime)
    assert {row.error for row in updates(runtime).values()} == {"the token is revoked"}
    assert {row.outcome for row in updates(runtime).values()} == {outbox.WAITING}


def test_a_record_that_is_gone_is_marked_and_asked_for_no_more(runtime: Runtime, script: Script) -> None:
    lead = Lead(runtime)
    lead.moves("new")
    script.push = _answers(PushOutcome.GONE, reason="answered 404")
    _push(runtime)
    assert (_entry(runtime).outcome, _entry(runtime).error) == ("gone", "answered 404")
    lead.moves("meeting")
    assert _push(runtime) == 0
    assert script.statuses() == ["latent"]


def test_each_update_of_a_batch_ends_by_its_own_answer_and_one_without_an_answer_is_tried_again(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    words = {"A": PushOutcome.DONE, "B": PushOutcome.LATER, "C": PushOutcome.REFUSED, "D": PushOutcome.GONE}
    for record in (*words, "E"):
        Lead(runtime, record=record).moves("new")
    script.push = lambda updates: [
        Pushed(key=one.key, outcome=words[one.record.id]) for one in updates if one.record.id in words
    ]
    _push(runtime)
    outcomes = {record: row.outcome for record, row in updates(runtime).items()}
    assert outcomes == {"A": "done", "B": "waiting", "C": "waiting", "D": "gone", "E": "waiting"}
    assert updates(runtime)["E"].error == "the adapter gave no result"
    clock.forward(hours=1)
    script.push = done
    assert _push(runtime) == 3


def test_a_paused_connection_waits_and_goes_on_when_it_is_resumed(runtime: Runtime, script: Script) -> None:
    Lead(runtime).moves("new")
    _pause(runtime, is_paused=True)
    assert _push(runtime) == 0
    assert build_pusher(runtime).push_batch("scripted") == 0
    assert script.sent == []
    _pause(runtime, is_paused=False)
    assert _push(runtime) == 1


def _pause(runtime: Runtime, *, is_paused: bool) -> None:
    with runtime.database.write() as connection:
        connections.change(connection, "scripted", is_paused=is_paused)
    runtime.connections.forget()


def test_where_nothing_is_to_be_sent_any_more_the_update_is_done(runtime: Runtime, script: Script) -> None:
    Lead(runtime).moves("new")
    with runtime.database.write() as connection:
        mapping = SCRIPTED_MAPPING.partition("push:")[0]
        connections.publish(connection, "scripted", mapping, author="test", comment="", now=runtime.clock())
    runtime.connections.forget()
    assert _push(runtime) == 1
    assert (_entry(runtime).outcome, _entry(runtime).error) == (outbox.DONE, "nothing to send")
    assert script.sent == []


def test_a_system_that_hangs_holds_up_no_other(runtime: Runtime, script: Script) -> None:
    other = add_scripted(runtime, "other")
    Lead(runtime).moves("new")
    may_go = threading.Event()

    def slow(updates: Sequence[Update]) -> Sequence[Pushed]:
        may_go.wait(20)
        return done(updates)

    script.push = slow
    lead = Lead(runtime, "other", record="M")
    lead.moves("new")
    sending = threading.Thread(target=_push, args=(runtime,))
    sending.start()
    try:
        wait_for(lambda: other.statuses() == ["latent"], "the other system to be told")
        lead.moves("meeting")
        wait_for(lambda: other.statuses() == ["latent", "appointment_acquisition"], "the other system to be told more")
        assert _entry(runtime).outcome == outbox.WAITING
    finally:
        may_go.set()
        sending.join(10)
    assert _entry(runtime).outcome == outbox.DONE


def test_a_connection_on_which_something_unforeseen_fails_is_left_alone_for_a_while_and_stops_no_other(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    other = add_scripted(runtime, "other")
    Lead(runtime).moves("new")
    Lead(runtime, "other", record="M").moves("new")
    script.push = lambda updates: [Pushed(key=one.key, outcome="?") for one in updates]  # type: ignore[arg-type]
    pusher = build_pusher(runtime)
    assert pusher.drain(lambda: True) == 1
    assert other.statuses() == ["latent"]
    assert pusher.waiting() == []
    clock.forward(seconds=max(LEFT_ALONE.total_seconds(), runtime.config.lease_seconds))
    assert pusher.waiting() == ["scripted"]
