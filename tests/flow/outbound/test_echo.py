"""What we wrote comes back as a webhook: it is told apart from what people do, and nothing runs in circles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.operations.doctor import balance
from connector.operations.flow import build_pusher
from connector.runtime.parts import Runtime
from connector.store import subjects
from connector.store.tables import echoes
from tests.conftest import Clock
from tests.flow.scripted_adapter import Script, add_scripted, done
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import moves, subject_of

LOSSY = """
adapter: scripted
stages:
  lead: {new: latent, warm: latent, talking: appointment_prospect, bad: not_targeted}
triggers: [{id: webinar, on: webinar, jump_to: explicit}]
owner: {match: email}
push:
  lead:
    status: {latent: {STAGE: new}, quasi_explicit: {STAGE: warm}, explicit: {STAGE: warm}}
    owner: OWNER
"""


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime, mapping=LOSSY)


class LeadSender:
    """Sends lines of one lead, numbered, dated by the clock unless told otherwise."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime, self._clock, self._count = runtime, clock, 0
        self._sender = Sender(runtime, "scripted")

    def __call__(self, *deeds: dict[str, Any]) -> None:
        lines = []
        for deed in deeds:
            self._count += 1
            common = {"id": f"e{self._count}", "at": self._clock().isoformat(), "subject": {"id": "L"}}
            lines.append(common | deed)
        assert self._sender.send(*lines).status_code == 202
        drain(self._runtime)

    def stage(self, stage: str) -> None:
        self({"type": "stage", "object": "lead", "stage": stage})

    def visit(self) -> None:
        self({"type": "action", "action": "site_access"})


@pytest.fixture
def lead(runtime: Runtime, script: Script, clock: Clock) -> LeadSender:
    """A lead in the stage `talking` that people put back into the pool and that visited on two days."""
    del script
    lead = LeadSender(runtime, clock)
    lead.stage("new")
    lead.visit()
    clock.forward(days=1)
    lead.stage("talking")
    build_pusher(runtime).drain(lambda: True)
    clock.forward(days=1)
    return lead


def _status(runtime: Runtime) -> str:
    return str(subject_of(runtime, "record", "scripted:lead:L").status)


def _outcomes(runtime: Runtime) -> list[str]:
    with runtime.database.read() as connection:
        rows = subjects.events_of(connection, subject_of(runtime, "record", "scripted:lead:L").id)
    return [row.outcome for row in sorted(rows, key=lambda row: (len(row.key), row.key))]


def _entries(runtime: Runtime) -> list[tuple[str, str, bool]]:
    with runtime.database.read() as connection:
        rows = connection.execute(select(echoes).order_by(echoes.c.id)).mappings().all()
    return [(row["field"], row["value"], row["matched"] is not None) for row in rows]


def _owner(runtime: Runtime) -> str | None:
    return subject_of(runtime, "record", "scripted:lead:L").owner


A, B = "a@example.jp", "b@example.jp"


def _warm(runtime: Runtime, lead: LeadSender, clock: Clock) -> None:
    """By hand the lead becomes latent, by its visit then quasi-explicit, which the system shows as `warm`, and for it
    that is latent."""
    lead.stage("new")
    lead.visit()
    clock.forward(days=1)
    lead.visit()
    assert _status(runtime) == "quasi_explicit"


def test_what_was_sent_and_comes_back_is_an_echo_and_moves_nobody(
    runtime: Runtime, script: Script, lead: LeadSender, clock: Clock
) -> None:
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    assert script.sent[-1].fields == {"STAGE": "warm"}
    clock.forward(seconds=2)
    lead.stage("warm")
    assert _outcomes(runtime)[-1] == "echo"
    assert _status(runtime) == "quasi_explicit"
    assert balance(runtime)["scripted"]["echo"] == 1


def test_without_the_ledger_a_stage_that_stands_for_several_statuses_would_undo_what_the_rules_decide(
    runtime: Runtime, lead: LeadSender, clock: Clock
) -> None:
    for _ in range(2):
        _warm(runtime, lead, clock)
        build_pusher(runtime).drain(lambda: True)
        with runtime.database.write() as connection:
            connection.execute(delete(echoes))
        clock.forward(seconds=2)
        lead.stage("warm")
        assert _status(runtime) == "latent"
        clock.forward(days=1)


def test_a_change_back_to_the_same_value_by_a_person_is_no_echo(
    runtime: Runtime, lead: LeadSender, clock: Clock
) -> None:
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    clock.forward(seconds=2)
    lead.stage("warm")
    clock.forward(minutes=2)
    lead.stage("bad")
    assert _status(runtime) == "not_targeted"
    clock.forward(minutes=2)
    lead.stage("warm")
    assert _status(runtime) == "latent"


