"""Subjects that turn out to be one: the union of their events, one history, every record told, no mail twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.core.decide.batch import TranslatedEvent
from connector.core.event import Event, Identity, IdentityKind, Kind
from connector.core.identity import Holding, IdentityKey
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_pusher, context_now, sweep
from connector.pipeline.batch import run_batch
from connector.runtime.parts import Runtime
from connector.store import batches, identities, outbox, subjects
from connector.store.database import Overtaken
from tests.conftest import NOW, Clock
from tests.flow.conftest import KEY_PAGE
from tests.flow.scripted_adapter import add_scripted
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import mails, moves, subject_of, updates


def _line(number: str, days: float, subject: dict[str, str], **deed: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=days)).isoformat()
    return {"id": number, "at": at, "subject": subject, "type": "action", "action": "site_access"} | deed


def _stage(number: str, days: float, subject: dict[str, str], stage: str) -> dict[str, Any]:
    line = _line(number, days, subject, type="stage", object="lead", stage=stage)
    return {key: value for key, value in line.items() if key != "action"}


def _join(number: str, days: float, **names: str) -> dict[str, Any]:
    line = _line(number, days, names, type="identify")
    return {key: value for key, value in line.items() if key != "action"}


def test_what_was_two_subjects_is_found_as_one_by_every_identity_and_each_event_keeps_where_it_was_first(
    runtime: Runtime,
) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    sender.send(_line("1", 5, {"visitor": "v"}))
    drain(runtime)
    sender.send(_line("2", 3, {"email": "a@b.example"}, kind="lead"))
    drain(runtime)
    assert subject_of(runtime, "visitor", "v").id != subject_of(runtime, "email", "a@b.example").id
    sender.send(_join("3", 2, visitor="v", email="a@b.example", id="L-1"))
    drain(runtime)
    found = subject_of(runtime, "visitor", "v")
    assert found == subject_of(runtime, "email", "a@b.example") == subject_of(runtime, "record", "shop:lead:L-1")
    assert (found.kind, found.status) == ("lead", "quasi_explicit")
    assert moves(runtime, found.id) == [("not_set.act", "latent"), ("latent.warm", "quasi_explicit")]
    with runtime.database.read() as connection:
        assert [row.id for row in subjects.listed(connection)] == [found.id]
        origins = {row.key: row.origin for row in subjects.events_of(connection, found.id)}
        assert subjects.find(connection, [], origins["shop:2"]) == [found.id]
    assert len(set(origins.values())) == 2


def test_the_records_of_both_are_told_how_the_one_stands(runtime: Runtime, clock: Clock) -> None:
    """Also those of a subject whose survivor does not change by the merge."""
    script = add_scripted(runtime)
    sender = Sender(runtime, "scripted")
    sender.send(_line("1", 9, {"id": "OLD", "email": "a@b.example"}), _line("2", 8, {"email": "a@b.example"}))
    drain(runtime)
    clock.forward(seconds=1)
    sender.send(_line("3", 8, {"id": "NEW", "visitor": "v"}))
    drain(runtime)
    build_pusher(runtime).drain(lambda: True)
    assert {one.record.id: one.status for one in script.sent} == {"OLD": "quasi_explicit", "NEW": "latent"}
    sender.send(_join("4", 7, id="NEW", email="a@b.example"))
    drain(runtime)
    build_pusher(runtime).drain(lambda: True)
    assert {one.record.id: one.status for one in script.sent} == {"OLD": "quasi_explicit", "NEW": "quasi_explicit"}


def test_subjects_of_which_all_is_held_become_one_and_what_is_held_stays_held(runtime: Runtime) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    sender.send(_stage("1", 3, {"id": "A"}, "never"))
    drain(runtime)
    sender.send(_stage("2", 2, {"id": "B"}, "heard"))
    drain(runtime)
    sender.send(_stage("3", 1, {"id": "A", "email": "a@b.example"}, "of"))
    sender.send(_stage("4", 1, {"id": "B", "email": "a@b.example"}, "it"))
    drain(runtime)
    found = subject_of(runtime, "record", "shop:lead:A")
    assert found == subject_of(runtime, "record", "shop:lead:B")
    assert found.state is None
    with runtime.database.read() as connection:
        assert len(subjects.held_of(connection, found.id)) == 4
    assert balance(runtime)["shop"]["held"] == 4


def test_what_time_did_to_both_stands_once_in_the_history_of_the_one(runtime: Runtime) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    for number, name in enumerate("AB"):
        sender.send(_stage(f"{number}", 185, {"id": name}, "bad"))
        drain(runtime)
    sweep(runtime)
    sender.send(_join("9", 1, id="A", email="a@b.example"))
    sender.send(_join("8", 1, id="B", email="a@b.example"))
    drain(runtime)
    found = subject_of(runtime, "record", "shop:lead:A")
    reviewed = [rule for rule, _ in moves(runtime, found.id) if rule == "not_targeted.review"]
    assert len(reviewed) == 2
    with runtime.database.read() as connection:
        everything = subjects.decisions_of(connection, found.id)
    assert sum(row.rule == "not_targeted.review" for row in everything) == 4


def test_a_merge_asks_for_no_mail_that_was_asked_for(selling: Runtime, clock: Clock) -> None:
    add_connection(selling)
    sender = Sender(selling)
    owner = {"type": "owner", "owner": "kim@example.jp"}
    page = {"action": "site_access", "page": KEY_PAGE}
    for number, names in enumerate(({"visitor": "v"}, {"email": "a@b.example"})):
        own = [_line(f"{number}a", 3, names), _line(f"{number}b", 0.01, names, **page)]
        sender.send({**_join(f"{number}o", 4, **names), **owner}, *own)
        drain(selling)
    assert mails(selling) == [("kim@example.jp", "latent.surge")] * 2
    clock.forward(minutes=1)
    sender.send(_join("9", 1, visitor="v", email="a@b.example"))
    drain(selling)
    assert mails(selling) == [("kim@example.jp", "latent.surge")] * 2


def test_a_subject_merged_away_while_a_batch_was_looking_makes_the_batch_look_again(runtime: Runtime) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    sender.send(_line("1", 5, {"visitor": "v"}), _line("2", 5, {"visitor": "w"}))
    drain(runtime)
    first, second = (subject_of(runtime, "visitor", name).id for name in "vw")
    with runtime.database.write() as connection:
        batches.merge(connection, {first: second}, [])
        key = IdentityKey(IdentityKind.VISITOR, "stale")
        held = Holding(key=key, number=0, subject=first, sources=("",), since=NOW, changed_at=NOW)
        identities.save(connection, [held], (), ())
        named = (Identity(kind=IdentityKind.VISITOR, value="stale"),)
        event = Event(key="shop:3", at=NOW, kind=Kind.IDENTIFY, identities=named)
        with pytest.raises(Overtaken):
            run_batch(connection, context_now(runtime), [TranslatedEvent(connection="shop", event=event)])


def test_the_account_adds_up_after_merges(runtime: Runtime) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    for number, names in enumerate(({"visitor": "v"}, {"email": "e@b.example"}, {"id": "L"})):
        sender.send(_line(f"{number}", number, names))
        drain(runtime)
    sender.send(_join("j", 1, visitor="v", email="e@b.example", id="L"))
    drain(runtime)
    assert is_balanced(balance(runtime)["shop"])
    assert list(updates(runtime)) == ["L"]
    assert updates(runtime)["L"].outcome == outbox.WAITING
