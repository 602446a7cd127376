"""Customers by their booked revenues, in whatever order the webhooks come, with a status of the company's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.operations import subjects as operations
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from tests.conftest import Clock, put_in_force
from tests.flow.senders import Sender, add_connection, drain

OWN = [{"code": "loyal_customer", "en": "Loyal customer", "ja": "ロイヤル顧客"}]
MAPPING = """
adapter: standard
region: JP
stages:
  deal: {open: project, booked: [order, loyal_customer]}
fields:
  phone: {from: phone, type: phone}
  company: {from: company, conflict: ours}
owner: {match: email, conflict: theirs}
"""


@pytest.fixture
def workspace(database_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CONNECTOR_DATA_DIR": str(tmp_path / "data"),
    }
    found = Runtime(read_config(environ, tmp_path), clock)
    found.redis.flushall()
    put_in_force(found, own_statuses=OWN)
    yield found
    found.close()


def _line(hour: int, **said: Any) -> dict[str, Any]:
    at = f"2026-03-02T{hour:02}:00:00+09:00"
    return {"id": f"e{hour}", "at": at, "subject": {"email": "a@example.jp"}, "kind": "lead", **said}


def _booked(hour: int, deal: str) -> dict[str, Any]:
    subject = {"id": deal, "email": "a@example.jp"}
    return _line(hour, type="stage", object="deal", stage="booked") | {"subject": subject}


LINES = [
    _booked(9, "D-1"),
    _booked(10, "D-1"),
    _booked(11, "D-2"),
    _booked(12, "D-1"),
]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)], ids=str)
def test_the_second_booked_revenue_makes_a_loyal_customer(workspace: Runtime, order: tuple[int, ...]) -> None:
    add_connection(workspace, mapping=MAPPING)
    sender = Sender(workspace)
    for place in order:
        sender.send(LINES[place])
        drain(workspace)
    found = operations.show(workspace, "a@example.jp")
    assert (found["status"], found["label"]) == ("loyal_customer", "Loyal customer")
    standing = [row for row in found["decisions"] if row["revised_at"] is None and row["rule"] == "jump"]
    told = [(row["facts"]["nth"], row["facts"]["of"]) for row in standing if row["reason"] is None]
    assert sorted(told) == [("1st", "deal"), ("2nd", "deal")]


def test_what_a_person_set_stays_or_gives_way_as_the_mapping_says(workspace: Runtime) -> None:
    other = "adapter: standard\nfields: {company: company}\n"
    add_connection(workspace, mapping=MAPPING)
    add_connection(workspace, "other", mapping=other)
    fields = {"company": "Acme", "phone": "03-1234-5678"}
    Sender(workspace).send(_line(9, type="owner", owner="kim@example.jp"), _line(10, type="profile", fields=fields))
    drain(workspace)
    Sender(workspace, "other").send(_line(8, type="profile", fields={"company": "Acme Inc."}))
    drain(workspace)
    operations.set_owner(workspace, "a@example.jp", "me@example.jp", actor="me")
    found = operations.show(workspace, "a@example.jp")
    assert (found["profile"], found["owner"]) == (
        {"company": "Acme Inc.", "phone": "+81312345678"},
        "kim@example.jp",
    )


def test_a_person_sets_an_own_status(workspace: Runtime) -> None:
    add_connection(workspace, mapping=MAPPING)
    Sender(workspace).send(_booked(9, "D-1"))
    drain(workspace)
    assert operations.set_status(workspace, "a@example.jp", "ロイヤル顧客", actor="me")["status"] == "loyal_customer"
