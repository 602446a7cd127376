"""A backup made while webhooks come in is whole, and a restored one goes on: what came after it is asked for again."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.standard import Standard
from connector.adapter_kit.contract import Api
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_intake
from connector.runtime.parts import Runtime
from connector.store import deliveries
from connector.store.database import Database
from tests.cli.conftest import Cli, _log, any_cli, cli, opened
from tests.flow.senders import Sender, add_connection, drain
from tests.intake.workspace import delivery, receive
from tests.web.malformed import SHOP

__all__ = ["_log", "any_cli", "cli"]
VISIT = {"subject": {"id": "L-1"}, "type": "stage", "object": "lead", "stage": "talking"}
HOLD = """
import sys
from connector.store.database import Database
database = Database(sys.argv[1])
with database.read() as connection:
    connection.exec_driver_sql("SELECT count(*) FROM deliveries")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held_open() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes of the test that are to be ended."""
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for one in found:
        one.kill()
        one.communicate()


def hold(url: str) -> subprocess.Popen[bytes]:
    """A process that has the database open, as a worker that waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdout
    assert process.stdout.readline() == b"open\n"
    return process


def keys(url: str) -> list[str]:
    database = Database(url)
    with database.read() as connection:
        found = [one.key for one in deliveries.listed(connection, limit=100_000)]
    database.close()
    return found


def test_a_backup_made_while_webhooks_come_in_has_all_that_was_acknowledged_before(any_cli: Cli) -> None:
    web = opened(any_cli)
    add_connection(web, SHOP)
    intake, is_over, acknowledged = build_intake(web), threading.Event(), list[str]()

    def send(part: int) -> None:
        number = 0
        while not is_over.is_set():
            receive(intake, delivery(f"{part}_{number}"))
            acknowledged.append(f"{part}_{number}")
            number += 1

    senders = [threading.Thread(target=send, args=(part,)) for part in range(3)]
    for sender in senders:
        sender.start()
    try:
        while len(acknowledged) < 20:
            is_over.wait(0.01)
        before = set(acknowledged)
        said = any_cli("backup", "safe", "--with-key").stdout
    finally:
        is_over.set()
        for sender in senders:
            sender.join()
    web.close()
    assert "The backup is in safe, with the key of the secrets." in said
    assert "newest delivery" in any_cli("restore", "safe", "--yes").stdout
    any_cli("migrate")
    found = keys(any_cli.environ["DATABASE_URL"])
    lost, doubled = before - set(found), len(found) - len(set(found))
    assert (lost, doubled) == (set(), 0)
    again = opened(any_cli)
    assert is_balanced(balance(again)[SHOP])
    assert receive(build_intake(again), delivery("after")).status == 202
    again.close()


