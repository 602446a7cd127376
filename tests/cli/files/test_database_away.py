"""Whatever is wrong with the database, every command says so in a sentence with what to do, and shows no traceback."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from connector.cli import commands
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from tests.cli.conftest import Cli, ago
from tests.flow.product import free_port
from tests.flow.senders import MAPPING, SECRET, Sender, add_connection, drain

WHO = "mai@example.com"
READING = [
    ("backup", "safe"),
    ("account",),
    ("connection", "list"),
    ("connection", "show", "shop"),
    ("connection", "test", "shop"),
    ("delivery", "list"),
    ("delivery", "quarantine"),
    ("delivery", "show", "01ABC"),
    ("doctor",),
    ("forecast", "--days", "3"),
    ("mapping", "check", "mapping.yaml", "--connection", "shop"),
    ("mapping", "diff", "shop", "mapping.yaml"),
    ("mapping", "export", "shop"),
    ("mapping", "held"),
    ("mapping", "show", "shop"),
    ("mapping", "versions", "shop"),
    ("outbox", "list"),
    ("rules", "diff", "rules.yaml"),
    ("rules", "export"),
    ("rules", "show"),
    ("rules", "versions"),
    ("rules", "what-if", "rules.yaml"),
    ("status",),
    ("subject", "duplicates"),
    ("subject", "export", WHO),
    ("subject", "list"),
    ("subject", "merges", WHO),
    ("subject", "show", WHO),
    ("subject", "why", WHO),
    ("subject", "why-not", WHO, "order"),
    ("what-if", "mapping.yaml", "--connection", "shop"),
]
WRITING = [
    ("connection", "add", "other", "--adapter", "standard", "--region", "JP", "--secret", "secret=@env:THE_SECRET"),
    ("connection", "change", "shop", "--set", "url=https://crm.example/"),
    ("connection", "pause", "shop"),
    ("connection", "remove", "shop"),
    ("connection", "rotate", "shop", "--secret", "secret=@env:THE_SECRET"),
    ("delivery", "replay", "--connection", "shop", "--outcome", "applied"),
    ("forget",),
    ("import", "shop", "--csv", "leads.csv", "--object", "lead"),
    ("mapping", "draft", "shop", "other.yaml"),
    ("mapping", "publish", "shop", "other.yaml", "--confirm"),
    ("mapping", "rollback", "shop", "1"),
    ("reconcile", "shop"),
    ("rules", "draft", "rules.yaml"),
    ("rules", "publish", "rules.yaml", "--confirm"),
    ("subject", "erase", WHO, "--yes"),
    ("subject", "set-owner", WHO, "kim@example.com"),
    ("subject", "set-status", WHO, "order"),
    ("subject", "tag", WHO, "add", "vip"),
    ("sweep", "--as-of", str((datetime.now(UTC) + timedelta(days=100)).date())),
]
NOTHING_TO_DO = [
    ("connection", "resume", "shop"),
    ("delivery", "verify", "shop"),
    ("delivery", "send", "shop"),
    ("mapping", "drift", "shop"),
    ("outbox", "retry", "--all"),
    ("rules", "rollback", "1"),
    ("subject", "keep-apart", WHO, "shop:lead:2"),
    ("subject", "merge", WHO, "shop:lead:2"),
    ("subject", "run", WHO, "latent.warm"),
    ("subject", "split", "01ABC"),
]
"""They would write, and find nothing here to write or refuse it before."""
ELSEWHERE = {("adapter", "new"), ("demo",), ("rules", "check"), ("scheduler",), ("simulate",), ("up",), ("web",)}
ELSEWHERE |= {("worker",), ("migrate",), ("completion",), ("restore",)}
"""Without a database, or with tests of their own."""


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found
        yield from leaves(found, (*path, name))


def test_every_command_is_tried_here() -> None:
    tried = {words[:2] if words[:2] in set(leaves(commands)) else words[:1] for words in WRITING + READING}
    tried |= {words[:2] for words in NOTHING_TO_DO}
    assert tried | ELSEWHERE == set(leaves(commands))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Path:
    """A data directory with a connection and a subject."""
    folder = tmp_path_factory.mktemp("filled")
    shutil.copy(_sqlite_template, folder / "connector.sqlite")
    runtime = Runtime(read_config({"CONNECTOR_DATA_DIR": str(folder)}, folder))
    add_connection(runtime)
    visit = {"id": "e1", "at": ago(days=1), "subject": {"id": "1", "email": WHO}, "type": "stage", "object": "lead"}
    Sender(runtime).send({**visit, "stage": "new"})
    drain(runtime)
    runtime.close()
    return folder


@pytest.fixture
def shop(filled: Path, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(filled, tmp_path / "data")
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "other.yaml").write_text(MAPPING.replace("bad: not_targeted", "bad: not_targeted, lost: lost_order"))
    (tmp_path / "rules.yaml").write_text("timezone: Asia/Tokyo\n")
    (tmp_path / "leads.csv").write_text("id,email,stage\n7,kim@example.com,new\n")
    environ = {"CONNECTOR_DATA_DIR": str(tmp_path / "data"), "REDIS_URL": redis_url, "THE_SECRET": SECRET}
    return Cli(environ=environ, folder=tmp_path)


def missing(file: Path) -> None:
    file.unlink()


def damaged(file: Path) -> None:
    file.write_bytes(b"what is this" * 1000)


def without_tables(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (missing, "there is no database at .*; run `connector migrate`"),
        (damaged, "is damaged: file is not a database; end all parts, then run `connector restore`"),
        (
            without_tables,
            "(has not the present tables: no such table: .*|stands at nothing, .*); run `connector migrate`",
        ),
    ],
)
@pytest.mark.parametrize("words", READING + WRITING + NOTHING_TO_DO, ids=" ".join)
def test_without_a_database_every_command_says_what_to_do(
    shop: Cli, words: tuple[str, ...], fault: Callable[[Path], None], said: str
) -> None:
    fault(shop.folder / "data" / "connector.sqlite")
    assert_sentence(shop, words, said)


@pytest.mark.parametrize("words", READING + WRITING + NOTHING_TO_DO, ids=" ".join)
def test_a_refused_connection_is_said_by_every_command(shop: Cli, words: tuple[str, ...]) -> None:
    url = f"postgresql://me:hidden@127.0.0.1:{free_port()}/none"
    said = "cannot be used: .*Connection refused.*; check DATABASE_URL, and that the database server runs"
    assert "hidden" not in assert_sentence(shop, words, said, DATABASE_URL=url)


def assert_sentence(cli: Cli, words: tuple[str, ...], said: str, **environ: str) -> str:
    result = cli(*words, code=1, **environ)
    assert re.search(said, result.output.replace("\n", " "))
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture
def read_only() -> Iterator[None]:
    """SQLite as for a user who may not write the file."""

    def refuse(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA query_only=ON")

    event.listen(Pool, "connect", refuse)
    yield
    event.remove(Pool, "connect", refuse)


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("words", WRITING, ids=" ".join)
def test_a_database_that_may_only_be_read_is_said_by_what_writes(shop: Cli, words: tuple[str, ...]) -> None:
    assert_sentence(shop, words, "cannot be written: attempt to write a readonly database; run this as the user")


@pytest.mark.parametrize("words", [*WRITING, ("migrate",)], ids=" ".join)
def test_a_folder_that_may_not_be_written_is_said_by_what_writes(shop: Cli, words: tuple[str, ...]) -> None:
    lock = shop.folder / "data" / "connector.sqlite.lock"
    lock.unlink()
    lock.mkdir()  # for the tests' user may write everywhere
    assert_sentence(
        shop, words, r"cannot be written: .*connector.sqlite.lock cannot be written: .*; run this as the user"
    )


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("words", READING + NOTHING_TO_DO, ids=" ".join)
def test_what_only_reads_shows_no_traceback_either(shop: Cli, words: tuple[str, ...]) -> None:
    result = shop.runner.invoke(commands, list(words), env=dict(shop.environ))
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_database_of_a_newer_version_is_said(shop: Cli) -> None:
    runtime = Runtime(read_config(shop.environ, shop.folder))
    with runtime.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    runtime.close()
    assert_sentence(shop, ("migrate",), "is of a newer version of the connector: .*; install that version")
