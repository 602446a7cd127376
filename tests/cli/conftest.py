"""Runs commands in this process, on a fresh database, as a person would on a terminal."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from connector.cli import commands
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from tests.conftest import plain_log
from tests.flow.senders import SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """The command line with its environment."""

    environ: Mapping[str, str]
    folder: Path
    runner: CliRunner = field(default_factory=CliRunner)

    def __call__(self, *words: str, code: int = 0, stdin: str | None = None, **environ: str) -> Result:
        """The result of a command, which must end with the exit code."""
        result = self.runner.invoke(commands, list(words), env={**self.environ, **environ}, input=stdin)
        assert result.exit_code == code, (words, result.output, result.exception)
        return result

    def json(self, *words: str, code: int = 0) -> Any:
        """The one JSON document that a command prints."""
        return json.loads(self(*words, "--json", code=code).stdout)

    def lines(self, *words: str, code: int = 0) -> list[Any]:
        """The JSON objects that a command prints, one a line."""
        return [json.loads(line) for line in self(*words, "--json", code=code).stdout.splitlines()]

    def error(self, *words: str, code: int = 2, **environ: str) -> str:
        """What a command says on standard error when it is used wrongly; it prints nothing else."""
        result = self(*words, code=code, **environ)
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        return result.stderr


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """Commands direct the log to their standard error, which ends with them."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(capture=False)
    plain_log()


def _cli(database_url: str, redis_url: str, folder: Path) -> Cli:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(folder / "data")}
    return Cli(environ={**environ, "THE_SECRET": SECRET}, folder=folder)


@pytest.fixture
def cli(sqlite_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line over a fresh SQLite database."""
    monkeypatch.chdir(tmp_path)
    return _cli(sqlite_url, redis_url, tmp_path)


@pytest.fixture
def any_cli(database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line over a fresh database of either kind."""
    monkeypatch.chdir(tmp_path)
    return _cli(database_url, redis_url, tmp_path)


@pytest.fixture
def empty_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line where nothing was set up."""
    monkeypatch.chdir(tmp_path)
    return Cli(environ={"CONNECTOR_DATA_DIR": str(tmp_path / "data")}, folder=tmp_path)


def opened(cli: Cli) -> Runtime:
    """The runtime of another process on the same database, such as the web server's; to be closed."""
    return Runtime(read_config(cli.environ, cli.folder))


@pytest.fixture
def server(cli: Cli) -> Iterator[Runtime]:
    """The runtime of the web server and the workers behind `cli`."""
    found = opened(cli)
    yield found
    found.close()


class Terminal(io.StringIO):
    """A stream that people look at."""

    def isatty(self) -> bool:
        return True


def ago(**span: float) -> str:
    """A time that far back, as lines have it."""
    return (datetime.now(UTC) - timedelta(**span)).isoformat()
