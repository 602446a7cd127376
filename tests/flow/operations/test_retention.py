"""Retention: what old events hold of people goes; the status, its why, and what comes late stay right."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from connector.core.event import Outcome
from connector.operations import doctor, explain, merging, upkeep
from connector.operations.publishing import Publication, put_in_force
from connector.runtime.parts import Runtime
from connector.store import subjects
from connector.store.subjects import EventRow
from connector.store.tables import events
from connector.what_if.compare import what_if
from connector.what_if.proposal import WhatIfRequest, read_proposal
from tests.conftest import NOW, Clock
from tests.flow.conftest import KEY_PAGE
from tests.flow.search import found_in
from tests.flow.senders import MAPPING, Sender, add_connection, drain
from tests.flow.store_queries import decisions, moves, subject_of

ANN = {"id": "A", "email": "ann@b.example"}
BOB = {"id": "B", "email": "bob@b.example"}
GONE = ("Yamanote Old Firm", "search?q=secret-illness", "visit-of-ann", "I am ill")
FIELDS = MAPPING.replace("fields: {company: company}", "fields: {company: company, custom.note: note}")


def _line(number: str, days: float, names: dict[str, str], **deed: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=days)).isoformat()
    return {"id": number, "at": at, "kind": "lead", "subject": names, **deed}


def _visit(number: str, days: float, names: dict[str, str], page: str, **more: Any) -> dict[str, Any]:
    return _line(number, days, names, **{"type": "action", "action": "site_access", "page": page, **more})


def _stage(number: str, days: float, names: dict[str, str], stage: str, **more: Any) -> dict[str, Any]:
    return _line(number, days, names, type="stage", object="lead", stage=stage, **more)


def _profile(number: str, days: float, names: dict[str, str], **fields: str) -> dict[str, Any]:
    return _line(number, days, names, type="profile", fields=fields)


def _events(runtime: Runtime, email: str) -> dict[str, EventRow]:
    with runtime.database.read() as connection:
        rows = subjects.all_events_of(connection, subject_of(runtime, "email", email).id)
    return {row.key.removeprefix("shop:"): row for row in rows}


def _standing(runtime: Runtime, email: str) -> dict[str, Any]:
    row = subject_of(runtime, "email", email)
    state = {key: value for key, value in (row.state or {}).items() if key not in {"last_run", "seen"}}
    return {"row": [row.status, row.since, row.owner, row.due], "state": state, "why": decisions(runtime, row.id)}


@pytest.fixture
def sender(selling: Runtime) -> Sender:
    add_connection(selling, mapping=FIELDS)
    return Sender(selling)


def _old_life(runtime: Runtime, sender: Sender) -> None:
    sender.send(
        _profile("1", 800, ANN, company="Yamanote Old Firm", note="I am ill"),
        _line("0", 795, ANN, type="action", action="login"),
        _visit(
            "2", 790, ANN, "https://b.example/search?q=secret-illness", action="file_download", session="visit-of-ann"
        ),
        _visit("3", 780, ANN, f"{KEY_PAGE}/b"),
        _visit("4", 779, ANN, f"{KEY_PAGE}/a"),
        _stage("5", 700, ANN, "talking"),
        _profile("6", 600, ANN, company="New Firm", note=""),
        _stage("7", 3, ANN, "meeting"),
    )
    drain(runtime)


def test_nothing_that_is_out_of_date_is_left_of_old_events_and_all_that_follows_from_them_stays(
    selling: Runtime, sender: Sender, tmp_path: Path
) -> None:
    _old_life(selling, sender)
    assert found_in(selling, tmp_path, GONE) >= {"events.event", "events.steps"}
    selling.clock.forward(days=31)  # type: ignore[attr-defined]
    before, why = _standing(selling, ANN["email"]), explain.explain(selling, ANN["email"])
    done = upkeep.forget(selling)
    assert (done.events, done.after) == (7, None)
    assert found_in(selling, tmp_path, GONE) == set()
    assert _standing(selling, ANN["email"]) == before
    assert explain.explain(selling, ANN["email"]) == why
    assert upkeep.forget(selling).events == 0
    rows = _events(selling, ANN["email"])
    assert {key for key, row in rows.items() if row.compacted_at is None} == {"7"}
    assert rows["5"].event["stage"] == "talking"


@pytest.mark.parametrize("days", [850, 785, 650, 100])
def test_a_late_event_however_old_ends_as_it_does_without_retention(
    selling: Runtime, sender: Sender, days: int
) -> None:
    _old_life(selling, sender)
    twin = {"id": "T", "email": "twin@b.example"}
    sender.send(*({**line, "id": f"t{line['id']}", "subject": twin} for line in _lines_of(selling)))
    drain(selling)
    with_retention, without = ANN["email"], twin["email"]
    assert moves(selling, subject_of(selling, "email", without).id)
    _end_twins(selling, Outcome.HELD)
    upkeep.forget(selling)
    _end_twins(selling, Outcome.APPLIED)
    sender.send(_stage("8", days, ANN, "new"), _stage("t8", days, twin, "new"))
    drain(selling)
    assert _told(selling, with_retention) == _told(selling, without)


def _end_twins(runtime: Runtime, outcome: Outcome) -> None:
    """Set the outcome of the twin's events: what is held is not compacted."""
    with runtime.database.write() as connection:
        connection.execute(update(events).where(events.c.key.startswith("shop:t")).values(outcome=outcome))


