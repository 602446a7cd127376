"""A short expression in a mapping makes neither much of little nor work without end: it is stopped, and says so."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from connector.core.errors import ExpressionStopped
from connector.core.event import Event, Kind
from connector.core.mapping import translate
from connector.mapping import parse_mapping
from connector.mapping.bounded import MOST_SIGNS, MOST_STEPS
from connector.mapping.expressions import path
from connector.runtime.parts import Runtime
from connector.store import deliveries, subjects
from tests.flow.senders import Sender, add_connection, drain
from tests.mapping.whole_mapping import AT

LIST: list[Any] = ["x" * 10] * 2_000
EXPLODING = "join(join(join('', L), L), L)"


@pytest.mark.parametrize(
    "expression",
    [
        EXPLODING,
        "join(to_string(L), L)",
        "M[*].N[*].N[*].length(to_string(@))",
        "map(&to_string(N), M)",
    ],
)
def test_an_expression_that_makes_much_of_little_is_stopped(expression: str) -> None:
    data = {"L": LIST, "M": [{"N": [{"N": list(range(30))}] * 100}] * 200}
    tracemalloc.start()
    with pytest.raises(ExpressionStopped, match=r"^the mapping's expression .* was stopped: "):
        path(expression).run(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * MOST_SIGNS


def test_what_people_write_is_far_below_the_bounds() -> None:
    data = {"L": [{"V": f"value {number}", "T": "WORK" if number % 2 else "HOME"} for number in range(2_000)]}
    assert path("L[?T=='WORK'].V | [0]").run(data) == "value 1"
    assert len(path("join(', ', L[*].V)").run(data)) < MOST_SIGNS
    assert path("length(L[*].T)").run(data) == 2_000
    assert MOST_STEPS > 20 * 2_000


def test_an_event_of_such_an_expression_waits_for_another_mapping() -> None:
    rules = parse_mapping("adapter: a\nfields:\n  x: " + json.dumps(EXPLODING), "m.yaml")
    with pytest.raises(ExpressionStopped) as caught:
        list(translate(Event(key="e", at=AT, kind=Kind.PROFILE, data={"L": LIST}), rules))
    assert caught.value.held_for.startswith(f"expression: {EXPLODING} (")


def test_such_an_event_is_held_and_stops_nobody_else(runtime: Runtime) -> None:
    mapping = "adapter: standard\nstages:\n  lead: {talking: appointment_prospect}\n"
    add_connection(runtime, mapping=f"{mapping}fields:\n  x: {json.dumps(EXPLODING.replace('L', 'list'))}\n")
    common = {"type": "profile", "at": "2026-03-04T05:26:07Z"}
    Sender(runtime).send(
        {**common, "id": "e1", "subject": {"id": "L-1"}, "fields": {"list": LIST}},
        {**common, "id": "e2", "subject": {"id": "L-2"}, "fields": {"list": ["a", "b"]}},
    )
    drain(runtime)
    with runtime.database.read() as connection:
        (delivery,) = deliveries.listed(connection)
        (group,) = subjects.held(connection)
    assert delivery.tally == {"applied": 1, "held": 1}
    assert (group.count, str(group.reason).partition(":")[0]) == (1, "expression")