def test_what_came_after_the_backup_is_asked_for_again(any_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    server = opened(any_cli)
    add_connection(server)
    sender, at = Sender(server), datetime.now(UTC) - timedelta(hours=2)
    sender.send({**VISIT, "id": "e1", "at": at.isoformat()})
    drain(server)
    any_cli("backup", "safe")
    sender.send({**VISIT, "id": "e2", "at": (at + timedelta(hours=1)).isoformat(), "stage": "won"}, key="e2")
    drain(server)
    server.close()
    assert any_cli.json("subject", "show", "shop:lead:L-1")["status"] == "order"
    any_cli("restore", "safe", "--yes")
    assert any_cli.json("subject", "show", "shop:lead:L-1")["status"] == "appointment_prospect"
    won = Event(
        key="e2",
        at=at + timedelta(hours=1),
        kind=Kind.STAGE,
        stage="won",
        record=RecordRef(object="lead", id="L-1"),
        identities=(Identity(kind=IdentityKind.RECORD, value="lead:L-1"),),
    )

    def changes(_self: Standard, _since: datetime, _api: Api) -> Iterator[Event]:
        return iter([won])

    monkeypatch.setattr(Standard, "changes", changes)
    any_cli("reconcile")
    assert any_cli.json("subject", "show", "shop:lead:L-1")["status"] == "order"
    any_cli("account")


def test_nothing_is_restored_while_a_part_has_the_database_open(
    any_cli: Cli, held_open: list[subprocess.Popen[bytes]]
) -> None:
    server = opened(any_cli)
    add_connection(server, SHOP)
    any_cli("backup", "safe")
    receive(build_intake(server), delivery("after"))
    server.close()
    held_open.append(hold(any_cli.environ["DATABASE_URL"]))
    result = any_cli("restore", "safe", "--yes", code=1)
    assert "end every part first (nothing was changed)" in result.stderr
    assert keys(any_cli.environ["DATABASE_URL"]) == ["after"]
    held_open[0].kill()
    held_open[0].communicate()
    any_cli("restore", "safe", "--yes")
    assert keys(any_cli.environ["DATABASE_URL"]) == []


def test_a_damaged_file_beside_its_old_log_is_replaced_and_kept(cli: Cli) -> None:
    server = opened(cli)
    add_connection(server, SHOP)
    receive(build_intake(server), delivery("before"))
    assert server.database.file
    file = server.database.file.path
    cli("backup", "safe")
    server.close()
    file.write_bytes(b"damaged" * 5000)
    Path(f"{file}-wal").write_bytes(b"old log")
    cli("account", code=1)
    assert Path(f"{file}.damaged").exists()
    assert "is kept as connector.sqlite.replaced" in cli("restore", "safe", "--yes").stdout
    assert Path(f"{file}.replaced").read_bytes().startswith(b"damaged")
    assert not Path(f"{file}-wal").exists()
    assert not Path(f"{file}.damaged").exists()
    cli("migrate")
    assert keys(cli.environ["DATABASE_URL"]) == ["before"]


def test_the_key_is_in_it_by_choice_and_comes_back_behind_the_one_that_is_here(cli: Cli) -> None:
    server = opened(cli)
    add_connection(server, SHOP)
    server.close()
    key = cli.folder / "data" / "secret.key"
    old = key.read_text()
    cli("backup", "plain")
    cli("backup", "whole", "--with-key")
    assert not (cli.folder / "plain" / "secret.key").exists()
    assert {path.stat().st_mode & 0o777 for path in (cli.folder / "whole").iterdir()} == {0o600}
    key.unlink()
    assert "It has no key" in cli("restore", "plain", "--yes").stdout
    assert "none of the secret keys" in " ".join(cli("doctor", code=1).stdout.split())
    new = key.read_text()
    assert "It has the key of the secrets." in cli("restore", "whole", "--yes").stdout
    assert key.read_text() == new + old
    assert cli("connection", "list").stdout.count(SHOP) == 1


def test_who_says_no_has_nothing_replaced(cli: Cli) -> None:
    cli("backup", "safe")
    before = {path.name for path in cli.folder.iterdir()}
    cli("restore", "safe", code=1, stdin="n\n")
    assert {path.name for path in cli.folder.iterdir()} == before


def test_what_is_no_backup_is_refused_before_anything_is_replaced(any_cli: Cli) -> None:
    any_cli("backup", "safe")
    (any_cli.folder / "empty").mkdir()
    assert "it is no backup of a database such as" in any_cli("restore", "empty", code=1).stderr
    assert "safe exists already; name a new folder" in any_cli("backup", "safe", code=1).stderr
    (any_cli.folder / "text").write_text("what is this")
    assert any_cli("restore", "text", code=1).stderr.startswith("Error: ")
    any_cli("account")


def test_a_backup_of_a_newer_version_is_refused(any_cli: Cli) -> None:
    server: Runtime = opened(any_cli)
    with server.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    any_cli("backup", "safe")
    server.close()
    assert "is of a newer version of the connector" in any_cli("restore", "safe", "--yes", code=1).stderr


def test_without_postgresql_s_programs_it_says_what_to_install(any_cli: Cli) -> None:
    if any_cli.environ["DATABASE_URL"].startswith("sqlite"):
        any_cli("backup", "safe", PATH="")
        return
    assert "pg_dump is not on the PATH; install" in any_cli("backup", "safe", code=1, PATH="").stderr
    assert not (any_cli.folder / "safe").exists()
