"""Bitrix24 both ways against the emulated portal: webhook in, status decided, update back, echo told apart."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.serving import make_server

from connector.emulators.bitrix24.crm import Bitrix24Crm
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.engine.faults import Faults
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_pusher, build_reconciler
from connector.operations.imports.csv_import import import_csv
from connector.operations.imports.csv_rows import CsvOptions
from connector.runtime.parts import Runtime
from connector.store import outbox, subjects
from connector.store.subjects import SubjectRow
from connector.web.app import create_app
from tests.conftest import Clock
from tests.flow.end_to_end import playing
from tests.flow.senders import add_connection, drain

MAPPING = """
adapter: bitrix24
stages:
  lead:
    {NEW: latent, IN_PROCESS: appointment_prospect, PROCESSED: appointment_acquisition, JUNK: not_targeted}
  deal:
    "0": {NEW: project, WON: order, LOSE: lost_order}
owner: {from: ASSIGNED_BY_ID, match: email}
push:
  lead:
    status:
      appointment_prospect: {STATUS_ID: IN_PROCESS}
      latent: {STATUS_ID: NEW}
    fields: {UF_CRM_ABM_STATUS: "{status.label}", UF_CRM_ABM_SINCE: "{since.date}"}
    owner: ASSIGNED_BY_ID
"""


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def portal(clock: Clock) -> Iterator[Bitrix24Crm]:
    with Bitrix24Crm(now=clock, faults=Faults(seed=1)) as running:
        yield running


@pytest.fixture
def connected(runtime: Runtime, portal: Bitrix24Crm) -> Iterator[Bitrix24Crm]:
    """The portal with a connection to it, and its webhooks coming in over loopback."""
    _, secrets = portal.connection()
    add_connection(runtime, "tokyo", adapter="bitrix24", secrets=secrets, mapping=MAPPING, rate=500)
    server = make_server("127.0.0.1", 0, create_app(runtime.config, runtime), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    portal.subscribe(f"http://127.0.0.1:{server.server_port}/webhooks/tokyo")
    yield portal
    server.shutdown()
    thread.join(5)


def _settle(runtime: Runtime, portal: Bitrix24Crm) -> None:
    """Until nothing moves any more: webhooks arrive, are processed, and what they cause is pushed."""
    before = -1
    while before != (now := sum(book["accepted"] for book in balance(runtime).values())):
        before = now
        assert portal.drain(10)
        drain(runtime)
        build_pusher(runtime).drain(lambda: True)
        assert portal.drain(10)
    assert all(map(is_balanced, balance(runtime).values()))


def _only(runtime: Runtime) -> SubjectRow:
    with runtime.database.read() as connection:
        (row,) = subjects.listed(connection)
    return row


def test_a_lead_moved_by_people_gets_its_status_fields_and_the_echo_is_not_applied(
    runtime: Runtime, connected: Bitrix24Crm, clock: Clock
) -> None:
    lead = connected.portal.add(Entity.LEAD, {"title": "x", "assignedById": 11}, by=11, email="a@b.example")
    _settle(runtime, connected)
    clock.forward(minutes=30)
    connected.portal.move(Entity.LEAD, lead, "IN_PROCESS", by=11)
    _settle(runtime, connected)
    row = _only(runtime)
    assert row.status == "appointment_prospect"
    assert row.kind == "lead"
    record = connected.portal.find(Entity.LEAD, lead)
    assert record.get("UF_CRM_ABM_STATUS") == "Appointment prospect"
    assert connected.portal.stage_of(Entity.LEAD, lead) == "IN_PROCESS"
    with runtime.database.read() as connection:
        history = [(one.rule, one.after) for one in subjects.decisions_of(connection, row.id)]
    assert history == [("jump", "latent"), ("jump", "appointment_prospect")]


def test_a_status_that_time_changes_is_written_back_once_and_its_echo_is_told_apart(
    runtime: Runtime, connected: Bitrix24Crm, clock: Clock
) -> None:
    clock.now -= timedelta(days=100)
    lead = connected.portal.add(Entity.LEAD, {"title": "x", "assignedById": 11}, by=11, email="a@b.example")
    connected.portal.move(Entity.LEAD, lead, "JUNK", by=11, at=clock.now + timedelta(minutes=1))
    _settle(runtime, connected)
    assert _only(runtime).status == "not_targeted"
    with runtime.database.read() as connection:
        assert outbox.listed(connection)[0].outcome == "done"
    clock.forward(days=99)
    connected.portal.move(Entity.LEAD, lead, "IN_PROCESS", by=11)
    _settle(runtime, connected)
    assert _only(runtime).status == "appointment_prospect"
    assert connected.portal.find(Entity.LEAD, lead).get("UF_CRM_ABM_STATUS") == "Appointment prospect"


def test_an_owner_set_here_is_written_there_and_one_set_there_is_taken_here(
    runtime: Runtime, connected: Bitrix24Crm, clock: Clock
) -> None:
    lead = connected.portal.add(Entity.LEAD, {"title": "x", "assignedById": 11}, by=11, email="a@b.example")
    _settle(runtime, connected)
    first = _only(runtime).owner
    other = next(user for user in connected.portal.users.values() if user.id != 11 and user.is_active)
    clock.forward(hours=1)
    connected.portal.assign(Entity.LEAD, lead, other.id, by=11)
    _settle(runtime, connected)
    assert first != _only(runtime).owner == other.email


def test_what_webhooks_lost_is_found_by_reconciliation(runtime: Runtime, connected: Bitrix24Crm, clock: Clock) -> None:
    connected.faults.lost = 1.0
    lead = connected.portal.add(Entity.LEAD, {"title": "x", "assignedById": 11}, by=11, email="a@b.example")
    clock.forward(minutes=5)
    connected.portal.move(Entity.LEAD, lead, "IN_PROCESS", by=11)
    _settle(runtime, connected)
    with runtime.database.read() as connection:
        assert subjects.listed(connection) == []
    tokyo = runtime.connections.get("tokyo")
    assert tokyo is not None
    clock.forward(minutes=5)
    counts, has_updates = build_reconciler(runtime).reconcile(tokyo)
    assert counts["applied"] >= 2
    assert has_updates
    again, _ = build_reconciler(runtime).reconcile(tokyo)
    assert set(again) <= {"duplicate"}
    _settle(runtime, connected)
    assert _only(runtime).status == "appointment_prospect"


def test_a_portal_that_lies_is_refused_with_the_reason_and_a_retry_by_hand_ends_it(
    runtime: Runtime, connected: Bitrix24Crm, clock: Clock
) -> None:
    connected.faults.lying = 1.0
    connected.portal.add(Entity.LEAD, {"title": "x", "assignedById": 11}, by=11, email="a@b.example")
    for _ in range(5):
        _settle(runtime, connected)
        clock.forward(minutes=20)
    with runtime.database.read() as connection:
        (entry,) = outbox.listed(connection)
    assert entry.outcome == "dead"
    assert "UF_CRM_ABM_STATUS shows" in (entry.error or "")
    connected.faults.lying = 0.0
    with runtime.database.write() as connection:
        outbox.retry(connection, clock())
    _settle(runtime, connected)
    with runtime.database.read() as connection:
        assert outbox.listed(connection)[0].outcome == "done"


def test_a_stage_may_be_written_with_its_pipeline_in_mappings_pushes_and_files(runtime: Runtime, clock: Clock) -> None:
    portal = Bitrix24Crm(now=clock, faults=Faults(seed=1))
    mapping = """
