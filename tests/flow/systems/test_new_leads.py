"""New leads of any connection go once into the emulated lead pool of Youyi, whatever fails on the way."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from connector.emulators.engine.faults import Faults
from connector.emulators.youyi.crm import YouyiPool
from connector.operations.connections import connected
from connector.operations.flow import build_pusher
from connector.operations.imports.csv_import import import_csv
from connector.operations.imports.csv_rows import CsvOptions
from connector.operations.outbox import retry
from connector.runtime.parts import Runtime
from connector.store import connections, outbox, subjects
from tests.conftest import Clock
from tests.flow.end_to_end import MAPPINGS
from tests.flow.senders import MAPPING, Sender, add_connection, drain

YOUYI = (MAPPINGS / "youyi.yaml").read_text()
FIELDS = MAPPING.replace("fields: {company: company}", "fields: {company: company, name: name}")


@pytest.fixture
def pool(runtime: Runtime, clock: Clock) -> Iterator[YouyiPool]:
    add_connection(runtime, mapping=FIELDS, url="")
    with YouyiPool(now=clock, faults=Faults(seed=1)) as pool:
        _bind(runtime, pool)
        yield pool


def _bind(runtime: Runtime, pool: YouyiPool) -> None:
    settings, secrets = pool.connection()
    add_connection(runtime, "youyi", adapter="youyi", secrets=secrets, mapping=YOUYI, **{"rate": 500, **settings})


def _tell(runtime: Runtime, clock: Clock, key: str, **line: Any) -> None:
    clock.forward(minutes=1)
    Sender(runtime).send({"id": key, "at": clock().isoformat(), **line}, key=key)
    drain(runtime)


def _lead(runtime: Runtime, clock: Clock, key: str, email: str = "sato@example.jp", **more: Any) -> None:
    fields = {"company": "株式会社例", "name": "佐藤"}
    _tell(runtime, clock, key, type="profile", kind="lead", subject={"email": email}, fields=fields, **more)


def _push(runtime: Runtime, clock: Clock, rounds: int = 1) -> list[tuple[str, str | None]]:
    for _ in range(rounds):
        build_pusher(runtime).push_batch("youyi")
        clock.forward(minutes=16)
    with runtime.database.read() as connection:
        return [(one.outcome, one.error) for one in outbox.listed(connection, name="youyi")]


def test_a_new_lead_goes_into_the_pool_once_whatever_is_told_of_it_later(
    runtime: Runtime, pool: YouyiPool, clock: Clock
) -> None:
    _lead(runtime, clock, "1")
    assert _push(runtime, clock) == [("done", None)]
    (lead,) = pool.leads.values()
    assert {name: value for name, value in lead.items() if name != "external_id"} == {
        "name": "佐藤",
        "email": "sato@example.jp",
        "company": "株式会社例",
    }
    _lead(runtime, clock, "1")
    _lead(runtime, clock, "2")
    _tell(runtime, clock, "3", type="stage", object="lead", stage="talking", subject={"email": "sato@example.jp"})
    assert _push(runtime, clock) == [("done", None)]
    assert pool.added == 1


def test_an_unknown_goes_into_the_pool_when_it_becomes_a_lead_and_two_that_are_one_are_one(
    runtime: Runtime, pool: YouyiPool, clock: Clock
) -> None:
    _tell(runtime, clock, "1", type="action", action="site_access", subject={"visitor": "v"})
    assert _push(runtime, clock) == []
    _lead(runtime, clock, "2")
    both = {"visitor": "v", "email": "sato@example.jp", "phone": "+81 90-1111-2222"}
    _tell(runtime, clock, "3", type="identify", kind="lead", subject=both)
    assert _push(runtime, clock) == [("done", None)]
    assert pool.added == 1
    _tell(runtime, clock, "4", type="action", action="site_access", subject={"visitor": "w"})
    _tell(runtime, clock, "5", type="identify", subject={"visitor": "w", "phone": "+81 90-1111-3333"})
    assert _push(runtime, clock)[0] == ("done", None)
    assert {lead.get("mobile") for lead in pool.leads.values()} == {"+819011112222", "+819011113333"}


def test_a_lead_that_was_known_before_the_binding_is_not_new(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime, mapping=FIELDS, url="")
    _lead(runtime, clock, "1")
    with YouyiPool(now=clock) as pool:
        _bind(runtime, pool)
        _lead(runtime, clock, "2")
        assert _push(runtime, clock) == []
        _lead(runtime, clock, "3", email="other@example.jp")
        assert _push(runtime, clock) == [("done", None)]


def test_an_import_brings_no_new_leads_but_for_a_file_that_is_said_to(
    runtime: Runtime, pool: YouyiPool, clock: Clock
) -> None:
    del pool
    options = CsvOptions(columns={"email": ["email"]})
    import_csv(runtime, "shop", io.BytesIO(b"id,email\n1,sato@example.jp\n"), "leads.csv", options, actor="test")
    _lead(runtime, clock, "1")
    assert _push(runtime, clock) == []
    options = CsvOptions(columns={"email": ["email"]}, is_new=True)
    import_csv(runtime, "shop", io.BytesIO(b"id,email\n2,other@example.jp\n"), "leads.csv", options, actor="test")
    assert _push(runtime, clock) == [("done", None)]


def test_a_push_that_fails_is_not_lost_and_one_whose_answer_is_lost_makes_no_second_lead(
    runtime: Runtime, pool: YouyiPool, clock: Clock
) -> None:
    pool.faults.server_error = 1.0
    _lead(runtime, clock, "1")
    ((outcome, error),) = _push(runtime, clock)
    assert (outcome, "502" in (error or "")) == ("waiting", True)
    pool.faults.server_error, pool.faults.lost_answer = 0.0, 0.6
    _push(runtime, clock, rounds=8)
    pool.faults.lost_answer = 0.0
    assert _push(runtime, clock, rounds=2) == [("done", None)]
    assert pool.added == 1


def test_a_pool_that_lies_is_found_out_and_the_lead_can_be_sent_by_hand(
    runtime: Runtime, pool: YouyiPool, clock: Clock
) -> None:
    pool.faults.lying = 1.0
    _lead(runtime, clock, "1")
    ((outcome, error),) = _push(runtime, clock, rounds=3)
    assert (outcome, error) == ("dead", "the lead was answered as taken and is not in the lead pool")
    pool.faults.lying = 0.0
    retry(runtime, name="youyi")
    assert _push(runtime, clock) == [("done", None)]
    assert pool.added == 1


def test_a_binding_can_be_tested_and_undone(runtime: Runtime, pool: YouyiPool, clock: Clock) -> None:
    one = connected(runtime, "youyi")
    assert [found.is_good for found in one.adapter.inspect("", runtime.api_for(one))] == [True]
    _lead(runtime, clock, "1")
    _push(runtime, clock)
    pool.forget_tokens()
    _lead(runtime, clock, "2", email="two@example.jp")
    assert _push(runtime, clock)[0] == ("done", None)
    with runtime.database.write() as connection:
        connections.change(connection, "youyi", removed_at=clock())
    runtime.connections.forget()
    _lead(runtime, clock, "3", email="three@example.jp")
    _push(runtime, clock)
    assert pool.added == 2
    with runtime.database.read() as connection:
        assert len(subjects.listed(connection)) == 3
