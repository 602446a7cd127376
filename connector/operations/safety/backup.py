"""A backup: a folder with a consistent copy of the database and, by choice, the key of the secrets."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.engine import URL

from connector.core.errors import OperatorError
from connector.runtime.log import mask
from connector.runtime.parts import Runtime
from connector.runtime.settings import Config
from connector.runtime.vault import KEY_FILE
from connector.store.database import Database
from connector.store.migrations import present
from connector.store.sqlite.file import is_whole
from connector.store.tables import connections, deliveries, subjects

SQLITE: Final = "connector.sqlite"
POSTGRESQL: Final = "connector.pgdump"
ABOUT: Final = "backup.json"


class BadBackup(OperatorError):
    """A backup cannot be made, or cannot be restored; the message says why, and what to do."""

    reason = "bad_backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a database holds. `migration`: which tables it has; `newest_delivery`: in UTC, None: it has none."""

    migration: str | None
    connections: int
    subjects: int
    deliveries: int
    newest_delivery: str | None


def content_of(database: Database) -> Content:
    """What a database holds now. Raises what the database raises."""
    with database.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (connections, subjects, deliveries)
        ]
        newest = connection.execute(select(func.max(deliveries.c.received_at))).scalar()
    return Content(
        migration=present(database),
        connections=counts[0],
        subjects=counts[1],
        deliveries=counts[2],
        newest_delivery=None if newest is None else f"{newest:%Y-%m-%d %H:%M:%SZ}",
    )


def back_up(runtime: Runtime, to: Path, *, with_key: bool) -> Content:
    """Make a backup in a new folder, whole or not at all; what it holds. Raises `BadBackup`."""
    if to.exists():
        message = f"{to} exists already; name a new folder"
        raise BadBackup(message)
    draft = to.with_name(f"{to.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    try:
        content = _copy_database(runtime, draft)
        if with_key:
            write_private(draft / KEY_FILE, _keys(runtime.config))
        write_private(draft / ABOUT, json.dumps(asdict(content), indent=2) + "\n")
        draft.rename(to)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return content


def _copy_database(runtime: Runtime, folder: Path) -> Content:
    content = content_of(runtime.database)
    if runtime.database.file is None:
        words = ["--format=custom", "--no-owner", "--no-privileges", "--file", str(folder / POSTGRESQL)]
        run_program("pg_dump", words, runtime.database.url)
        (folder / POSTGRESQL).chmod(0o600)
        return content
    copy_sqlite(runtime.database.file.path, folder / SQLITE)
    copied = Database(f"sqlite:///{folder / SQLITE}")
    try:
        return content_of(copied)
    finally:
        copied.close()
        for ending in ("-wal", "-shm"):
            Path(f"{folder / SQLITE}{ending}").unlink(missing_ok=True)


def copy_sqlite(source: Path, to: Path) -> None:
    """Copy a SQLite database as it is at one moment, with what its log holds, into one file. Raises `BadBackup`."""
    write_private(to, "")
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(source.absolute()))}?mode=rw", uri=True)) as old,
            closing(sqlite3.connect(to)) as new,
        ):
            old.backup(new)
            if not is_whole(new):
                message = f"{source} is damaged; restore an earlier backup"
                raise BadBackup(message)
            new.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        message = f"{source} cannot be copied: {error}; see that it is a database, and that the disk has room"
        raise BadBackup(message) from error


def write_private(path: Path, text: str) -> None:
    """Write a file, for its owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def run_program(name: str, words: list[str], url: URL | None, stdin: str | None = None) -> str:
    """What one of PostgreSQL's programs prints, run on the database of a URL (None: on none). Raises `BadBackup`."""
    program = shutil.which(name)
    if program is None:
        message = f"{name} is not on the PATH; install PostgreSQL's client programs of the server's version"
        raise BadBackup(message)
    environ = dict(os.environ)
    if url is not None:
        plain = url.set(drivername="postgresql", password=None)
        words = [*words, "--dbname", plain.render_as_string(hide_password=False)]
        environ["PGPASSWORD"] = str(url.password or "")
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        [program, *words], env=environ, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = f"{name} failed: {mask(' '.join(done.stderr.split()))[:500]}"
        raise BadBackup(message)
    return done.stdout


def _keys(config: Config) -> str:
    """The keys in use, one a line."""
    if config.secret_keys:
        return "".join(f"{key}\n" for key in config.secret_keys)
    return (config.data_dir / KEY_FILE).read_text("ascii")
