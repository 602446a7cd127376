"""`connector worker` and `connector scheduler` as processes: they outlive their Redis, and end when asked to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Worker

from connector.operations.doctor import balance
from connector.processes.redis_server import find_server
from connector.processes.scheduler import cron
from connector.processes.worker import WORKER_SECONDS, SteadyWorker, connect
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from tests.cli.conftest import Cli, ago
from tests.conftest import wait_for
from tests.flow.senders import Sender, add_connection

VISIT = {"id": "e1", "subject": {"id": "L-1"}, "type": "action", "action": "site_access"}


@dataclass(slots=True)
class Server:
    """A Redis of this test alone, on a socket, that keeps nothing when it is stopped."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder / 'own.sock'}"

    def start(self) -> None:
        binary = str(find_server(os.environ.get("PATH")))
        words = ["--port", "0", "--unixsocket", str(self.folder / "own.sock"), "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([binary, *words], stdout=subprocess.DEVNULL)
        wait_for(self.answers, "Redis")

    def answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as client:
                return bool(client.ping())
        except (RedisError, OSError):
            return False

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Parts:
    """Parts of the connector that run beside the test."""

    environ: dict[str, str]
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            part = subprocess.Popen(
                [sys.executable, "-m", "connector.cli", name],
                env={**os.environ, **self.environ},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self.running.append(part)
        return part

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def parts(cli: Cli, redis: Server) -> Iterator[Parts]:
    """Starts parts on the database of `cli`, with a Redis that can be killed."""
    found = Parts({**cli.environ, "REDIS_URL": redis.url, "CONNECTOR_REQUEUE_SECONDS": "1"}, cli.folder)
    yield found
    for part in found.running:
        part.kill()
        part.wait()


def _pending(server: Runtime) -> int:
    return balance(server)["shop"]["pending"]


def _workers(url: str) -> int:
    with Redis.from_url(url) as client:
        return Worker.count(connection=client)


def test_what_is_stored_is_found_by_scheduler_and_worker_also_after_redis_came_back_empty(
    cli: Cli, parts: Parts, redis: Server
) -> None:
    server = Runtime(read_config({**cli.environ, "REDIS_URL": "redis://127.0.0.1:9/0"}, cli.folder))
    add_connection(server)
    sender = Sender(server)
    worker, scheduler = parts.start("worker"), parts.start("scheduler")
    for key in ("first", "second"):
        assert sender.send({**VISIT, "id": key, "at": ago(days=1)}).status_code == 202
        wait_for(lambda: not _pending(server), "the delivery", 30.0)
        wait_for(lambda: _workers(redis.url) == 1, "the worker to say that it lives", 30.0)
        if key == "first":
            redis.kill()
            wait_for(lambda: "redis is away" in parts.said("scheduler"), "the scheduler to miss Redis", 30.0)
            redis.start()
    server.close()
    for part in (worker, scheduler):
        part.send_signal(signal.SIGTERM)
        assert part.wait(10) == 0
    assert "Traceback" not in parts.said("worker") + parts.said("scheduler")
    assert {one["outcome"] for one in cli.lines("delivery", "list")} == {"applied"}


def test_parts_end_when_asked_to_while_redis_is_away(parts: Parts, redis: Server) -> None:
    running = {name: parts.start(name) for name in ("worker", "scheduler")}
    wait_for(lambda: all(f"{name} started" in parts.said(name) for name in running), "the parts")
    redis.kill()
    wait_for(lambda: "redis is away" in parts.said("scheduler"), "the scheduler to miss Redis", 30.0)
    for part in running.values():
        part.send_signal(signal.SIGTERM)
    assert [part.wait(10) for part in running.values()] == [0, 0]


def test_parts_wait_for_a_redis_that_starts_after_them(parts: Parts, redis: Server) -> None:
    redis.kill()
    worker = parts.start("worker")
    wait_for(lambda: "redis is away" in parts.said("worker"), "the worker to miss Redis")
    redis.start()
    wait_for(lambda: _workers(redis.url) == 1, "the worker")
    worker.send_signal(signal.SIGINT)
    assert worker.wait(10) == 0


def test_a_worker_waits_on_redis_no_longer_than_its_connection_does(cli: Cli) -> None:
    client = connect(read_config(cli.environ, cli.folder))
    waits = SteadyWorker(["process"], connection=client, worker_ttl=WORKER_SECONDS).connection_timeout
    assert waits <= client.connection_pool.connection_kwargs["socket_timeout"] == WORKER_SECONDS
    client.close()


@pytest.mark.parametrize("name", ["web", "up"])
def test_an_address_that_is_taken_is_named(cli: Cli, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = cli(name, code=2, CONNECTOR_PORT=str(port))
    assert f"port {port} on 127.0.0.1 cannot be listened on" in result.output


def test_a_command_runs_with_its_garbage_collected_though_its_modules_were_imported_without() -> None:
    program = "import gc; from connector import cli; cli.commands = lambda **_: print(gc.isenabled(), end=' '); "
    program += (
        "cli.main(); cli.Commands('c').get_command(None, 'sweep'); print(gc.isenabled(), gc.get_freeze_count() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "False True True\n"


def test_the_console_script_runs_a_file_of_events(tmp_path: Path) -> None:
    line = {"at": "2026-03-01T10:00:00+09:00", "subject": "a", "type": "action", "action": "login"}
    (tmp_path / "e.jsonl").write_text(json.dumps(line))
    words = [sys.executable, "-m", "connector.cli", "simulate", "e.jsonl", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True)
    assert [json.loads(row)["subject"] for row in done.stdout.splitlines()] == ["a", "a"]


def test_a_start_of_the_scheduler_looks_at_once_for_what_waits(cli: Cli, redis_url: str) -> None:
    config = read_config(cli.environ, cli.folder)
    with Redis.from_url(redis_url) as client:
        found = cron(config, client)
        asked = [job.func_name for job in found.enqueue_jobs()]
        client.flushall()
    assert asked == [
        f"connector.processes.jobs.{name}" for name in ("requeue", "sweep", "reconcile", "remap", "subscribe")
    ]
    assert [job.interval for job in found.get_jobs()] == [5, 60, 900, 60, 120, None, None]
