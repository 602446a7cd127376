"""`connector up`: everything on one machine, in the foreground, under one log; Ctrl-C ends all of it."""

from __future__ import annotations

import fcntl
import http.client
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TextIO
from urllib.parse import urlsplit

import structlog
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from connector import __version__
from connector.core.errors import WrongSetting
from connector.operations.rules import first_version
from connector.operations.safety.advice import NoDatabase, explained
from connector.operations.safety.modes import UP_LOCK
from connector.processes.output import Lines, Output
from connector.processes.redis_server import BANNER, NoRedis, RedisServer, embedded_server
from connector.processes.running import listed, running_on, write_note
from connector.processes.supervisor import Part, Supervisor
from connector.processes.web_server import check_address
from connector.runtime import metrics
from connector.runtime.log import configure_log, mask
from connector.runtime.settings import Config
from connector.runtime.vault import open_vault
from connector.store.migrations import migrate

READY_SECONDS: Final = 30.0
_REDIS_SECONDS: Final = 20.0
_NAME: Final = "connector"

log: Final = structlog.get_logger(__name__)


def up(
    config: Config,
    *,
    environ: Mapping[str, str],
    output: TextIO,
    parts: Sequence[Part] | None = None,
    extra: Sequence[Part] = (),
) -> int:
    """Run everything until Ctrl-C, SIGTERM or the end of a part that ends all; the exit code. Only in the main thread.

    `parts`: in place of web, workers and scheduler; `extra`: started once the web server is ready. All of them get
    `environ` and the addresses of database, Redis and data directory. Raises `OperatorError` when it cannot start.
    """
    started = time.monotonic()
    lines = Output(output, config.log_format)
    configure_log(level=config.log_level, form=config.log_format, stream=Lines(lines, _NAME))
    supervisor = Supervisor(lines, time.monotonic)
    with _only_one(config), listed(config, environ), supervisor.signals():
        log.info("starting", version=__version__, data=str(config.data_dir))
        check_address(config.host, config.port)
        open_vault(config.secret_keys, config.data_dir)
        metrics.empty(config.metrics_dir)
        with _redis(config, supervisor, environ) as redis_url:
            log.info("preparing the database", database=mask(config.database_url))
            _migrate(config)
            log.info("starting the web server, the workers and the scheduler", workers=config.workers)
            shared = {**environ, **_addresses(config, redis_url)}
            _start(supervisor, standard_parts(config) if parts is None else parts, shared)
            _wait_until_ready(supervisor, config, started)
            _start(supervisor, extra, shared)
            while not supervisor.is_ending:
                supervisor.step()
            log.info("ending")
    log.info("ended")
    return supervisor.code


def standard_parts(config: Config) -> list[Part]:
    """Web server, workers and scheduler, each as the connector's own command of that name."""
    workers = [(f"worker-{number}", "worker", signal.SIGKILL) for number in range(1, config.workers + 1)]
    # granian passes a SIGTERM on to its processes; killed, it would leave them behind.
    named = [("web", "web", signal.SIGTERM), *workers, ("scheduler", "scheduler", signal.SIGKILL)]
    return [
        Part(name=name, command=(sys.executable, "-m", "connector.cli", word), environ={}, orphaned=orphaned)
        for name, word, orphaned in named
    ]


@contextmanager
def _only_one(config: Config) -> Iterator[None]:
    data_dir = config.data_dir
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(data_dir / UP_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        message = (
            f"the data directory {data_dir} cannot be written: {error.strerror}; set CONNECTOR_DATA_DIR to another"
        )
        raise WrongSetting(message) from error
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = running_on(data_dir)
            message = (
                f"`connector up` runs already on {data_dir} (process {other.process if other else 'unknown'}); "
                "stop it first, or set CONNECTOR_DATA_DIR and CONNECTOR_PORT for a second one"
            )
            raise WrongSetting(message) from error
        write_note(file, config)
        yield


@contextmanager
def _redis(config: Config, supervisor: Supervisor, environ: Mapping[str, str]) -> Iterator[str]:
    """The URL of the Redis to use; the embedded one is the last to end, and all parts end here."""
    server = None if config.redis_url else embedded_server(config.data_dir, environ.get("PATH"))
    try:
        if server:
            _start_redis(server, supervisor, environ)
        yield config.redis_url or (server.url if server else "")
    finally:
        supervisor.end()
        if server:
            server.withdraw()


def _start_redis(server: RedisServer, supervisor: Supervisor, environ: Mapping[str, str]) -> None:
    log.info("starting redis", program=str(server.binary))
    server.publish()
    part = Part(
        name="redis",
        command=server.command,
        environ=environ,
        stdin=server.configuration,
        prepare=server.prepare,
        hidden=BANNER,
        is_last=True,
    )
    supervisor.start(part)
    if not supervisor.wait(server.answers, _REDIS_SECONDS) and not supervisor.is_ending:
        message = f"{server.binary} does not answer after {_REDIS_SECONDS:.0f} s; the lines above say why"
        raise NoRedis(message)


def _addresses(config: Config, redis_url: str) -> dict[str, str]:
    return {
        "CONNECTOR_DATA_DIR": str(config.data_dir),
        "DATABASE_URL": config.database_url,
        "REDIS_URL": redis_url,
        "PYTHONUNBUFFERED": "1",
    }


def _migrate(config: Config) -> None:
    try:
        migrate(config.database_url)
        first_version(config)
    except (SQLAlchemyError, CommandError, OSError) as error:
        raise NoDatabase(explained(error, config.database_url)) from error


def _start(supervisor: Supervisor, parts: Sequence[Part], shared: Mapping[str, str]) -> None:
    for part in parts:
        if not supervisor.is_ending:
            supervisor.start(replace(part, environ={**shared, **part.environ}))


def _wait_until_ready(supervisor: Supervisor, config: Config, started: float) -> None:
    url = config.local_url
    while not supervisor.is_ending:
        if supervisor.wait(lambda: _readiness(url)[0], READY_SECONDS):
            log.info(
                "ready; Ctrl-C ends everything",
                webhooks=config.webhook_url("CONNECTION") if config.public_url else f"{url}/webhooks/CONNECTION",
                health=f"{url}/readyz",
                metrics=f"{url}/metrics",
                after_seconds=round(time.monotonic() - started, 1),
            )
            return
        if not supervisor.is_ending:
            log.warning("not ready yet", says=_readiness(url)[1])


def _readiness(url: str) -> tuple[bool, str]:
    """Whether /readyz says yes, and what it says."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status == http.client.OK, answer.read(4_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return False, str(error)
    finally:
        connection.close()
