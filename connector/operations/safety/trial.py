"""Tries whether database and Redis take writes, in a thread of its own, and remembers the answer for some seconds."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import text

from connector.runtime.parts import Runtime

FRESH_SECONDS: Final = 5.0
"""How long an answer is believed."""
PATIENCE: Final = 5.0
"""How long a try may take before that is what is wrong; processing holds SQLite's lock for less."""
LEAST_ROOM: Final = 16 * 1024 * 1024
"""Bytes on SQLite's disk below which it is as good as full: a small write may still fit where a delivery does not."""
_WRITE: Final = text("UPDATE alembic_version SET version_num = version_num")
_KEY: Final = "connector:probe"


class Trial:
    """Something that is tried. Who asks waits for `wait` seconds at most, whatever the try itself waits for."""

    def __init__(self, act: Callable[[], object], *, wait: float) -> None:
        self._act = act
        self._wait = wait
        self._lock = threading.Lock()
        self._started: float | None = None
        self._ended = float("-inf")
        self._over = threading.Event()
        self._error: Exception | None = None

    def error(self) -> Exception | None:
        """What it failed with when it was tried last; None: it went well."""
        with self._lock:
            if self._started is None:
                if time.monotonic() - self._ended < FRESH_SECONDS:
                    return self._error
                self._started = time.monotonic()
                self._over.clear()
                threading.Thread(target=self._try, name="trial", daemon=True).start()
        self._over.wait(self._wait)
        started = self._started
        if started is not None and (waited := time.monotonic() - started) >= PATIENCE:
            return TimeoutError(f"is locked: a write has waited for {waited:.0f} s")
        return self._error

    def _try(self) -> None:
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 - whatever it fails with is the answer
            self._error = error
        else:
            self._error = None
        self._ended, self._started = time.monotonic(), None
        self._over.set()


class Trials:
    """The trials of a process. `wait`: seconds that who asks may wait for each; `least_room`: in bytes."""

    def __init__(self, runtime: Runtime, *, wait: float = PATIENCE, least_room: int = LEAST_ROOM) -> None:
        self._runtime = runtime
        self._least_room = least_room
        self.database: Final = Trial(self._write, wait=wait)
        self.redis: Final = Trial(lambda: runtime.redis.set(_KEY, "1", ex=60), wait=wait)

    def _write(self) -> None:
        file = self._runtime.database.file
        if file is not None and (room := shutil.disk_usage(file.path.parent).free) < self._least_room:
            message = f"the disk of {file.path.parent} is full but for {room // 1024} kB"
            raise OSError(message)
        with self._runtime.database.write() as connection:
            connection.execute(_WRITE)