@pytest.mark.parametrize("is_one_delivery", [False, True])
def test_a_change_back_is_no_echo_even_where_ours_never_came_back(
    runtime: Runtime, lead: LeadSender, clock: Clock, *, is_one_delivery: bool
) -> None:
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    deeds = []
    for minutes, stage in ((2, "bad"), (4, "warm")):
        at = (clock() + timedelta(minutes=minutes)).isoformat()
        deeds.append({"type": "stage", "object": "lead", "stage": stage, "at": at})
    clock.forward(minutes=5)
    if is_one_delivery:
        lead(*deeds)
    else:
        lead(deeds[0])
        lead(deeds[1])
    assert _outcomes(runtime)[-2:] == ["applied", "applied"]
    assert _status(runtime) == "latent"


def test_an_echo_that_comes_after_somebodys_change_is_still_one(
    runtime: Runtime, lead: LeadSender, clock: Clock
) -> None:
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    sent_at = (clock() + timedelta(seconds=1)).isoformat()
    clock.forward(minutes=2)
    lead.stage("bad")
    lead({"type": "stage", "object": "lead", "stage": "warm", "at": sent_at})
    assert _outcomes(runtime)[-1] == "echo"
    assert _status(runtime) == "not_targeted"


def test_the_same_value_after_the_window_is_somebodys(runtime: Runtime, lead: LeadSender, clock: Clock) -> None:
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    clock.forward(minutes=runtime.config.echo_window_minutes + 1)
    lead.stage("warm")
    assert _status(runtime) == "latent"


def _owner_from_elsewhere(runtime: Runtime, lead: LeadSender, clock: Clock) -> None:
    """The record shows that B is in charge; another system says that it is A by now, and that is sent."""
    add_connection(runtime, "shop")
    at, who = clock(), {"email": "l@example.jp"}
    clock.forward(minutes=1)
    Sender(runtime).send({"id": "o", "at": clock().isoformat(), "type": "owner", "owner": A, "subject": who})
    lead({"type": "owner", "owner": B, "subject": {"id": "L", **who}, "at": at.isoformat()})
    build_pusher(runtime).drain(lambda: True)
    assert (_owner(runtime), _entries(runtime)[-1]) == (A, ("owner", A, False))
    clock.forward(seconds=2)


def test_an_owner_that_was_sent_comes_back_as_an_echo_in_any_spelling(
    runtime: Runtime, script: Script, lead: LeadSender, clock: Clock
) -> None:
    _owner_from_elsewhere(runtime, lead, clock)
    assert (script.sent[-1].owner, script.sent[-1].owner_field) == (A, "OWNER")
    lead({"type": "owner", "owner": A.title()})
    assert _outcomes(runtime)[-1] == "echo"


def test_an_echo_delivered_twice_is_an_echo_and_a_duplicate(runtime: Runtime, lead: LeadSender, clock: Clock) -> None:
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    clock.forward(seconds=2)
    line = {"id": "same", "type": "stage", "object": "lead", "stage": "warm"}
    lead(line)
    lead(line)
    book = balance(runtime)["scripted"]
    assert (book["echo"], book["duplicate"]) == (1, 1)
    subject = subject_of(runtime, "record", "scripted:lead:L").id
    assert moves(runtime, subject)[-1] == ("latent.warm", "quasi_explicit")


def test_a_stage_that_is_only_seen_again_moves_nobody_and_one_that_changed_does(
    runtime: Runtime, script: Script, lead: LeadSender, clock: Clock
) -> None:
    script.alter = lambda event: replace(event, is_seen=True)
    lead.stage("new")
    lead.visit()
    clock.forward(days=1)
    lead.visit()
    assert _status(runtime) == "quasi_explicit"
    clock.forward(hours=1)
    lead.stage("new")
    assert (_outcomes(runtime)[-1], _status(runtime)) == ("echo", "quasi_explicit")
    lead.stage("talking")
    assert (_outcomes(runtime)[-1], _status(runtime)) == ("applied", "appointment_prospect")


EMPTYING = LOSSY.replace("STAGE:", "PHASE:")