def _lines_of(runtime: Runtime) -> list[dict[str, Any]]:
    """The lines that were sent, as the body of their delivery has them."""
    with runtime.database.read() as connection:
        body = connection.exec_driver_sql("SELECT body FROM deliveries").scalar_one()
    return list(json.loads(bytes(body))["events"])


def _told(runtime: Runtime, email: str) -> Any:
    """The status and every decision, but for what names the person and addresses of pages."""
    row = subject_of(runtime, "email", email)
    state = row.state or {}
    told = [
        {name: one[name] for name in ("at", "rule", "before", "after", "reason", "skipped")}
        for one in decisions(runtime, row.id)
    ]
    return told, row.status, row.since, row.due, state["profile"], state["tags"], state["noticed"]


def test_two_with_old_events_are_merged_and_taken_apart_again(selling: Runtime, sender: Sender, clock: Clock) -> None:
    sender.send(_stage("1", 800, ANN, "talking"), _profile("2", 700, ANN, company="Ann Ltd"))
    drain(selling)
    clock.forward(seconds=1)
    sender.send(_stage("3", 750, BOB, "won"), _profile("4", 650, BOB, company="Bob Ltd"))
    drain(selling)
    upkeep.forget(selling)
    ann, bob = _standing(selling, ANN["email"]), _standing(selling, BOB["email"])
    clock.forward(seconds=1)
    merging.join(selling, ANN["email"], BOB["email"], actor="kim")
    sender.send(_profile("5", 500, ANN, company="Ann and Bob"))
    drain(selling)
    assert [
        after for rule, after in moves(selling, subject_of(selling, "email", BOB["email"]).id) if rule == "jump"
    ] == [
        "appointment_prospect",
        "order",
    ]
    upkeep.forget(selling)
    (merge,) = merging.listed(selling, BOB["email"])
    merging.undo(selling, merge["id"], actor="kim")
    assert _standing(selling, BOB["email"])["state"]["profile"] == bob["state"]["profile"] == {"company": "Bob Ltd"}
    assert _standing(selling, ANN["email"])["state"]["profile"] == {"company": "Ann and Bob"}
    assert _standing(selling, ANN["email"])["row"][0] == ann["row"][0] == "appointment_prospect"


def test_a_published_mapping_leaves_old_events_as_they_are_and_says_how_many(selling: Runtime, sender: Sender) -> None:
    sender.send(_stage("1", 800, ANN, "talking"), _stage("2", 700, ANN, "strange"), _stage("3", 3, ANN, "meeting"))
    drain(selling)
    assert upkeep.forget(selling).events == 1
    draft = FIELDS.replace("talking: appointment_prospect", "talking: visited, strange: order")
    done = put_in_force(selling, "shop", Publication(source=draft, is_confirmed=True), actor="kim")
    assert (done.what_if.unreadable, done.what_if.released, done.what_if.newly_held) == (1, 1, 0)
    after = [to for rule, to in moves(selling, subject_of(selling, "email", ANN["email"]).id) if rule == "jump"]
    assert after == ["appointment_prospect", "order", "appointment_acquisition"]


def test_other_key_pages_do_not_find_old_pages_and_the_what_if_says_of_how_many_events(
    selling: Runtime, sender: Sender
) -> None:
    _old_life(selling, sender)
    upkeep.forget(selling)
    pages = [{"match": "contains", "url": "search"}]
    proposal = read_proposal(selling, WhatIfRequest(settings={"key_pages": pages}))
    assert what_if(selling, proposal).unreadable == 7
    mail_off = read_proposal(selling, WhatIfRequest(settings={"mail_enabled": False}))
    assert what_if(selling, mail_off).unreadable == 0


def test_the_doctor_says_when_old_events_are_not_let_go(selling: Runtime, sender: Sender, clock: Clock) -> None:
    sender.send(_stage("1", 1, ANN, "talking"))
    drain(selling)
    clock.forward(days=selling.config.event_days + 1)
    assert _doctor(selling) == ""
    clock.forward(days=3)
    assert "events of more than 400 days ago are still kept whole; run `connector forget`" in _doctor(selling)
    upkeep.forget(selling)
    assert _doctor(selling) == ""


def _doctor(runtime: Runtime) -> str:
    return next(one.detail for one in doctor.examine(runtime) if one.name == "retention")


def test_the_work_is_done_in_pieces_and_goes_on_where_it_ended(selling: Runtime, sender: Sender) -> None:
    people = 45
    sender.send(*(_stage(str(n), 800, {"id": f"L{n}", "email": f"l{n}@b.example"}, "new") for n in range(people)))
    drain(selling)
    turns = iter([True, False])
    first = upkeep.forget(selling, has_time=lambda: next(turns))
    assert 0 < first.events < people
    assert first.after is not None
    rest = upkeep.forget(selling, after=first.after)
    assert (first.events + rest.events, rest.after) == (people, None)
