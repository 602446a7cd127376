"""Opens the product for one command: settings, log, database; and says plainly when that is not possible."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from connector.cli.terminal import say
from connector.core.status import STATUSES, StatusInfo
from connector.operations.safety import advice
from connector.operations.safety.advice import NoDatabase
from connector.operations.safety.modes import close_to_others
from connector.processes.running import find_config
from connector.runtime.log import configure_log
from connector.runtime.parts import Runtime
from connector.runtime.settings import Config, read_config


def settings() -> Config:
    """The settings of the environment and `connector.toml`; what others could read is closed. Raises `WrongSetting`."""
    return _closed(read_config(os.environ, Path.cwd()))


def _closed(config: Config) -> Config:
    for line in close_to_others(config):
        say(line, err=True)
    return config


@contextmanager
def opened(*, needs_tables: bool = True) -> Iterator[Runtime]:
    """A runtime for one command; warnings go to standard error. Raises `WrongSetting` and `NoDatabase`."""
    config, elsewhere = find_config(os.environ, Path.cwd())
    if elsewhere:
        say(f"Of the product that runs on {elsewhere.data_dir}:", err=True)
    _closed(config)
    configure_log(level="warning", form=config.log_format, stream=sys.stderr)
    runtime = Runtime(config)
    if needs_tables and config.is_sqlite and not Path(runtime.database.url.database or "").exists():
        message = f"there is no database at {runtime.database.url.database}; {advice.MIGRATE}"
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
    except (SQLAlchemyError, CommandError) as error:
        raise NoDatabase(advice.explained(error, config.database_url)) from error
