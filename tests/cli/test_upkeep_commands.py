"""`connector account`, `doctor`, `sweep`, `reconcile`, `migrate`: what keeps the product right, by hand."""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis import Redis
from rq import Queue, Worker
from sqlalchemy import update

from adapters.standard import Standard
from connector.adapter_kit.contract import Api
from connector.cli import COMMANDS, commands
from connector.cli.session import settings
from connector.cli.terminal import actor, shown_as
from connector.core.errors import CrmUnavailable
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.runtime.parts import Runtime
from connector.runtime.redis import redis_url
from connector.store.tables import accepted
from tests.cli.conftest import Cli, ago, opened
from tests.flow.senders import Sender, add_connection, drain

VISIT: dict[str, Any] = {"id": "e1", "subject": {"id": "L-1"}, "type": "action", "action": "site_access"}


@pytest.fixture(autouse=True)
def _no_wakes(redis_url: str) -> Iterator[None]:
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
        yield
        redis.flushall()


def test_the_account_adds_up_and_says_so(any_cli: Cli) -> None:
    server = opened(any_cli)
    add_connection(server)
    sender = Sender(server)
    for key in ("a", "b", "a"):
        sender.send({**VISIT, "id": key, "at": ago(days=1)}, key=key)
    drain(server)
    server.close()
    (row,) = any_cli.lines("account")
    assert (row["accepted"], row["applied"], row["duplicate"], row["quarantined"]) == (3, 2, 1, 0)
    assert row["is_balanced"] is True
    assert "adds up" in any_cli("account").stdout


