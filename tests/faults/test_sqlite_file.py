"""A SQLite file that is replaced or damaged under running processes: all notice, and none acknowledges in vain."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from connector.intake.receive import NotStored
from connector.operations.doctor import balance, examine
from connector.operations.flow import build_intake
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store.migrations import migrate
from tests.flow.senders import add_connection, drain
from tests.intake.workspace import delivery, receive, stored
from tests.web.malformed import SHOP

PAGE = 4096


@pytest.fixture
def processes(sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[list[Runtime]]:
    """The runtimes of a web server and a worker, which both have the file open."""
    environ = {"DATABASE_URL": sqlite_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    found = [Runtime(read_config(environ, tmp_path)) for _ in range(2)]
    add_connection(found[0], SHOP)
    for one in found:
        assert list(one.connections.all()) == [SHOP]
    yield found
    for one in found:
        one.close()


def file_of(runtime: Runtime) -> Path:
    assert runtime.database.file
    return runtime.database.file.path


def database_check(runtime: Runtime) -> str:
    return next(one.detail for one in examine(runtime, with_account=False) if one.name == "database")


def spoil(file: Path) -> None:
    """Overwrite pages in the middle, as a disk does that fails, or a copy that was made while it was written to."""
    content = bytearray(file.read_bytes())
    for place in range(4 * PAGE, len(content) - PAGE, PAGE):
        content[place : place + PAGE] = b"\xff" * PAGE
    file.write_bytes(content)


def test_every_process_goes_over_to_a_file_that_replaced_theirs(processes: list[Runtime], tmp_path: Path) -> None:
    web, worker = processes
    intake = build_intake(web)
    file = file_of(web)
    receive(intake, delivery("before"))
    web.database.flush_log()
    backup = tmp_path / "backup.sqlite"
    shutil.copy(file, backup)
    receive(intake, delivery("lost with the old file"))
    for ending in ("-wal", "-shm"):
        Path(f"{file}{ending}").unlink(missing_ok=True)
    backup.replace(file)
    assert {one.key for one in stored(worker)} == {"before"}
    drain(worker)
    assert receive(intake, delivery("after")).status == 202
    assert {one.key for one in stored(worker)} == {"before", "after"}
    assert balance(worker)[SHOP]["pending"] == 1


def test_a_file_that_was_replaced_by_a_damaged_one_acknowledges_nothing(
    processes: list[Runtime], tmp_path: Path
) -> None:
    web, worker = processes
    intake = build_intake(web)
    file = file_of(web)
    web.database.flush_log()
    damaged = tmp_path / "damaged.sqlite"
    shutil.copy(file, damaged)
    spoil(damaged)
    damaged.replace(file)
    for number in range(20):
        with pytest.raises(NotStored):
            receive(intake, delivery(f"msg_{number}"))
    for one in processes:
        assert "is damaged" in database_check(one)
    with pytest.raises(OperationalError, match="found to be damaged"), worker.database.write():
        pass


def test_what_one_process_finds_damaged_no_other_writes_to(processes: list[Runtime]) -> None:
    web, worker = processes
    intake = build_intake(web)
    receive(intake, delivery("before"))
    assert worker.database.file
    worker.database.file.mark()
    with pytest.raises(NotStored):
        receive(intake, delivery("after"))
    assert {one.key for one in stored(web)} == {"before"}


def test_a_start_refuses_a_damaged_file_and_takes_one_that_was_mended(processes: list[Runtime], tmp_path: Path) -> None:
    web, _ = processes
    file, url = file_of(web), web.config.database_url
    web.database.flush_log()
    for one in processes:
        one.database.close()
    shutil.copy(file, tmp_path / "sound.sqlite")
    spoil(file)
    with pytest.raises(OperationalError, match="malformed"):
        migrate(url)
    assert "is damaged" in database_check(web)
    shutil.copy(tmp_path / "sound.sqlite", file)
    migrate(url)
    assert database_check(web) == ""
    assert receive(build_intake(web), delivery("after")).status == 202


def test_a_backup_copied_over_the_file_beside_its_old_log_is_not_started_on(
    processes: list[Runtime], tmp_path: Path
) -> None:
    web, worker = processes
    intake = build_intake(web)
    file = file_of(web)
    web.database.flush_log()
    shutil.copy(file, tmp_path / "backup.sqlite")
    for number in range(40):
        receive(intake, delivery(f"large_{number}"))
    log = Path(f"{file}-wal").read_bytes()
    for number in range(200):
        receive(intake, delivery(f"later_{number}"))
    for one in (web, worker):
        one.close()
    shutil.copy(tmp_path / "backup.sqlite", file)
    spoil(file)
    Path(f"{file}-wal").write_bytes(log)
    with pytest.raises(OperationalError, match="malformed"):
        migrate(web.config.database_url)
