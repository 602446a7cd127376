"""Where Redis is: the server that is configured, else the one that `connector up` runs for the data directory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connector.runtime.settings import Config

NOWHERE: Final = "redis://127.0.0.1:1/0"
"""Where no Redis answers: without one configured or embedded, nothing of another program's is used."""


def url_file(data_dir: Path) -> Path:
    """The file in which the embedded server's URL stands while it runs, for the owner's eyes only: with a password."""
    return data_dir / "redis" / "url"


def redis_url(config: Config) -> str | None:
    """The URL of the configured server, else of the embedded one that runs for the data directory, else None."""
    path = url_file(config.data_dir)
    return config.redis_url or (path.read_text("ascii") if path.is_file() else None)


def connect(config: Config, *, connect_timeout: float, timeout: float, retries: int) -> Redis:
    """A client with these time-outs in seconds; where there is no Redis, nobody answers it."""
    return Redis.from_url(
        redis_url(config) or NOWHERE,
        socket_connect_timeout=connect_timeout,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), retries),
    )


def seconds_of(redis: Redis) -> float:
    """The time by Redis' own clock, in seconds since the epoch: what processes of several machines can compare."""
    whole, millionths = redis.time()
    return float(whole) + float(millionths) / 1_000_000
