"""What an operator is told when the database cannot be used: what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, ProgrammingError

from connector.core.errors import OperatorError
from connector.runtime.log import mask

MIGRATE: Final = "run `connector migrate` (or `connector up`, which does so at its start)"


class NoDatabase(OperatorError):
    """The database cannot be used; the message says what is wrong with it, and what to do."""

    reason = "no_database"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Advice:
    """`words`: what databases say, one of them is enough; `wrong` ends the sentence that begins with the database."""

    words: tuple[str, ...]
    wrong: str
    do: str


_UNPREPARED: Final = _Advice(
    words=("no such table", "no such column", "has no column"), wrong="has not the present tables", do=MIGRATE
)
_TABLE: Final = (
    _UNPREPARED,
    _Advice(
        words=("unable to open database file",),
        wrong="cannot be opened",
        do="run this as the user that owns its file and folder, or give this user the right to read and write both",
    ),
    _Advice(
        words=("readonly database", "read-only", "Read-only", "cannot be written", "be made or written"),
        wrong="cannot be written",
        do="run this as the user that owns its file and folder, or give this user the right to write both",
    ),
    _Advice(
        words=("is full", "No space left", "disk I/O error"),
        wrong="cannot be written",
        do="make room on its disk, and see that the disk is sound",
    ),
    _Advice(
        words=("is locked",),
        wrong="takes no writes",
        do="end what holds its lock (a backup tool, a shell, a migration)",
    ),
    _Advice(
        words=("malformed", "not a database", "damaged"),
        wrong="is damaged",
        do="end all parts, then run `connector restore` with a backup; had a file been copied over it, its -wal and "
        "-shm do not belong to it: remove both, copy it again, and start",
    ),
    _Advice(
        words=("Can't locate revision",),
        wrong="is of a newer version of the connector",
        do="install that version, or restore a backup of this one",
    ),
    _Advice(
        words=("authentication failed", "no password supplied", "permission denied"),
        wrong="refuses us",
        do="correct user and password in DATABASE_URL, or that user's rights",
    ),
)
_ELSE: Final = _Advice(
    words=(), wrong="cannot be used", do="check DATABASE_URL, and that the database server runs and can be reached"
)


def explained(error: Exception, url: str) -> str:
    """The sentence on an error of the database at a URL, without what is secret in it."""
    path = Path(make_url(url).database or "")
    if url.startswith("sqlite:") and not path.exists():
        return f"there is no database at {path}; {MIGRATE}"
    said = _first_line(error)
    found = _UNPREPARED if isinstance(error, ProgrammingError) and "does not exist" in said else None
    found = found or next((one for one in _TABLE if any(words in said for words in one.words)), _ELSE)
    return f"the database {mask(url)} {found.wrong}: {said}; {found.do}"


def _first_line(error: Exception) -> str:
    """The first line of what the database itself says."""
    origin = (error.orig or error) if isinstance(error, DBAPIError) else error
    return mask(next(iter(str(origin).strip().splitlines()), type(origin).__name__))[:300]