def test_an_account_that_does_not_add_up_ends_with_1(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    Sender(server).send({**VISIT, "at": ago(days=1)})
    with server.database.write() as connection:
        connection.execute(update(accepted).values(count=2))
    result = cli("account", code=1)
    assert "does not add up" in result.stderr
    assert cli.lines("account", code=1)[0]["is_balanced"] is False
    assert "account" in cli("doctor", code=1).stdout


def test_the_doctor_names_what_is_wrong_and_what_to_do(cli: Cli) -> None:
    result = cli("doctor", code=1)
    assert "database     fine" in result.stdout
    assert "workers      WRONG  no worker" in result.stdout
    assert {one["name"] for one in cli.lines("doctor", code=1)} >= {"database", "redis", "workers", "account"}


def test_the_doctor_also_sees_a_database_without_tables(empty_cli: Cli) -> None:
    (empty_cli.folder / "data").mkdir()
    assert "run `connector migrate`" in empty_cli("doctor", code=1).stdout


def test_the_status_shows_on_one_screen_what_runs_what_waits_and_what_is_wrong(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    Sender(server).send({**VISIT, "at": ago(days=1)})
    found = cli.json("status", code=1)
    (shop,) = found["connections"]
    assert (found["workers"], found["schedulers"], found["notices"]) == (0, 0, 0)
    assert (shop["connection"], shop["deliveries"], shop["held"], shop["outbox_dead"]) == ("shop", 1, 0, 0)
    text = cli("status", code=1).stdout
    assert "workers        0\n" in text
    assert "WRONG  workers: no worker takes deliveries; start `connector worker`" in text
    assert re.search(r"^shop +standard +no +\d{4}-\d\d-\d\d.* 1 ", text, re.MULTILINE)


def test_the_status_says_what_waits_to_be_sent_and_that_all_is_fine(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    Sender(server).send({**VISIT, "at": ago(days=1)})
    drain(server)
    worker = Worker(["process"], connection=server.redis)
    worker.register_birth()  # type: ignore[no-untyped-call]
    try:
        found = cli.json("status")
        assert found["workers"] == 1
        assert found["connections"][0]["outbox_waiting"] == 1
        assert cli("status").stdout.endswith("\nNothing is wrong.\n")
    finally:
        worker.register_death()  # type: ignore[no-untyped-call]


def test_the_status_without_redis_or_tables_still_says_what_is_wrong(cli: Cli, empty_cli: Cli) -> None:
    away = cli("status", code=1, REDIS_URL="redis://127.0.0.1:1/0").stdout
    assert "workers        not known while redis is away" in away
    assert "WRONG  redis: redis cannot be reached" in away
    (empty_cli.folder / "data").mkdir(exist_ok=True)
    assert "run `connector migrate`" in empty_cli("status", code=1).stdout


def test_a_sweep_runs_the_daily_rules_up_to_a_date(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    Sender(server).send({**VISIT, "at": ago(days=1)})
    drain(server)
    assert cli.lines("subject", "list")[0]["status"] == "latent"
    assert cli.json("sweep")["due"] == 0
    day = (datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(days=120)).date()
    result = cli("sweep", "--as-of", day.isoformat())
    assert result.stdout == f"1 subjects were due up to {day}.\n"
    assert "in the future" in result.stderr
    assert cli.lines("subject", "list")[0]["status"] == "not_set"
    assert Queue("push", connection=server.redis).count == 1


def test_reconcile_takes_what_webhooks_missed(cli: Cli, server: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    add_connection(server)
    at = datetime.now(UTC) - timedelta(days=1)
    event = Event(
        key="s1",
        at=at,
        kind=Kind.STAGE,
        stage="talking",
        record=RecordRef(object="lead", id="9"),
        identities=(Identity(kind=IdentityKind.RECORD, value="lead:9"),),
    )

    def changes(_self: Standard, since: datetime, _api: Api) -> Iterator[Event]:
        return iter([event] if since < at else [])

    monkeypatch.setattr(Standard, "changes", changes)
    assert cli("reconcile").stdout == "shop: 1 applied\n"
    assert cli("reconcile", "shop").stdout == "shop: nothing changed\n"
    assert cli.lines("reconcile", "shop") == [{"connection": "shop", "events": {}, "error": None}]
    assert cli.json("subject", "show", "shop:lead:9")["status"] == "appointment_prospect"
    assert cli.json("connection", "show", "shop")["reconciled_at"] is not None
    assert "found by it" not in cli("connection", "show", "shop").stdout
    at = datetime.now(UTC)
    event = replace(event, key="s2", at=at, stage="meeting")
    cli("reconcile", "shop")
    assert "1 events that no webhook brought" in cli("connection", "show", "shop").stdout


def test_a_system_that_does_not_answer_stops_no_other(
    cli: Cli, server: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_connection(server, "a")
    add_connection(server, "b")
    add_connection(server, "paused")
    cli("connection", "pause", "paused")

    def changes(self: Standard, _since: datetime, _api: Api) -> Iterator[Event]:
        if "127.0.0.1" in self.url:
            message = "it is away"
            raise CrmUnavailable(message)
        return iter(())

    cli("connection", "change", "b", "--set", "url=https://crm.example")
    monkeypatch.setattr(Standard, "changes", changes)
    result = cli("reconcile", code=1)
    assert (result.stdout, result.stderr) == ("b: nothing changed\n", "a: it is away\n")
    assert cli.lines("reconcile", code=1)[0]["error"] == "it is away"


def test_a_mistake_in_an_adapter_stops_no_other_connection(
    cli: Cli, server: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_connection(server, "a")
    add_connection(server, "b", url="https://crm.example")

    def changes(self: Standard, _since: datetime, _api: Api) -> Iterator[Event]:
        if "127.0.0.1" in self.url:
            raise KeyError(self.url)
        return iter(())

    monkeypatch.setattr(Standard, "changes", changes)
    result = cli("reconcile", code=1)
    assert result.stdout == "b: nothing changed\n"
    assert "a: the adapter standard failed with KeyError" in result.stderr
    assert "please report it" in result.stderr


def test_migrate_makes_the_database_ready(empty_cli: Cli) -> None:
    assert "run `connector migrate`" in empty_cli.error("account", code=1)
    assert empty_cli("migrate").stdout == "The database has the present tables.\n"
    assert empty_cli("account").stdout == "No connection yet.\n"


def test_an_embedded_redis_is_found_by_its_file(cli: Cli, redis_url: str) -> None:
    folder = cli.folder / "data" / "redis"
    folder.mkdir(parents=True)
    (folder / "url").write_text(redis_url)
    rows = [json.loads(line) for line in cli("doctor", "--json", code=1, REDIS_URL="").stdout.splitlines()]
    assert [one["is_fine"] for one in rows if one["name"] == "redis"] == [True]


def test_what_a_killed_up_left_behind_does_not_keep_the_next_one_from_its_redis(
    empty_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = empty_cli.folder / "data" / "redis"
    folder.mkdir(parents=True)
    (folder / "url").write_text("redis://127.0.0.1:9/0")
    monkeypatch.setenv("CONNECTOR_DATA_DIR", str(empty_cli.folder / "data"))
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert (settings().redis_url, redis_url(settings())) == (None, "redis://127.0.0.1:9/0")


def test_help_lists_every_command_and_each_has_help_of_its_own(cli: Cli) -> None:
    text = cli("--help").stdout
    for name in COMMANDS:
        assert f"  {name}" in text
        if name != "demo":
            assert "Usage:" in cli(name, "--help").stdout


def test_an_unknown_user_of_the_machine_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert actor() == f"uid {os.getuid()}"


def test_values_are_shown_on_one_line_without_signs_for_the_terminal() -> None:
    at = datetime(2026, 3, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert shown_as({"a": [at, True, None], "b": "x\x1b[1m\ny"}) == "a=2026-03-01 02:03:04Z, yes, , b=x [1m y"


def test_the_group_is_the_console_script() -> None:
    assert commands.name == "commands"
    assert Path(__file__).parents[2].joinpath("pyproject.toml").read_text().count("connector.cli:main") == 1


def test_what_was_kept_long_enough_is_let_go_at_once(cli: Cli) -> None:
    assert cli("forget").stdout == (
        "0 bodies of deliveries and 0 quarantined deliveries were dropped; "
        "0 old events keep what their subjects' history needs.\n"
    )
    assert cli.json("forget") == {"bodies": 0, "quarantined": 0, "events": 0}
