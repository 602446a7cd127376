"""Updates and notices on their way out: list them, try again what was given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final

from connector.core.errors import NotFound
from connector.operations.connections import find
from connector.runtime.parts import Runtime
from connector.store import outbox
from connector.store.rows import chunks

PAGE: Final = 500
_ENTRY: Final = (
    *("id", "kind", "connection", "subject", "record", "outcome", "attempts"),
    *("next_attempt_at", "error", "created_at", "finished_at", "payload"),
)


def listed(
    runtime: Runtime, *, name: str | None = None, outcome: str | None = None, most: int | None = None, page: int = PAGE
) -> Iterator[dict[str, Any]]:
    """Entries of the outbox, newest first, read page by page; `most`: how many (None: all).

    `name`: only those of that connection. Raises `NotFound` where there is none.
    """
    if name is not None:
        find(runtime, name)
    rows = runtime.database.pages(
        lambda connection, after, limit: outbox.listed(
            connection, name=name, outcome=outcome, after=after, limit=limit
        ),
        id_of=attrgetter("id"),
        size=page,
        most=most,
    )
    for row in rows:
        yield {key: getattr(row, key) for key in _ENTRY}


def retry(runtime: Runtime, ids: Sequence[str] = (), *, name: str | None = None) -> list[str]:
    """Let dead entries wait again: those of these ids, of a connection, or all; their ids. Raises `NotFound`."""
    if name is not None:
        find(runtime, name)
    wanted = [text.strip().upper() for text in ids]
    retried: list[str] = []
    for part in chunks(wanted) if wanted else (None,):
        with runtime.database.write() as connection:
            retried += outbox.retry(connection, runtime.clock(), part, name)
    if missing := set(wanted) - set(retried):
        message = f"not among the dead: {', '.join(sorted(missing))}; `connector outbox list --outcome dead` shows them"
        raise NotFound(message)
    if retried:
        runtime.wakeups.enqueue_senders()
    return retried
