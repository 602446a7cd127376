"""Opens the product for one command: settings, log, database; and says plainly when that is not possible."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from connector.core.errors import OperatorError
from connector.core.status import STATUSES, StatusInfo
from connector.runtime.log import configure_log, mask
from connector.runtime.parts import Runtime
from connector.runtime.settings import Config, read_config

_MIGRATE: Final = "run `connector migrate` (or `connector up`, which does so at its start)"
_NO_TABLES: Final = ("no such table", "no such column", "has no column")


class NoDatabase(OperatorError):
    """The database cannot be reached, or has not the present tables."""

    reason = "no_database"


def settings() -> Config:
    """The settings of the environment and `connector.toml`. Raises `WrongSetting`."""
    return read_config(os.environ, Path.cwd())


@contextmanager
def opened(*, needs_tables: bool = True) -> Iterator[Runtime]:
    """A runtime for one command; warnings go to standard error. Raises `WrongSetting` and `NoDatabase`."""
    config = settings()
    configure_log(level="warning", form=config.log_format, stream=sys.stderr)
    runtime = Runtime(config)
    if needs_tables and config.is_sqlite and not Path(runtime.database.url.database or "").exists():
        message = f"there is no database at {runtime.database.url.database}; {_MIGRATE}"
        raise NoDatabase(message)
    try:
        with explained(config):
            yield runtime
    finally:
        runtime.close()


def statuses_or_default() -> tuple[StatusInfo, ...]:
    """The workspace's statuses; without a database those of a new workspace. Raises `WrongSetting`."""
    try:
        with opened() as runtime:
            return runtime.statuses()
    except NoDatabase:
        return STATUSES


@contextmanager
def explained(config: Config) -> Iterator[None]:
    """Turn what the database says into a sentence. Raises `NoDatabase`."""
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        problem = _first_line(error)
        is_unprepared = isinstance(error, ProgrammingError) or any(words in problem for words in _NO_TABLES)
        if is_unprepared:
            message = f"the database {mask(config.database_url)} has not the present tables ({problem}); {_MIGRATE}"
        else:
            message = f"the database {mask(config.database_url)} cannot be used: {problem}; check DATABASE_URL"
        raise NoDatabase(message) from error


def _first_line(error: DBAPIError) -> str:
    """The first line of what the database itself says, without what is secret in it."""
    return mask(next(iter(str(error.orig).strip().splitlines()), type(error).__name__))