adapter: bitrix24
stages: {deal: {5: {"C5:NEW": project, "C5:WON": order, "C5:LOSE": lost_order}}}
push: {deal: {status: {order: {STAGE_ID: "C5:WON"}}}}
"""
    with playing(runtime, portal, mapping) as run:
        deal = portal.portal.add(Entity.DEAL, {"title": "x", "categoryId": 5, "stageId": "C5:NEW"}, by=11)
        run.finish()
        assert run.subject().status == "project"
        clock.forward(hours=1)
        run.set_status("order")
        run.finish()
        assert portal.portal.stage_of(Entity.DEAL, deal) == "C5:WON"
        assert [event.kind for event in run.events("echo")] == ["stage"]
        clock.forward(hours=1)
        rows = f"ID,CATEGORY_ID,STAGE_ID,DATE_MODIFY\n{deal},5,C5:LOSE,{clock().isoformat()}\n"
        options = CsvOptions(object="deal", columns={"at": ("DATE_MODIFY",)})
        import_csv(runtime, run.name, io.BytesIO(rows.encode()), "deals.csv", options, actor="test")
        assert run.subject().status == "lost_order"
        with runtime.database.read() as connection:
            (record,) = subjects.records_of(connection, [run.subject().id])[run.subject().id]
        assert (record.stage, record.pipeline) == ("LOSE", "5")
