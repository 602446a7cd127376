"""Where the benchmarks run: fresh databases of both kinds and a Redis, dropped and stopped afterwards."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from redis import Redis
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from benchmarks.lines import MAPPING, SECRET
from benchmarks.result import say
from connector.processes.redis_server import embedded_server
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import connections
from connector.store.database import Database, new_id
from connector.store.migrations import migrate

KINDS: Final = ("sqlite", "postgresql")
NAME: Final = "shop"
_POSTGRES: Final = "postgresql://postgres@127.0.0.1:5432"
_START_SECONDS: Final = 10


@contextmanager
def redis_url() -> Iterator[str]:
    """A Redis for nobody else: that of BENCH_REDIS_URL, whose database must be empty, else one started for the time."""
    given = os.environ.get("BENCH_REDIS_URL")
    if given is None:
        with _own_redis() as url:
            yield url
        return
    with Redis.from_url(given) as client:
        if client.dbsize():
            message = f"{given} is not empty; name a database that nobody uses, such as redis://127.0.0.1:6379/9"
            raise SystemExit(message)
        yield given
        client.flushdb()


@contextmanager
def _own_redis() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as folder:
        server = embedded_server(Path(folder), os.environ.get("PATH"))
        server.prepare(0)
        process = subprocess.Popen(server.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            assert process.stdin is not None
            process.stdin.write(server.configuration)
            process.stdin.close()
            until = time.monotonic() + _START_SECONDS
            while not server.answers():
                assert time.monotonic() < until, "the Redis for the benchmarks does not start"
                time.sleep(0.02)
            yield server.url
        finally:
            process.kill()
            process.wait()


def kinds() -> Sequence[str]:
    """The kinds of database that there are here."""
    server = Database(f"{_server()}/postgres")
    try:
        with server.engine.connect():
            return KINDS
    except OperationalError:
        say(f"no PostgreSQL at {_server()}: only SQLite is measured (BENCH_POSTGRES_URL names another)")
        return KINDS[:1]
    finally:
        server.close()


def _server() -> str:
    return os.environ.get("BENCH_POSTGRES_URL", _POSTGRES)


@contextmanager
def database_url(kind: str) -> Iterator[str]:
    """A fresh, migrated database."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if kind == "sqlite":
            url = f"sqlite:///{folder}/connector.sqlite"
            migrate(url)
            yield url
            return
    name = f"bench_{new_id(datetime.now(UTC)).lower()}"
    _administer(f"CREATE DATABASE {name}")
    try:
        url = f"{_server()}/{name}"
        migrate(url)
        yield url
    finally:
        _administer(f"DROP DATABASE {name} WITH (FORCE)")


def _administer(statement: str) -> None:
    server = Database(f"{_server()}/postgres")
    with server.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(statement))
    server.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A runtime over a fresh database, and the environment in which other processes find the same one."""

    runtime: Runtime
    environ: Mapping[str, str]


@contextmanager
def place(kind: str, redis: str) -> Iterator[Place]:
    """A place with one connection of the system `standard`; one lane, so that there is one worker's share."""
    with database_url(kind) as url, tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        environ = {"DATABASE_URL": url, "REDIS_URL": redis, "CONNECTOR_DATA_DIR": folder, "CONNECTOR_LANES": "1"}
        found = Runtime(read_config(environ, Path(folder)))
        try:
            add_connection(found)
            yield Place(runtime=found, environ=environ)
        finally:
            found.close()


def add_connection(runtime: Runtime) -> None:
    """Add the connection with its mapping; updates are asked for, and nobody sends them."""
    now = runtime.clock()
    row = {
        "id": new_id(now),
        "name": NAME,
        "adapter": "standard",
        "settings": {"url": "http://127.0.0.1:9/records/{record.id}"},
        "sealed": runtime.vault.encrypt(orjson.dumps({"secret": [SECRET]}).decode()),
        "is_paused": False,
        "created_at": now,
    }
    with runtime.database.write() as connection:
        connections.add(connection, row)
        connections.publish(connection, NAME, MAPPING, author="benchmark", comment="", now=now)
    runtime.connections.forget()
