"""`connector up`: starts in order, restarts what dies, ends everything, goes on when started again, runs once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from connector.core.errors import WrongSetting
from connector.processes.running import find_config
from connector.processes.up import standard_parts
from connector.processes.web_server import check_address
from connector.runtime.redis import redis_url
from connector.runtime.settings import Config, read_config
from connector.store.database import Database
from connector.store.migrations import head, present
from tests.conftest import wait_for

STAND_IN = """
import http.server, os, sys
from redis import Redis
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        Redis.from_url(os.environ["REDIS_URL"]).ping()
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
print("web is", os.getpid(), flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["CONNECTOR_PORT"])), Ready).serve_forever()
"""
WORK = (
    "import os, time; print(os.environ['DATABASE_URL'], os.environ['CONNECTOR_DATA_DIR'], flush=True); time.sleep(600)"
)
PROGRAM = f"""
import os, sys
from pathlib import Path
from connector.processes.supervisor import Part
from connector.core.errors import OperatorError
from connector.runtime.settings import read_config
from connector.processes.up import up
web = Part(name="web", command=(sys.executable, "-c", {STAND_IN!r}), environ={{}})
work = Part(name="worker-1", command=(sys.executable, "-c", {WORK!r}), environ={{"EXTRA": "1"}})
demo = (sys.executable, "-c", "print('demo', flush=True); input()")
last = Part(name="demo", command=demo, environ={{}}, ends_all=True)
try:
    config = read_config(os.environ, Path.cwd())
    extra = [last] if "once" in sys.argv else []
    sys.exit(up(config, environ=os.environ, output=sys.stdout, parts=[web, work], extra=extra))
except OperatorError as error:
    sys.exit(str(error))
