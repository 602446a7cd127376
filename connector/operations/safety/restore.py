"""Puts a backup in place of the database: checked before, never while anything runs, and whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from connector.operations.safety.backup import (
    ABOUT,
    POSTGRESQL,
    SQLITE,
    BadBackup,
    Content,
    content_of,
    copy_sqlite,
    run_program,
    write_private,
)
from connector.operations.safety.modes import UP_LOCK
from connector.runtime.settings import Config
from connector.runtime.vault import KEY_FILE
from connector.store.database import Database, database_url
from connector.store.migrations import is_known
from connector.store.sqlite.file import SqliteFile
from connector.store.tables import metadata

ASIDE: Final = ".replaced"
"""What the name of the former SQLite file, which is kept, ends with."""
_DRAFT: Final = ".restoring"
_SHARED_AT: Final = 0x40000002
_SHARED_BYTES: Final = 510
"""Where SQLite locks a file as long as it has it open in WAL mode (its file format, "SHARED_FIRST")."""
_OTHERS: Final = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'connector'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A backup that can be restored. `file`: the checked copy (SQLite) or the dump; `key`: its key file, if any."""

    content: Content
    file: Path
    key: Path | None


@contextmanager
def checked_backup(config: Config, source: Path) -> Iterator[Checked]:
    """A backup that was checked, until the block ends; see `check_backup`."""
    try:
        yield check_backup(config, source)
    finally:
        if config.is_sqlite:
            for ending in ("", "-wal", "-shm"):
                Path(f"{_path(config)}{_DRAFT}{ending}").unlink(missing_ok=True)


def _path(config: Config) -> Path:
    return Path(database_url(config.database_url).database or "")


def check_backup(config: Config, source: Path) -> Checked:
    """Check a folder that `back_up` made, or a SQLite file. Raises `BadBackup`."""
    wanted = SQLITE if config.is_sqlite else POSTGRESQL
    file = source / wanted if source.is_dir() else source
    if not file.is_file():
        message = f"there is no {wanted} in {source}: it is no backup of a database such as DATABASE_URL names"
        raise BadBackup(message)
    checked, content = _check_sqlite(config, file) if config.is_sqlite else (file, _about(source))
    if content.migration is None or not is_known(content.migration):
        message = f"{source} is of a newer version of the connector, or not its own ({content.migration})"
        raise BadBackup(message)
    key = source / KEY_FILE
    return Checked(content=content, file=checked, key=key if source.is_dir() and key.is_file() else None)


def restore(config: Config, backup: Checked) -> None:
    """Put the backup in place of what is there; the former SQLite file stays beside it. Raises `BadBackup`."""
    with _nobody_else(config):
        if config.is_sqlite:
            _replace_file(_path(config), backup.file)
        else:
            _replace_tables(config, backup.file)
        if backup.key is not None:
            _add_keys(config.data_dir / KEY_FILE, backup.key)


def _check_sqlite(config: Config, file: Path) -> tuple[Path, Content]:
    """A checked copy beside the place where it will be, and what it holds."""
    target = _path(config)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = Path(f"{target}{_DRAFT}")
    copy_sqlite(file, copy)
    database = Database(f"sqlite:///{copy}")
    try:
        content = content_of(database)
    except SQLAlchemyError as error:
        message = f"{file} holds no database of the connector"
        raise BadBackup(message) from error
    finally:
        database.close()
    return copy, content


def _about(folder: Path) -> Content:
    try:
        return Content(**json.loads((folder / ABOUT).read_text("ascii")))
    except (OSError, ValueError, TypeError) as error:
        message = f"{folder / ABOUT} cannot be read: restore a folder that `connector backup` made"
        raise BadBackup(message) from error


@contextmanager
def _nobody_else(config: Config) -> Iterator[None]:
    """Only while no part of the connector has the database open, and none starts."""
    with ExitStack() as stack:
        _lock(config.data_dir / UP_LOCK, stack, fcntl.flock, "`connector up` runs; end it first")
        if config.is_sqlite:
            path = _path(config)
            _lock(path, stack, _lock_as_sqlite, "another program has the database open; end every part first")
        else:
            _refuse_beside_others(config)
        yield


def _lock(path: Path, stack: ExitStack, lock: Callable[[int, int], None], wrong: str) -> None:
    if not path.exists():
        return
    file = stack.enter_context(path.open("r+b"))
    try:
        lock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        message = f"{wrong} (nothing was changed)"
        raise BadBackup(message) from error


def _lock_as_sqlite(handle: int, how: int) -> None:
    fcntl.lockf(handle, how, _SHARED_BYTES, _SHARED_AT)


def _refuse_beside_others(config: Config) -> None:
    database = Database(config.database_url)
    try:
        with database.read() as connection:
            count = connection.execute(_OTHERS).scalar_one()
    finally:
        database.close()
    if count:
        message = f"{count} connections of other parts use the database; end every part first (nothing was changed)"
        raise BadBackup(message)


def _replace_file(path: Path, copy: Path) -> None:
    """The old log goes with the old file: beside the new one it would spoil it."""
    for ending in ("", "-wal"):
        aside = Path(f"{path}{ASIDE}{ending}")
        aside.unlink(missing_ok=True)
        if Path(f"{path}{ending}").exists():
            Path(f"{path}{ending}").rename(aside)
    Path(f"{path}-shm").unlink(missing_ok=True)
    copy.replace(path)
    SqliteFile(path).unmark()
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _replace_tables(config: Config, dump: Path) -> None:
    """In one transaction: the tables that are there go, those of the backup come."""
    url = database_url(config.database_url)
    script = run_program("pg_restore", ["--no-owner", "--no-privileges", "--file=-", str(dump)], None)
    names = ", ".join(f'"{name}"' for name in ("alembic_version", *metadata.tables))
    options = ["--single-transaction", "--set=ON_ERROR_STOP=1", "--quiet", "--no-psqlrc"]
    run_program("psql", options, url, stdin=f"DROP TABLE IF EXISTS {names} CASCADE;\n{script}")


def _add_keys(path: Path, backup: Path) -> None:
    """The keys that are here stay in front: what is sealed from now on takes the first."""
    here = path.read_text("ascii").split() if path.exists() else []
    write_private(path, "".join(f"{key}\n" for key in dict.fromkeys([*here, *backup.read_text("ascii").split()])))
