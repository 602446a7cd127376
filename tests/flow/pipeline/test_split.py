"""A merge that was wrong: it is shown, it is undone, and what was undone stays undone until a person says otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.core.errors import NotFound, WrongSetting
from connector.operations import merging
from connector.runtime.parts import Runtime
from connector.store import subjects
from tests.conftest import NOW, Clock
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import subject_of

ANN = {"id": "A", "email": "ann@b.example"}
BOB = {"id": "B", "email": "bob@b.example"}
A = "shop:lead:A"
B = "shop:lead:B"


def _line(number: str, days: float, names: dict[str, str], **deed: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=days)).isoformat()
    return {"id": number, "at": at, "kind": "lead", "subject": names, "type": "action", "action": "site_access"} | deed


def _stage(number: str, days: float, names: dict[str, str], stage: str) -> dict[str, Any]:
    line = _line(number, days, names, type="stage", object="lead", stage=stage)
    return {key: value for key, value in line.items() if key != "action"}


def _both(number: str, days: float) -> dict[str, Any]:
    """What says that the two are one: Ann's record with Bob's e-mail."""
    line = _line(number, days, {"id": "A", "email": BOB["email"]}, type="identify")
    return {key: value for key, value in line.items() if key != "action"}


@pytest.fixture
def sender(runtime: Runtime) -> Sender:
    add_connection(runtime)
    return Sender(runtime)


def _send(runtime: Runtime, sender: Sender, *lines: dict[str, Any]) -> None:
    """A second apart: of several subjects the one that was made first survives."""
    for line in lines:
        runtime.clock.forward(seconds=1)  # type: ignore[attr-defined]
        sender.send(line)
        drain(runtime)


def _state(runtime: Runtime, record: str) -> dict[str, Any]:
    row = subject_of(runtime, "record", record)
    assert row.state
    return {key: value for key, value in row.state.items() if key != "last_run"}


def _keys(runtime: Runtime, record: str) -> set[str]:
    with runtime.database.read() as connection:
        return {row.key for row in subjects.events_of(connection, subject_of(runtime, "record", record).id)}


def test_two_that_were_joined_are_again_what_they_were_and_what_came_since_goes_to_its_own(
    runtime: Runtime, sender: Sender, clock: Clock
) -> None:
    _send(runtime, sender, _stage("1", 9, ANN, "talking"), _line("2", 8, ANN), _stage("3", 7, BOB, "won"))
    ann, bob = _state(runtime, A), _state(runtime, B)
    clock.forward(minutes=1)
    _send(runtime, sender, _both("4", 6), _line("5", 5, {"email": BOB["email"]}), _line("6", 4, {"id": "A"}))
    assert subject_of(runtime, "record", A) == subject_of(runtime, "record", B)
    (merge,) = merging.listed(runtime, B)
    assert merge["event"] == "shop:4"
    assert {one["value"] for one in merge["identities"]} == {"shop:lead:B", BOB["email"]}
    found = merging.undo(runtime, merge["id"], actor="kim")
    assert found["survivor"]["id"] == merge["survivor"] != found["loser"]["id"] == merge["loser"]
    assert (_state(runtime, A)["status"], ann["status"]) == ("appointment_prospect", "appointment_prospect")
    assert (_state(runtime, B)["status"], bob["status"]) == ("order", "order")
    assert _keys(runtime, A) == {"shop:1", "shop:2", "shop:4", "shop:6"}
    assert _keys(runtime, B) == {"shop:3", "shop:5"}
    (shown,) = merging.listed(runtime, A)
    assert (shown["undone_by"], shown["undone_at"]) == ("kim", clock())


def test_what_was_undone_stays_undone_whatever_comes_in(runtime: Runtime, sender: Sender) -> None:
    _send(runtime, sender, _line("1", 9, ANN), _line("2", 8, BOB), _both("3", 7))
    (merge,) = merging.listed(runtime, B)
    merging.undo(runtime, merge["id"], actor="kim")
    _send(runtime, sender, _both("4", 6), _both("5", 5))
    sender.send(_line("6", 3, {"visitor": "v", "id": "A"}), _line("7", 3, {"visitor": "v", "email": BOB["email"]}))
    drain(runtime)
    assert _keys(runtime, A) == {"shop:1", "shop:3", "shop:4", "shop:5", "shop:6"}
    assert _keys(runtime, B) == {"shop:2", "shop:7"}
    assert [one["undone_by"] for one in merging.listed(runtime, A)] == ["kim"]


def test_a_person_may_say_that_they_are_one_after_all_and_undo_that_too(runtime: Runtime, sender: Sender) -> None:
    _send(runtime, sender, _line("1", 9, ANN), _line("2", 8, BOB), _both("3", 7))
    merging.undo(runtime, merging.listed(runtime, B)[0]["id"], actor="kim")
    runtime.clock.forward(seconds=1)  # type: ignore[attr-defined]
    joined = merging.join(runtime, A, B, actor="lee")
    assert {one["value"] for one in joined["identities"]} >= {A, B, BOB["email"]}
    with pytest.raises(WrongSetting, match="are one subject already"):
        merging.join(runtime, A, B, actor="lee")
    first, second = merging.listed(runtime, B)
    with pytest.raises(WrongSetting, match=r"was undone on 2026-04-01 03:00:\d\dZ by kim"):
        merging.undo(runtime, first["id"], actor="kim")
    merging.undo(runtime, second["id"].lower(), actor="kim")
    assert _keys(runtime, B) == {"shop:2"}


def test_of_several_merges_the_last_is_undone_first(runtime: Runtime, sender: Sender) -> None:
    eve = {"id": "E", "email": "eve@b.example"}
    _send(runtime, sender, _line("1", 9, eve), _line("2", 8, ANN), _line("3", 7, BOB), _both("4", 6))
    _send(runtime, sender, {**_both("5", 5), "subject": {"id": "E", "email": BOB["email"]}})
    inner, outer = merging.listed(runtime, "shop:lead:E")
    with pytest.raises(WrongSetting, match="undo that merge first"):
        merging.undo(runtime, inner["id"], actor="kim")
    merging.undo(runtime, outer["id"], actor="kim")
    assert _keys(runtime, "shop:lead:E") == {"shop:1", "shop:5"}
    assert _keys(runtime, B) == {"shop:2", "shop:3", "shop:4"}
    merging.undo(runtime, inner["id"], actor="kim")
    assert _keys(runtime, B) == {"shop:3"}
    with pytest.raises(NotFound, match="`connector subject merges WHO` lists"):
        merging.undo(runtime, "nonsense", actor="kim")


def test_undoing_a_merge_mails_nobody(selling: Runtime) -> None:
    add_connection(selling)
    sender = Sender(selling)
    owner = {"type": "owner", "owner": "kim@example.jp"}
    page = {"page": "https://e.example/pricing"}
    for number, names in (("a", ANN), ("b", BOB)):
        own = {key: value for key, value in (_line(f"{number}o", 4, names) | owner).items() if key != "action"}
        _send(selling, sender, own, _line(f"{number}1", 3, names), _line(f"{number}2", 0.001, names, **page))
    _send(selling, sender, _both("z", 0.0005))
    with selling.database.read() as connection:
        before = _notices(connection)
    merging.undo(selling, merging.listed(selling, B)[0]["id"], actor="kim")
    with selling.database.read() as connection:
        assert _notices(connection) == before


def _notices(connection: Any) -> list[str]:
    from connector.store import outbox  # noqa: PLC0415

    return sorted(str(row.key) for row in outbox.listed(connection) if row.kind == "notice")