@pytest.mark.parametrize("order", [("", "warm"), ("warm", "")])
def test_a_stage_that_is_emptied_before_it_is_set_comes_back_as_two_echoes_in_any_order(
    runtime: Runtime, clock: Clock, order: tuple[str, str]
) -> None:
    script = add_scripted(runtime, mapping=EMPTYING)
    script.alter = lambda event: replace(event, stage="") if event.stage == "emptied" else event
    lead = LeadSender(runtime, clock)
    lead.stage("talking")
    clock.forward(days=1)
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    assert script.sent[-1].fields == {"PHASE": "warm"}
    at = clock()
    for stage in order:
        clock.now = at + timedelta(milliseconds=10 if stage else 5)
        lead.stage(stage or "emptied")
    assert _outcomes(runtime)[-2:] == ["echo", "echo"]
    assert _status(runtime) == "quasi_explicit"


def test_a_stage_that_a_person_empties_is_no_echo_and_moves_nobody(runtime: Runtime, clock: Clock) -> None:
    script = add_scripted(runtime, mapping=LOSSY)
    script.alter = lambda event: replace(event, stage="") if event.stage == "emptied" else event
    lead = LeadSender(runtime, clock)
    lead.stage("talking")
    clock.forward(minutes=5)
    lead.stage("emptied")
    assert _outcomes(runtime) == ["applied", "ignored"]
    assert _status(runtime) == "appointment_prospect"


@pytest.mark.parametrize("has_come_back", [False, True])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_owner_that_people_change_and_change_back_stays_in_whatever_order_they_are_told(
    runtime: Runtime, lead: LeadSender, clock: Clock, *, has_come_back: bool, order: tuple[int, int]
) -> None:
    _owner_from_elsewhere(runtime, lead, clock)
    if has_come_back:
        lead({"type": "owner", "owner": A})
        assert _entries(runtime)[-1] == ("owner", A, True)
    deeds = [
        {"type": "owner", "owner": who, "at": (clock() + timedelta(minutes=minutes)).isoformat()}
        for who, minutes in ((B, 2), (A, 4))
    ]
    clock.forward(minutes=5)
    for place in order:
        lead(deeds[place])
    assert _owner(runtime) == A
    build_pusher(runtime).drain(lambda: True)
    assert sorted(_outcomes(runtime)[-2:]) == ["applied", "applied"]
    assert balance(runtime)["scripted"]["echo"] == has_come_back


def test_what_the_record_shows_already_is_not_expected_to_come_back(
    runtime: Runtime, script: Script, lead: LeadSender, clock: Clock
) -> None:
    lead({"type": "owner", "owner": "Kim@example.jp"})
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    assert (script.sent[-1].owner, script.sent[-1].fields) == (None, {"STAGE": "warm"})
    assert _entries(runtime) == [("stage", "warm", False)]
    clock.forward(seconds=1)
    lead.stage("warm")
    clock.forward(days=1)
    lead({"type": "trigger", "trigger": "webinar"})
    build_pusher(runtime).drain(lambda: True)
    assert (_status(runtime), len(script.sent)) == ("explicit", 1)
    assert _entries(runtime) == [("stage", "warm", True)]


def test_what_the_push_did_not_change_is_not_expected_any_more(
    runtime: Runtime, script: Script, lead: LeadSender, clock: Clock
) -> None:
    expected: list[tuple[str, str, bool]] = []

    def refuse(updates: Sequence[Update]) -> list[Pushed]:
        expected.extend(_entries(runtime))
        refused = PushOutcome.REFUSED
        return [Pushed(key=one.key, outcome=refused, unwritten=frozenset({"STAGE"})) for one in updates]

    script.push = refuse
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    assert expected == [("stage", "warm", False)]
    assert _entries(runtime) == []
    clock.forward(seconds=5)
    lead.stage("warm")
    assert _status(runtime) == "latent"


def test_a_webhook_that_is_faster_than_the_answer_to_the_push_is_an_echo(
    runtime: Runtime, script: Script, lead: LeadSender, clock: Clock
) -> None:
    def answer_late(updates: Sequence[Update]) -> list[Pushed]:
        lead.stage("warm")
        return done(updates)

    script.push = answer_late
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    assert _entries(runtime) == [("stage", "warm", True)]
    assert (_outcomes(runtime)[-1], _status(runtime)) == ("echo", "quasi_explicit")


@pytest.mark.parametrize(("is_ours", "outcome"), [(False, "applied"), (True, "echo"), (None, "echo")])
def test_where_the_system_says_who_made_a_change_that_decides(
    runtime: Runtime, script: Script, lead: LeadSender, clock: Clock, *, is_ours: bool | None, outcome: str
) -> None:
    _warm(runtime, lead, clock)
    build_pusher(runtime).drain(lambda: True)
    clock.forward(seconds=2)
    script.alter = lambda event: replace(event, is_ours=is_ours)
    lead.stage("warm")
    assert _outcomes(runtime)[-1] == outcome
