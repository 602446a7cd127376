"""The daily sweep: missed dates one by one, each once, only who is due, and mail for nothing but today."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from connector.core.calendar import day_start, local_day
from connector.operations.flow import sweep
from connector.runtime.parts import Runtime
from connector.store import subjects
from connector.store.subjects import SubjectRow
from connector.store.tables import subjects as table
from tests.conftest import NOW, Clock
from tests.flow.conftest import KEY_PAGE
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import mails, moves, subject_of


def _line(name: str, number: int, at: datetime, **deed: Any) -> dict[str, Any]:
    return {"id": f"{name}{number}", "at": at.isoformat(), "subject": {"id": name}, "kind": "lead"} | deed


def _visit(name: str, number: int, at: datetime, **more: Any) -> dict[str, Any]:
    return _line(name, number, at, type="action", action="site_access", **more)


def _stage(name: str, number: int, at: datetime, stage: str) -> dict[str, Any]:
    return _line(name, number, at, type="stage", object="lead", stage=stage)


def _owner(name: str, number: int, at: datetime) -> dict[str, Any]:
    return _line(name, number, at, type="owner", owner="kim@example.jp")


def _send(runtime: Runtime, *lines: dict[str, Any]) -> None:
    if runtime.connections.get("shop") is None:
        add_connection(runtime)
    key = "-".join(line["id"] for line in lines)
    assert Sender(runtime).send(*lines, key=key).status_code == 202
    drain(runtime)


def _of(runtime: Runtime, name: str) -> SubjectRow:
    return subject_of(runtime, "record", f"shop:lead:{name}")


def _decided(runtime: Runtime, name: str) -> list[tuple[str, str, int]]:
    """Rule, status after it, and how many days ago (by the standing clock's local date) it was decided."""
    with runtime.database.read() as connection:
        of = _of(runtime, name).id
        rows = subjects.decided(connection, [of])[of]
    zone = runtime.ruleset.zone
    today = local_day(runtime.clock(), zone)
    return [(row.rule, row.after, today - local_day(row.at, zone)) for row in rows]


def test_missed_dates_are_run_one_by_one_each_at_its_own_midnight(selling: Runtime) -> None:
    start = NOW - timedelta(days=100)
    _send(selling, _visit("A", 1, start - timedelta(days=1)), _visit("A", 2, start, page=KEY_PAGE))
    assert _of(selling, "A").status == "explicit"
    swept = sweep(selling)
    assert swept.due == 1
    cooling = [("explicit.warn", "explicit", days) for days in range(75, 70, -1)]
    assert _decided(selling, "A")[2:] == [
        *cooling,
        ("explicit.cool", "quasi_explicit", 70),
        ("quasi_explicit.cool", "latent", 40),
    ]
    with selling.database.read() as connection:
        (row,) = subjects.listed(connection)
        last = subjects.decided(connection, [row.id])[row.id][-1]
    assert last.at == day_start(local_day(NOW, selling.ruleset.zone) - 40, selling.ruleset.zone)
    assert row.since == last.at


def test_an_unknown_that_nobody_hears_of_any_more_expires_and_a_lead_does_not(runtime: Runtime) -> None:
    add_connection(runtime)
    at = (NOW - timedelta(days=95)).isoformat()
    for name, kind in (("v-7", "unknown"), ("known", "lead")):
        line = {"id": name, "at": at, "subject": {"visitor": name}, "kind": kind}
        Sender(runtime).send(line | {"type": "action", "action": "login"}, key=name)
    drain(runtime)
    assert sweep(runtime).due == 1
    assert subject_of(runtime, "visitor", "v-7").status == "not_set"
    assert subject_of(runtime, "visitor", "known").status == "latent"


def test_the_same_date_again_does_nothing(selling: Runtime, clock: Clock) -> None:
    _send(selling, _owner("A", 1, NOW - timedelta(days=9)), _stage("A", 2, NOW - timedelta(days=4), "talking"))
    assert sweep(selling).due == 1
    before, asked = _of(selling, "A"), mails(selling)
    assert asked == [("kim@example.jp", "appointment_prospect.remind")]
    for _ in range(2):
        clock.forward(hours=1)
        again = sweep(selling)
        assert (again.due, again.has_updates) == (0, False)
    assert (_of(selling, "A"), mails(selling)) == (before, asked)


def test_only_subjects_that_are_due_are_touched(selling: Runtime) -> None:
    _send(selling, _stage("A", 1, NOW - timedelta(days=181), "bad"), _stage("B", 1, NOW - timedelta(days=179), "bad"))
    before = _of(selling, "B")
    assert sweep(selling).due == 1
    assert _of(selling, "B") == before
    assert _of(selling, "A").version == 2


def test_notices_of_missed_dates_are_recorded_and_only_those_of_today_are_mailed(selling: Runtime) -> None:
    _send(selling, _owner("A", 1, NOW - timedelta(days=9)), _stage("A", 2, NOW - timedelta(days=4), "talking"))
    _send(selling, _stage("B", 1, NOW - timedelta(days=181), "bad"))
    sweep(selling)
    assert _decided(selling, "A")[1:] == [
        ("appointment_prospect.remind", "appointment_prospect", 1),
        ("appointment_prospect.remind", "appointment_prospect", 0),
    ]
    with selling.database.read() as connection:
        found = {
            name: [row.mail for row in subjects.decisions_of(connection, _of(selling, name).id) if row.notify]
            for name in "AB"
        }
    assert found == {"A": ["past", "asked"], "B": ["past", "asked"]}
    assert mails(selling) == [
        ("boss@example.jp", "not_targeted.review"),
        ("kim@example.jp", "appointment_prospect.remind"),
    ]


def test_a_notice_says_whether_it_is_a_line_of_a_list_or_a_mail_of_its_own(selling: Runtime, clock: Clock) -> None:
    _send(selling, _owner("A", 1, NOW - timedelta(days=9)), _visit("A", 2, NOW - timedelta(days=1)))
    _send(selling, _visit("A", 3, NOW, page=KEY_PAGE))
    _send(selling, _owner("B", 1, NOW - timedelta(days=9)), _stage("B", 2, NOW - timedelta(days=3), "talking"))
    sweep(selling)
    clock.forward(minutes=1)
    with selling.database.read() as connection:
        found = {
            row.rule: row.notice
            for name in "AB"
            for row in subjects.decisions_of(connection, _of(selling, name).id)
            if row.mail == "asked"
        }
    assert found == {"latent.surge": "subject", "appointment_prospect.remind": "list"}


def test_a_late_event_after_a_sweep_takes_back_what_time_had_done_and_mails_nobody(selling: Runtime) -> None:
    start = NOW - timedelta(days=70)
    _send(selling, _owner("A", 0, start - timedelta(days=9)), _visit("A", 1, start - timedelta(days=1)))
    _send(selling, _visit("A", 2, start))
    sweep(selling)
    assert _of(selling, "A").status == "latent"
    _send(selling, _visit("A", 3, NOW - timedelta(days=20)))
    assert _decided(selling, "A") == [("not_set.act", "latent", 71), ("latent.warm", "quasi_explicit", 70)]
    assert _of(selling, "A").status == "quasi_explicit"
    with selling.database.read() as connection:
        everything = subjects.decisions_of(connection, _of(selling, "A").id)
    assert [row.rule for row in everything if row.revised_at] == ["quasi_explicit.cool"]
    _send(selling, _visit("A", 4, NOW - timedelta(days=20), page=KEY_PAGE))
    assert _of(selling, "A").status == "explicit"
    assert mails(selling) == []


def test_a_mail_that_was_asked_for_is_not_asked_for_again_when_a_late_event_moves_its_reason(selling: Runtime) -> None:
    """Both views of the key page are of today; the earlier one comes second."""
    today = NOW - timedelta(hours=1)
    _send(selling, _owner("A", 0, NOW - timedelta(days=9)), _visit("A", 1, NOW - timedelta(days=1)))
    _send(selling, _visit("A", 3, today, page=KEY_PAGE))
    assert mails(selling) == [("kim@example.jp", "latent.surge")]
    _send(selling, _visit("A", 2, today - timedelta(minutes=30), page=KEY_PAGE))
    assert moves(selling, _of(selling, "A").id)[-1] == ("latent.surge", "explicit")
    assert _of(selling, "A").since == today - timedelta(minutes=30)
    assert mails(selling) == [("kim@example.jp", "latent.surge")]


def test_a_mail_whose_recipient_a_late_event_changes_goes_to_the_new_one_too(selling: Runtime) -> None:
    today = NOW - timedelta(hours=1)
    _send(selling, _owner("A", 0, NOW - timedelta(days=9)), _visit("A", 1, NOW - timedelta(days=1)))
    _send(selling, _visit("A", 3, today, page=KEY_PAGE))
    _send(selling, _line("A", 2, today - timedelta(minutes=1), type="owner", owner="lee@example.jp"))
    assert mails(selling) == [("kim@example.jp", "latent.surge"), ("lee@example.jp", "latent.surge")]


def test_a_subject_that_cannot_be_swept_stops_no_other_and_stays_due(runtime: Runtime) -> None:
    days = timedelta(days=181)
    _send(runtime, *(_stage(name, 1, NOW - days, "bad") for name in "ABC"))
    bad = _of(runtime, "B")
    with runtime.database.write() as connection:
        connection.execute(
            update(table).where(table.c.id == bad.id).values(state={**(bad.state or {}), "last_run": "yesterday"})
        )
    assert sweep(runtime).due == 2
    assert _of(runtime, "B").due == bad.due
    assert all(_decided(runtime, name)[-1][0] == "not_targeted.review" for name in "AC")


def test_without_time_nothing_is_swept(runtime: Runtime) -> None:
    _send(runtime, _stage("A", 1, NOW - timedelta(days=181), "bad"))
    assert sweep(runtime, has_time=lambda: False).due == 0
    assert _of(runtime, "A").version == 1


def test_a_sweep_up_to_a_date_runs_no_later_one(runtime: Runtime) -> None:
    _send(runtime, _stage("A", 1, NOW - timedelta(days=190), "bad"))
    today = local_day(NOW, runtime.ruleset.zone)
    assert sweep(runtime, today - 10).due == 1
    assert _decided(runtime, "A")[1:] == [("not_targeted.review", "not_targeted", 10)]
    assert sweep(runtime).due == 1
    assert _decided(runtime, "A")[2:] == [("not_targeted.review", "not_targeted", 9)]
