"""Bitrix24 by an application, against the emulated portal: events registered by the job, deletions found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from connector.emulators.bitrix24.crm import Bitrix24Crm
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.engine.loopback import Loopback
from connector.i18n.statuses import labels_in
from connector.operations import connections
from connector.operations.flow import build_pusher, build_reconciler
from connector.operations.inspections import inspect
from connector.processes import jobs
from connector.processes.jobs import Jobs
from connector.runtime.parts import Runtime
from connector.store import subjects
from connector.web.app import create_app
from tests.conftest import Clock
from tests.flow.senders import add_connection, drain

MAPPING = """
adapter: bitrix24
stages: {lead: {NEW: latent, IN_PROCESS: appointment_prospect, PROCESSED: appointment_acquisition}}
push: {lead: {fields: {UF_CRM_ABM_STATUS: "{status.label}"}}}
"""


@pytest.fixture
def portal(runtime: Runtime, clock: Clock) -> Iterator[Bitrix24Crm]:
    """The portal with its application, a connection to it, and our web server at the public address."""
    jobs.install(Jobs(runtime))
    with Bitrix24Crm(now=clock) as running, Loopback(create_app(runtime.config, runtime)) as web:
        runtime.config = replace(runtime.config, public_url=web.url)
        secrets = {
            "client_secret": [running.application.client_secret],
            "refresh_token": [running.install(f"{web.url}/webhooks/tokyo?token=r0b0t")],
            "robot_token": ["r0b0t"],
        }
        settings: dict[str, Any] = {
            "client_id": running.application.client_id,
            "portal_url": running.url,
            "oauth_server": running.url,
        }
        add_connection(
            runtime,
            "tokyo",
            adapter="bitrix24",
            secrets=secrets,
            mapping=MAPPING,
            rate=500,
            offline_events=True,
            **settings,
        )
        assert running.drain(10)
        runtime.connections.forget()  # the event of the installation may have been looked up before there was one
        yield running


def _settle(runtime: Runtime, portal: Bitrix24Crm) -> None:
    for _ in range(3):
        assert portal.drain(10)
        drain(runtime)
        build_pusher(runtime).drain(lambda: True)


def _reconcile(runtime: Runtime) -> dict[str, int]:
    connected = runtime.connections.look_again("tokyo")
    assert connected is not None
    return dict(build_reconciler(runtime).reconcile(connected)[0])


def test_events_are_registered_come_in_and_go_out_and_a_deletion_that_nobody_told_is_found(
    runtime: Runtime, portal: Bitrix24Crm, clock: Clock
) -> None:
    jobs.subscribe()
    lead = portal.portal.add(Entity.LEAD, {"title": "x"}, by=1, email="a@customer.example")
    _settle(runtime, portal)
    clock.forward(hours=2)  # the access token is too old by now
    portal.portal.move(Entity.LEAD, lead, "IN_PROCESS", by=1)
    _settle(runtime, portal)
    with runtime.database.read() as connection:
        (row,) = subjects.listed(connection)
    assert row.status == "appointment_prospect"
    label = labels_in("en", runtime.ruleset.statuses.values())["appointment_prospect"]
    assert portal.portal.find(Entity.LEAD, lead).get("UF_CRM_ABM_STATUS") == label
    assert portal.tally["oauth.requests"] == 2
    portal.faults.lost = 1.0
    portal.portal.delete(Entity.LEAD, lead)
    _settle(runtime, portal)
    assert _reconcile(runtime)["applied"] == 1
    clock.forward(hours=1)
    assert set(_reconcile(runtime)) <= {"duplicate"}
    assert portal.application.queue == []
    topics = {one.topic: one.is_good for one in inspect(runtime, "tokyo") if one.topic not in {"mapping", "clock"}}
    assert topics == dict.fromkeys(("credentials", "scopes", "limits", "webhooks"), True)


def test_a_refresh_token_that_was_rotated_outlives_a_change_of_other_settings(
    runtime: Runtime, portal: Bitrix24Crm, clock: Clock
) -> None:
    jobs.subscribe()
    handlers = len(portal.application.handlers)
    connections.change(runtime, "tokyo", {"batch": 7}, actor="test")
    connections.rotate(runtime, "tokyo", {"robot_token": ("newer",)}, keeps_old=True, actor="test")
    clock.forward(hours=2)
    jobs.subscribe()
    assert [handler.url.endswith("?token=newer") for handler in portal.application.handlers] == [True] * handlers
    connections.remove(runtime, "tokyo", actor="test")
    with runtime.database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from connection_secrets").scalar() == 0
