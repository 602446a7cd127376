"""Deliveries through the real store: what they become, in whatever order and however often they come."""

from __future__ import annotations

import random
from typing import Any

import pytest

from connector.operations.doctor import balance, is_balanced
from connector.runtime.parts import Runtime
from connector.store import subjects
from tests.flow.senders import Sender, add_connection, drain

DAYS = ("2026-03-01", "2026-03-04", "2026-03-06", "2026-03-09")


def _line(day: str, number: int, **more: Any) -> dict[str, Any]:
    base = {"id": f"e{number}", "at": f"{day}T10:00:00+09:00", "subject": {"id": "L-1", "email": "a@example.jp"}}
    return base | {"type": "action", "action": "site_access", "kind": "lead"} | more


def _state(runtime: Runtime) -> dict[str, Any]:
    with runtime.database.read() as connection:
        rows = subjects.listed(connection)
        assert len(rows) == 1
        decided = subjects.decided(connection, [rows[0].id])[rows[0].id]
    history = [(row.at, row.rule, row.before, row.after) for row in decided]
    return {"state": rows[0].state, "due": rows[0].due, "history": history}


LINES = [
    _line(DAYS[0], 1),
    _line(DAYS[1], 2),
    _line(DAYS[2], 3, type="stage", object="lead", stage="talking"),
    _line(DAYS[2], 4, type="owner", owner="kim@example.jp"),
    _line(DAYS[2], 5, type="profile", fields={"company": "Acme"}),
    _line(DAYS[3], 6, type="trigger", trigger="webinar"),
    _line(DAYS[3], 7, type="stage", object="lead", stage="meeting"),
]


def test_lines_move_a_subject_and_the_update_waits_in_the_outbox(runtime: Runtime) -> None:
    add_connection(runtime)
    answer = Sender(runtime).send(*LINES)
    assert answer.status_code == 202
    assert answer.json == {"accepted": 7, "refused": []}
    drain(runtime)
    found = _state(runtime)
    assert found["state"]["status"] == "appointment_acquisition"
    assert found["state"]["owner"] == "kim@example.jp"
    assert found["state"]["profile"] == {"company": "Acme"}
    assert [(rule, after) for _, rule, _, after in found["history"]] == [
        ("not_set.act", "latent"),
        ("latent.warm", "quasi_explicit"),
        ("jump", "appointment_prospect"),
        ("appointment_prospect.remind", "appointment_prospect"),
        ("jump", "appointment_acquisition"),
        ("any.appointment", "appointment_acquisition"),
        ("trigger:webinar", "appointment_acquisition"),
    ]
    book = balance(runtime)["shop"]
    assert is_balanced(book)
    assert book["applied"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_any_order_and_repetition_of_deliveries_ends_the_same(runtime: Runtime, seed: int) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    order = [*LINES, *LINES[:3]]
    random.Random(seed).shuffle(order)
    for line in order:
        assert sender.send(line).status_code == 202
        drain(runtime)
    shuffled = _state(runtime)
    add_connection(runtime, "other")
    Sender(runtime, "other").send(*[{**line, "subject": {"id": "L-2", "email": "b@example.jp"}} for line in LINES])
    drain(runtime)
    with runtime.database.read() as connection:
        both = subjects.listed(connection)
        histories = subjects.decided(connection, [row.id for row in both])
    first, second = ([(d.at, d.rule, d.after) for d in histories[row.id]] for row in both)
    assert first == second
    assert shuffled["due"] == both[1].due
    assert is_balanced(balance(runtime)["shop"])
