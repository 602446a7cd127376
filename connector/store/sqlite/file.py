"""A SQLite file: found again when it was replaced, never made by the way, never written once it is damaged."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import structlog
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, OperationalError

_FILE: Final = "file"
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
ENDINGS: Final = ("", "-wal", "-shm", ".lock", ".turn", ".damaged")
"""What the names of the files of a database end with."""
log: Final = structlog.get_logger(__name__)

# Theory of operation
#
# SQLite goes on writing into a file that was moved away or deleted, where nobody finds it again, and it makes a new
# empty one where there is none. So a connection remembers which file it has opened: when it is taken from its pool it
# is compared with what is at the path, and opened anew where that is another one. Only a migration makes a file.
#
# A file that is damaged takes some rows and refuses others. Whichever process is the first to be told so by SQLite puts
# a mark beside the file, with the file's number in it, and from then on no process writes to that file: nothing is
# acknowledged that could be lost with it. The mark ends with another file at the path, or with a check of all of it.


class SqliteFile:
    """The file at a path, for all connections of a process."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._mark: Final = Path(f"{path}.damaged")
        self._locks: tuple[int, int] | None = None
        self._known: tuple[int, int] | None = None

    def identity(self) -> tuple[int, int] | None:
        """Which file is at the path now; None: none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def make(self) -> None:
        """Make an empty file with its folder, for its owner alone, unless there is one. Raises `OperationalError`."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            message = f"{self.path} cannot be made or written: {error.strerror}"
            raise _unusable(message) from error

    def attach(self, engine: Engine) -> None:
        """Have all connections of an engine look after the file."""
        event.listen(engine, "do_connect", self._open)
        event.listen(engine, "connect", self._look_at_a_new_one)
        event.listen(engine, "checkout", self._compare)
        event.listen(engine, "handle_error", self._note_damage)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The turn of this process to write, given by a lock on a file beside it. Raises `OperationalError`.

        Whoever waits for it holds a second lock: one that has just had its turn, and comes again, comes after that.
        """
        if self._locks is None:
            self._locks = self._open_lock(".turn"), self._open_lock(".lock")
        turn, lock = self._locks
        fcntl.flock(turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        finally:
            fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            self._refuse_if_marked()
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)

    def _open_lock(self, ending: str) -> int:
        path = f"{self.path}{ending}"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"{path} cannot be written: {error.strerror}"
            raise _unusable(message) from error

    def _refuse_if_marked(self) -> None:
        if self.is_marked():
            message = f"the file was found to be damaged, and takes nothing any more ({self._mark.name})"
            raise _unusable(message)

    def is_marked(self) -> bool:
        """Whether somebody has found that the file at the path is damaged."""
        try:
            return self._mark.read_text("ascii") == str(self.identity())
        except OSError:
            return False

    def mark(self) -> None:
        """Let nobody write to the file any more."""
        log.error("the database is damaged; nothing is written to it any more", file=str(self.path))
        with suppress(OSError):
            self._mark.write_text(str(self.identity()), "ascii")

    def unmark(self) -> None:
        """Take it for whole again: it was checked."""
        self._mark.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the lock's file."""
        for lock in self._locks or ():
            os.close(lock)
        self._locks = None

    def _open(self, _dialect: Any, record: Any, words: list[Any], options: dict[str, Any]) -> None:
        """Before SQLite opens it: only a file that is there."""
        record.info[_FILE] = self.identity()
        words[0], options["uri"] = f"file:{quote(str(self.path.absolute()))}?mode=rw", True

    def _look_at_a_new_one(self, connection: Any, record: Any) -> None:
        """Check a file that came in place of another: an old log beside it may have spoilt it."""
        if self._known not in {None, record.info[_FILE]}:
            log.error("the database file was replaced; it is opened anew", file=str(self.path))
            if not is_whole(connection):
                self.mark()
        self._known = record.info[_FILE]

    def _compare(self, _connection: Any, record: Any, _proxy: Any) -> None:
        if record.info[_FILE] != self.identity():
            raise DisconnectionError

    def _note_damage(self, context: ExceptionContext) -> None:
        """Take damage for what it is: no fault of the row at hand, but of the database as a whole."""
        code = getattr(context.original_exception, "sqlite_errorcode", 0)
        if code & 0xFF in _DAMAGED:
            if not self.is_marked():
                self.mark()
            raise _unusable(str(context.original_exception)) from context.original_exception


def is_whole(connection: Any) -> bool:
    """Whether SQLite finds every page where it should be; it reads all of them. `connection`: one of its driver."""
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _unusable(text: str) -> OperationalError:
    return OperationalError(None, None, sqlite3.OperationalError(text))
