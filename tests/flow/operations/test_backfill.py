"""Backfill by `changes`: everything there is, silently, and on from where it was broken off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from connector.core.errors import CrmRefused, CrmUnavailable, WrongSetting
from connector.core.event import Event, Identity, IdentityKind
from connector.operations.flow import sweep
from connector.operations.imports.backfill import BEGINNING, OVERLAP, Progress, backfill, listed
from connector.operations.subjects import show
from connector.runtime.parts import Runtime
from connector.store import connections, outbox, subjects
from tests.conftest import NOW, Clock
from tests.flow.pipeline.test_reconcile import stage_event
from tests.flow.scripted_adapter import Script, ScriptedAdapter, add_scripted
from tests.flow.store_queries import subject_of, updates


class InOrder(ScriptedAdapter):
    """A system that tells its oldest change first."""

    CHANGES_IN_ORDER: ClassVar[bool] = True


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime)


def _import(runtime: Runtime, since: datetime | None = None, batch: int = 1) -> Progress:
    return backfill(runtime, "scripted", since=since, actor="test", batch=batch)


def _breaking(since: datetime, asked: list[datetime], events: list[Event]) -> Iterator[Event]:
    """The first time the system goes away after the first event."""
    asked.append(since)
    for event in events:
        if event.at >= since:
            yield event
            if len(asked) == 1:
                message = "away"
                raise CrmUnavailable(message)


def test_everything_there_is_comes_in_and_the_updates_are_asked_for(runtime: Runtime, script: Script) -> None:
    asked: list[datetime] = []
    script.changes = lambda since: iter(asked.append(since) or [stage_event(1, 900), stage_event(2, 700, "talking")])  # type: ignore[func-returns-value]
    done = _import(runtime)
    assert (done.count, done.tally, done.is_resumed) == (2, {"applied": 2}, False)
    assert asked == [BEGINNING]
    assert subject_of(runtime, "record", "scripted:lead:L").status == "appointment_prospect"
    assert updates(runtime)["L"].outcome == outbox.WAITING
    with runtime.database.read() as connection:
        assert connections.reconciled_at(connection, "scripted") == NOW
    assert _import(runtime, NOW - timedelta(days=800)).tally == {"duplicate": 2}


@pytest.mark.parametrize("is_ordered", [True, False])
def test_an_import_that_was_broken_off_goes_on(runtime: Runtime, *, is_ordered: bool) -> None:
    script = add_scripted(runtime, adapter=InOrder if is_ordered else ScriptedAdapter)
    events = [stage_event(number, 900 - number) for number in (1, 2, 3)]
    asked: list[datetime] = []
    script.changes = lambda since: _breaking(since, asked, events)
    with pytest.raises(CrmUnavailable):
        _import(runtime, NOW - timedelta(days=1000))
    (left,) = listed(runtime, "scripted")
    assert (left["count"], left["tally"], left["finished_at"]) == (1, {"applied": 1}, None)
    done = _import(runtime)
    first = NOW - timedelta(days=1000)
    assert done.is_resumed
    assert asked == [first, events[0].at - OVERLAP if is_ordered else first]
    assert done.tally["applied"] == (3 if is_ordered else 2)
    (ended,) = listed(runtime, "scripted")
    assert ended["finished_at"] is not None
    assert not _import(runtime).is_resumed


def test_another_since_begins_anew(runtime: Runtime, script: Script) -> None:
    asked: list[datetime] = []
    script.changes = lambda since: _breaking(since, asked, [stage_event(1, 9), stage_event(2, 8)])
    with pytest.raises(CrmUnavailable):
        _import(runtime)
    assert not _import(runtime, datetime(2026, 1, 1, tzinfo=UTC)).is_resumed
    assert asked[1] == datetime(2026, 1, 1, tzinfo=UTC)


def test_nobody_is_mailed_and_the_notices_are_recorded(selling: Runtime, clock: Clock) -> None:
    script = add_scripted(selling)
    lead = Identity(kind=IdentityKind.EMAIL, value="lead@customer.example")
    owner = "hana@example.jp"
    told = stage_event(1, 0.002)
    events = [
        replace(told, key="o", kind=told.kind.OWNER, stage=None, owner=owner, owner_email=owner, identities=(lead,)),
        replace(told, key="s", at=told.at + timedelta(seconds=1), stage="meeting", identities=(lead,)),
        replace(told, key="t", at=NOW - timedelta(days=3, hours=1), stage="talking", record=None, identities=(lead,)),
    ]
    script.changes = lambda _: iter(events[:2])
    backfill(selling, "scripted", actor="test")
    with selling.database.read() as connection:
        (row,) = subjects.listed(connection)
        decided = subjects.decisions_of(connection, row.id)
        waiting = [one for one in outbox.listed(connection) if one.kind == outbox.NOTICE]
    assert {one.mail for one in decided if one.notify} == {"imported"}
    assert waiting == []
    assert row.due is None or row.due > clock().astimezone(selling.ruleset.zone).toordinal()
    assert not sweep(selling).due


def test_the_daily_rules_of_today_are_run_silently_too(selling: Runtime) -> None:
    script = add_scripted(selling)
    script.changes = lambda _: iter([stage_event(1, 3.1, "talking")])
    backfill(selling, "scripted", actor="test")
    assert sweep(selling).due == 0
    with selling.database.read() as connection:
        assert [one for one in outbox.listed(connection) if one.kind == outbox.NOTICE] == []
        row = subjects.listed(connection)[0]
        assert "appointment_prospect.remind" in {one.rule for one in subjects.decisions_of(connection, row.id)}


def test_a_mistake_in_the_adapter_is_named_and_a_paused_connection_takes_nothing(
    runtime: Runtime, script: Script
) -> None:
    def changes(_: datetime) -> Iterator[Event]:
        raise KeyError

    script.changes = changes
    with pytest.raises(CrmRefused, match="the adapter scripted failed with KeyError"):
        _import(runtime)
    with runtime.database.write() as connection:
        connections.change(connection, "scripted", is_paused=True)
    with pytest.raises(WrongSetting, match="is paused"):
        _import(runtime)


def test_the_explanation_says_that_an_import_mailed_nobody(selling: Runtime) -> None:
    script = add_scripted(selling)
    script.changes = lambda _: iter([stage_event(1, 3.1, "talking")])
    backfill(selling, "scripted", actor="test")
    told = [one["sentence"] for one in show(selling, "scripted:lead:L")["decisions"]]
    assert "not sent, since it came of an import" in " ".join(told)
