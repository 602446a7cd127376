"""Closes what holds people's data and secrets to other users of the machine: a folder 0700, a file 0600."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from connector.runtime.redis import url_file
from connector.runtime.settings import Config
from connector.runtime.vault import KEY_FILE
from connector.store.sqlite.file import ENDINGS

UP_LOCK: Final = "up.lock"
"""Held by the `connector up` that runs on a data directory."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def close_to_others(config: Config) -> Iterator[str]:
    """Close what is open, and say so, a line each; what belongs to another user, or to all, is left as it is."""
    for path in _private(config):
        try:
            found = path.lstat()
            mode = stat.S_IMODE(found.st_mode)
            if stat.S_ISLNK(found.st_mode) or not mode & _OTHERS or mode & stat.S_ISVTX or found.st_uid != os.getuid():
                continue
            path.chmod(mode & ~_OTHERS)
        except OSError:
            continue
        yield f"{path} was open to other users of this machine ({mode:04o}), and is closed now ({mode & ~_OTHERS:04o})"


def _private(config: Config) -> Iterator[Path]:
    redis = url_file(config.data_dir).parent
    yield from (config.data_dir, config.data_dir / KEY_FILE, config.data_dir / UP_LOCK, config.metrics_dir, redis)
    if config.is_sqlite:
        database = make_url(config.database_url).database
        yield from (Path(f"{database}{ending}") for ending in ENDINGS)
    if redis.is_dir():
        yield from sorted(redis.rglob("*"))
