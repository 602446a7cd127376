"""Catalogue and drift watch against the emulated portal: what is mapped and gone, what is new, who warns, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connector.emulators.bitrix24.crm import Bitrix24Crm
from connector.emulators.bitrix24.directory import Stage
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.engine.faults import Faults
from connector.operations import catalogs as operations
from connector.operations import doctor
from connector.operations.publishing import Publication, put_in_force
from connector.processes import jobs
from connector.processes.jobs import Jobs
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections, remaps
from tests.conftest import Clock
from tests.flow.senders import MAPPING as SHOP
from tests.flow.senders import Sender, add_connection, drain

SHIPPED = Path("mappings/demo-bitrix24.yaml").read_text("utf-8")
MAPPING = SHIPPED.replace("PREPAYMENT_INVOICE: project, ", "").replace(", APOLOGY: lost_order", "", 1)


@pytest.fixture
def portal(clock: Clock) -> Iterator[Bitrix24Crm]:
    with Bitrix24Crm(now=clock, faults=Faults(seed=1)) as running:
        yield running


@pytest.fixture
def tokyo(runtime: Runtime, portal: Bitrix24Crm) -> Connected:
    """A connection to the portal, whose mapping fits it."""
    secrets = {"webhook_url": [portal.webhook_url], "application_tokens": ["t" * 32]}
    add_connection(runtime, "tokyo", adapter="bitrix24", secrets=secrets, mapping=MAPPING, rate=500)
    found = runtime.connections.get("tokyo")
    assert found is not None
    return found


def change(portal: Bitrix24Crm) -> None:
    """The stage IN_PROCESS goes and CALLED comes; a text field goes and another comes."""
    stages = portal.portal.stages
    lead = [stage for stage in stages["STATUS"] if stage.status_id != "IN_PROCESS"]
    stages["STATUS"] = (*lead, Stage(id=999, status_id="CALLED", name="Called"))
    fields = portal.portal.customs[Entity.LEAD]
    fields["UF_CRM_NEW"] = fields["UF_CRM_ABM_SINCE"]
    del fields["UF_CRM_ABM_SINCE"]


def test_a_mapping_that_fits_has_no_drift(runtime: Runtime, tokyo: Connected, clock: Clock) -> None:
    assert operations.stored_drift(runtime, tokyo) == ()
    operations.ask(runtime, tokyo)
    assert operations.stored_drift(runtime, tokyo) == ()
    clock.forward(days=1)
    operations.ask(runtime, tokyo)
    with runtime.database.read() as connection:
        (kept,) = connections.list_catalogs(connection, "tokyo")
    assert kept.seen_at == clock()


def test_what_is_gone_and_what_is_new_is_shown_and_warned_of(
    runtime: Runtime, tokyo: Connected, portal: Bitrix24Crm, clock: Clock
) -> None:
    operations.ask(runtime, tokyo)
    change(portal)
    clock.forward(days=1)
    with capture_logs() as logs:
        operations.watch(runtime)
    found = [str(one) for one in operations.stored_drift(runtime, tokyo)]
    assert found == [
        "push / lead / UF_CRM_ABM_SINCE: the mapping names this field, the system does not have it",
        "stages / lead / IN_PROCESS: the mapping has this stage, the system does not have it any more",
        "stages / lead / CALLED (Called): the system has this stage, the mapping has no entry for it",
        "fields / lead / UF_CRM_NEW (UF_CRM_NEW): the system has this field since lately, it is not mapped",
    ]
    assert [one["what"] for one in logs if one["event"] == "mapping and system differ"] == found
    ignoring = MAPPING.replace("unmapped: hold", "unmapped: ignore").replace("  name: NAME\n", "  name: UF_CRM_NEW\n")
    put_in_force(runtime, "tokyo", Publication(source=ignoring), actor="kim")
    (checked,) = operations.drift(runtime, "tokyo")
    assert [one.is_gone for one in checked.found] == [True, True]


def test_the_doctor_names_the_connections_that_do_not_fit(
    runtime: Runtime, tokyo: Connected, portal: Bitrix24Crm, clock: Clock
) -> None:
    operations.ask(runtime, tokyo)
    clock.forward(days=1)
    assert [one.is_fine for one in doctor.examine(runtime) if one.name == "drift"] == [True]
    change(portal)
    operations.ask(runtime, tokyo)
    (finding,) = [one for one in doctor.examine(runtime) if one.name == "drift"]
    assert finding.detail == "mapping and system differ: tokyo (4); run `connector mapping drift`"
    assert [one.name for one in doctor.examine(runtime, with_account=False) if one.name == "drift"] == []


def test_a_file_is_checked_against_the_system_with_line_and_column(
    runtime: Runtime, tokyo: Connected, portal: Bitrix24Crm, clock: Clock
) -> None:
    assert operations.check_text(runtime, "tokyo", MAPPING, "tokyo.yaml") == []
    change(portal)
    clock.forward(days=1)
    operations.ask(runtime, tokyo)
    found = operations.check_text(runtime, "tokyo", MAPPING, "tokyo.yaml")
    lines = MAPPING.splitlines()
    assert [(one.column, lines[one.line - 1].strip().partition(":")[0]) for one in found] == [
        (5, "IN_PROCESS"),
        (3, "lead"),
    ]
    assert tokyo.name == "tokyo"


def test_a_system_that_fails_stops_no_other_and_a_paused_one_is_not_asked(
    runtime: Runtime, tokyo: Connected, portal: Bitrix24Crm
) -> None:
    portal.faults.server_error = 1.0
    page = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
    away = f"POST 127.0.0.1: answered 502: {page}"
    add_connection(runtime, "other")
    with runtime.database.write() as connection:
        now = runtime.clock()
        connections.add_catalog(connection, "other", {"stages": {}, "owners": [], "fields": {}}, now)
    with capture_logs() as logs:
        operations.watch(runtime)
    assert [(one["event"], one["connection"], one["error"]) for one in logs] == [("catalogue not read", "tokyo", away)]
    asked = operations.drift(runtime)
    assert [(one.connection, one.error) for one in asked] == [("other", None), ("tokyo", away)]
    assert [one.error for one in operations.drift(runtime, asks=False)] == [None, None]
    assert tokyo.name == "tokyo"


def test_many_differences_are_warned_of_in_one_line(runtime: Runtime, tokyo: Connected, portal: Bitrix24Crm) -> None:
    stages = portal.portal.stages
    more = (replace(stages["STATUS"][0], id=900 + number, status_id=f"S{number}") for number in range(25))
    stages["STATUS"] = (*stages["STATUS"], *more)
    with capture_logs() as logs:
        operations.watch(runtime)
    assert len(logs) == 21
    assert logs[-1]["more"] == 5
    assert tokyo.name == "tokyo"


def test_the_daily_jobs_watch_and_finish_what_publishing_has_left(runtime: Runtime, tokyo: Connected) -> None:
    jobs.install(Jobs(runtime))
    jobs.watch()
    with runtime.database.read() as connection:
        assert connections.newest_catalog(connection, tokyo.name) is not None
    add_connection(runtime)
    line = {"id": "e", "at": runtime.clock().isoformat(), "type": "stage", "object": "lead", "stage": "won"}
    Sender(runtime).send({**line, "subject": {"email": "a@example.jp"}})
    drain(runtime)
    put_in_force(runtime, "shop", Publication(source=SHOP, is_later=True), actor="kim")
    with runtime.database.read() as connection:
        left = remaps.newest(connection, "shop")
    jobs.remap()
    with runtime.database.read() as connection:
        done = remaps.newest(connection, "shop")
    assert left is not None
    assert done is not None
    assert (left.finished_at, done.finished_at) == (None, runtime.clock())