"""


class Started:
    """A started `up` with stand-ins for its parts, and what it has written so far."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=folder,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.text += line

    def wait_for(self, text: str, times: int = 1) -> None:
        wait_for(lambda: self.text.count(text) >= times, f"{text!r} in {self.text}")

    def end(self, sent: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(sent)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(15)
        self._reader.join(5)
        return code


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"CONNECTOR_PORT": str(free_port()), "CONNECTOR_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def started(tmp_path: Path, environ: dict[str, str]) -> Iterator[Started]:
    found = Started(tmp_path, environ)
    yield found
    if found.process.poll() is None:
        found.end(signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_starts_everything_says_where_and_ends_everything(
    started: Started, tmp_path: Path, environ: dict[str, str]
) -> None:
    started.wait_for("ready; Ctrl-C ends everything")
    data = tmp_path / "data"
    assert f"webhooks=http://127.0.0.1:{environ['CONNECTOR_PORT']}/webhooks/CONNECTION" in started.text
    assert f"worker-1   | sqlite:///{data}/connector.sqlite {data}\n" in started.text
    url = redis_url(config_in(data))
    assert url
    database = Database(f"sqlite:///{data}/connector.sqlite")
    assert present(database) == head()
    database.close()
    assert started.end() == 0
    assert started.text.splitlines()[-1].endswith("ended")
    assert _pid(url) is None
    assert data.stat().st_mode & 0o777 == 0o700
    lines = [line for line in started.text.splitlines() if "worker-1" not in line]
    says = ("starting version=", "starting redis program=", "preparing the database", "starting the web server")
    assert all(f" info     {words}" in line for words, line in zip(says, lines, strict=False)), lines
    assert "is starting" not in started.text
    assert url.split("@")[0].split(":")[-1] not in started.text


def test_a_second_terminal_finds_data_and_address_of_what_runs(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "elsewhere"
    other.mkdir()
    users = {"XDG_STATE_HOME": str(home)}
    first = Started(tmp_path, {**users, "CONNECTOR_PORT": (port := str(free_port()))})
    try:
        first.wait_for("ready; Ctrl-C ends everything")
        here, elsewhere = find_config(users, tmp_path)
        assert (str(here.port), here.data_dir, elsewhere) == (port, tmp_path / "data", None)
        found, elsewhere = find_config(users, other)
        assert (str(found.port), found.data_dir, found.database_url) == (port, tmp_path / "data", here.database_url)
        assert elsewhere is not None
        assert elsewhere.process == first.process.pid
        assert find_config({**users, "CONNECTOR_PORT": "1"}, tmp_path)[0].port == 1
        for named in (
            {"CONNECTOR_DATA_DIR": "mine"},
            {"DATABASE_URL": "postgresql://db/x"},
            {"REDIS_URL": "redis://r"},
        ):
            assert find_config({**users, **named}, other)[1] is None
        words = [sys.executable, "-m", "connector.cli", "status"]
        status = subprocess.run(
            words, check=False, env={**os.environ, **users}, cwd=other, capture_output=True, text=True
        )
        assert f"Of the product that runs on {tmp_path / 'data'}:" in status.stderr
        assert f"connector up  process {first.process.pid}\n" in status.stdout
        assert f"address       http://127.0.0.1:{port}\n" in status.stdout
    finally:
        first.end()
    assert find_config(users, other)[1] is None
    assert list((home / "abm-connector" / "running").iterdir()) == []


def test_what_was_killed_or_is_one_of_two_is_not_taken_for_what_runs(tmp_path: Path) -> None:
    users = {"XDG_STATE_HOME": str(tmp_path / "home")}
    running = tmp_path / "home" / "abm-connector" / "running"
    running.mkdir(parents=True)
    for number, process in ((1, os.getpid()), (2, os.getppid()), (3, 2**22 + 1)):
        (tmp_path / f"data{number}").mkdir()
        (running / str(process)).write_text(str(tmp_path / f"data{number}"), "utf-8")
        note = {"process": process, "host": "127.0.0.1", "port": 8000 + number}
        (tmp_path / f"data{number}" / "up.lock").write_text(json.dumps(note), "ascii")
    (tmp_path / "elsewhere").mkdir()
    assert find_config(users, tmp_path / "elsewhere")[1] is None
    (running / str(os.getppid())).unlink()
    assert find_config(users, tmp_path / "elsewhere")[0].port == 8001


def test_a_second_start_goes_on_with_what_was_there(tmp_path: Path, environ: dict[str, str]) -> None:
    kept = []
    for _ in range(2):
        started = Started(tmp_path, environ)
        started.wait_for("ready;")
        kept.append((tmp_path / "data" / "secret.key").read_bytes())
        assert started.end(signal.SIGTERM) == 0
    assert kept[0] == kept[1]


def test_redis_comes_back_at_the_same_place_also_empty(started: Started, tmp_path: Path) -> None:
    started.wait_for("ready;")
    url = redis_url(config_in(tmp_path / "data"))
    assert url
    pid = _pid(url)
    assert pid
    (tmp_path / "data" / "redis" / "appendonlydir").rename(tmp_path / "gone")
    os.kill(pid, signal.SIGKILL)
    started.wait_for("part ended")
    wait_for(lambda: _pid(url) not in {None, pid}, "the new Redis")
    assert redis_url(config_in(tmp_path / "data")) == url


def config_in(data_dir: Path) -> Config:
    return read_config({"CONNECTOR_DATA_DIR": str(data_dir)}, data_dir)


def _pid(url: str) -> int | None:
    try:
        with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
            return int(client.info("server")["process_id"])
    except RedisError:
        return None


def test_a_killed_web_server_comes_back(started: Started, environ: dict[str, str]) -> None:
    started.wait_for("ready;")
    pid = int(started.text.partition("web is ")[2].split()[0])
    os.kill(pid, signal.SIGKILL)
    started.wait_for("web is ", times=2)
    wait_for(lambda: _is_ready(environ["CONNECTOR_PORT"]), "the web server")


def _is_ready(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_part_started_when_all_is_ready_may_end_everything(tmp_path: Path, environ: dict[str, str]) -> None:
    started = Started(tmp_path, environ, "once")
    assert started.ended() == 1
    assert started.text.index("ready;") < started.text.index("demo       | demo")


def test_a_second_one_on_the_same_data_is_refused(started: Started, tmp_path: Path, environ: dict[str, str]) -> None:
    started.wait_for("ready;")
    second = Started(tmp_path, {**environ, "CONNECTOR_PORT": str(free_port())})
    assert second.ended() == 1
    assert (
        f"`connector up` runs already on {tmp_path}/data (process {started.process.pid}); stop it first" in second.text
    )
    assert _is_ready(environ["CONNECTOR_PORT"])


def test_after_kill_9_nothing_is_left_in_the_way_of_the_next_start(
    started: Started, tmp_path: Path, environ: dict[str, str]
) -> None:
    started.wait_for("ready;")
    started.end(signal.SIGKILL)
    wait_for(lambda: not _is_ready(environ["CONNECTOR_PORT"]), "the end of the web server")
    second = Started(tmp_path, environ)
    second.wait_for("ready;")
    assert second.end() == 0


def test_a_taken_port_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environ["CONNECTOR_PORT"]))):
        started = Started(tmp_path, environ)
        assert started.ended() == 1
    expected = f"port {environ['CONNECTOR_PORT']} on 127.0.0.1 cannot be listened on: Address already in use; stop what"
    assert expected in started.text


@pytest.mark.parametrize("host", ["203.0.113.9", "no such host"])
def test_an_address_that_is_not_of_this_machine_is_named(host: str) -> None:
    with pytest.raises(WrongSetting, match=f"port 8080 on {host} cannot be listened on"):
        check_address(host, 8080)


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path, environ: dict[str, str]) -> None:
    url = f"postgresql://someone:hush@127.0.0.1:{free_port()}/nowhere"
    started = Started(tmp_path, {**environ, "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1"})
    assert started.ended() == 1
    assert "the database postgresql+psycopg://***@127.0.0.1" in started.text
    assert "hush" not in started.text


def test_a_redis_that_does_not_start_is_tried_again_until_the_end_is_asked_for(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\necho cannot\nexit 1\n", "ascii")
    program.chmod(0o755)
    started = Started(tmp_path, {**environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    started.wait_for("redis      | cannot", times=2)
    assert started.end() == 0


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "data").write_text("a file", "ascii")
    started = Started(tmp_path, environ)
    assert started.ended() == 1
    assert f"the data directory {tmp_path}/data cannot be written: File exists; set CONNECTOR_DATA_DIR" in started.text


def test_the_parts_are_the_connectors_own_commands(tmp_path: Path) -> None:
    config = read_config({"CONNECTOR_WORKERS": "3"}, tmp_path)
    named = {part.name: part.command[1:] for part in standard_parts(config)}
    assert named == {
        "web": ("-m", "connector.cli", "web"),
        "worker-1": ("-m", "connector.cli", "worker"),
        "worker-2": ("-m", "connector.cli", "worker"),
        "worker-3": ("-m", "connector.cli", "worker"),
        "scheduler": ("-m", "connector.cli", "scheduler"),
    }


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104 - what people set
        ("::", "http://[::1]:80"),
        ("connector.example.com", "http://connector.example.com:80"),
    ],
)
def test_this_machine_reaches_the_web_server_wherever_it_listens(host: str, expected: str) -> None:
    assert read_config({"CONNECTOR_HOST": host, "CONNECTOR_PORT": "80"}, Path.cwd()).local_url == expected
