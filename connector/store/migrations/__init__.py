"""Brings a database to the present tables by Alembic; any number of processes may try at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from connector.store.database import Database

_FOLDER: Final = Path(__file__).parent
_ADVISORY_LOCK: Final = 4_170_021


def migrate(url: str, to: str = "head") -> None:
    """Check the database, and run every migration that it lacks, in one transaction. Raises what the database raises.

    `to`: the id of the last one, for tests of a single one.
    """
    database = Database(url)
    try:
        if database.file is not None:
            database.file.make()
        database.check()
        with database.write() as connection:
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    finally:
        database.close()


def head() -> str:
    """The newest migration's id."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    return found or ""


def is_known(migration: str) -> bool:
    """Whether there is a migration of this id."""
    return migration in {one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()}


def present(database: Database) -> str | None:
    """The migration that the database stands at; None: it has no tables yet."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config
