"""Which products `connector up` runs for this user: commands in another terminal find their data and address by it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from connector.operations.safety.modes import UP_LOCK
from connector.runtime.settings import Config, read_config

_DEFAULT: Final = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A product that runs: the process of its `connector up`, where its data are, and where its web server listens."""

    process: int
    data_dir: Path
    host: str
    port: int


def running_on(data_dir: Path) -> Running | None:
    """The product that runs on a data directory; None: there is none."""
    try:
        noted = json.loads((data_dir / UP_LOCK).read_text("ascii"))
        found = Running(process=noted["process"], data_dir=data_dir, host=noted["host"], port=noted["port"])
        os.kill(found.process, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def write_note(file: TextIO, config: Config) -> None:
    """Say in the lock file who runs, and where."""
    file.seek(0)
    file.truncate()
    json.dump({"process": os.getpid(), "host": config.host, "port": config.port}, file)
    file.flush()


@contextmanager
def listed(config: Config, environ: Mapping[str, str]) -> Iterator[None]:
    """Have the product in the user's list of those that run; where that cannot be written, it is only not found."""
    place = _folder(environ) / str(os.getpid())
    with suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_text(str(config.data_dir), "utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            place.unlink()


def find_config(environ: Mapping[str, str], directory: Path) -> tuple[Config, Running | None]:
    """The settings for a command, and the product that it found elsewhere, because none was named and none runs here.

    Of a running product the address is known, whatever it was started with; what the environment says goes before.
    """
    config = read_config(environ, directory)
    here = running_on(config.data_dir)
    elsewhere = None
    if here is None and _names_nothing(config, directory):
        others = {found.data_dir: found for found in _all(environ)}
        elsewhere = next(iter(others.values())) if len(others) == 1 else None
    if (running := here or elsewhere) is None:
        return config, None
    known = {"DATA_DIR": str(running.data_dir), "HOST": running.host, "PORT": str(running.port)}
    given = {name: value for name, value in environ.items() if value}
    return read_config({f"CONNECTOR_{name}": value for name, value in known.items()} | given, directory), elsewhere


def _names_nothing(config: Config, directory: Path) -> bool:
    """Whether neither data nor database nor Redis are named, and there are no data in the present folder."""
    is_default = config.data_dir == (directory / _DEFAULT).resolve() and not config.data_dir.exists()
    return is_default and config.redis_url is None and str(config.data_dir) in config.database_url


def _folder(environ: Mapping[str, str]) -> Path:
    """The list: a file for each, by the number of its process."""
    state = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/nonexistent"), ".local/state")
    return Path(state, "abm-connector", "running")


def _all(environ: Mapping[str, str]) -> Iterator[Running]:
    folder = _folder(environ)
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        with suppress(OSError, UnicodeDecodeError):
            if (found := running_on(Path(place.read_text("utf-8")))) and str(found.process) == place.name:
                yield found
