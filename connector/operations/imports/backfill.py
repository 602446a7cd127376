"""Backfill: reads everything there is in a connection's system, silently, and goes on where it was broken off."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy.exc import DBAPIError

from connector.adapter_kit import defaults
from connector.adapter_kit.contract import has_ordered_changes
from connector.core.errors import ConnectorError, CrmRefused, WrongSetting
from connector.operations.connections import adapter_failure, connected, find
from connector.operations.flow import build_processor
from connector.pipeline.reconcile import BATCH, UNREADABLE, Patient, batches
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections
from connector.store import imports as queries
from connector.store.rows import Row

CHANGES: Final = "changes"
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Older than any record of the systems that there are."""
OVERLAP: Final = timedelta(minutes=1)
log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an import is. `count`: events or rows read; `tally`: by outcome.

    `reached`: the newest event's time (UTC), where they come in order. `share`: of a file that is read, from 0 to 1.
    `is_resumed`: it goes on with one that was broken off.
    """

    count: int
    tally: dict[str, int]
    reached: datetime | None = None
    share: float | None = None
    is_resumed: bool = False


def backfill(
    runtime: Runtime,
    name: str,
    *,
    actor: str,
    since: datetime | None = None,
    report: Callable[[Progress], object] = bool,
    batch: int = BATCH,
) -> Progress:
    """Take everything that a connection's system knows, or what changed since `since` (aware UTC).

    Nobody is mailed; updates are asked for as the mapping says. Progress is stored: the next call with the same
    `since`, or without any, goes on. `report` is called after each `batch` of events. Raises `NotFound`, `CrmError` and
    `WrongSetting`: it is paused, or its system cannot be asked.
    """
    one = open_for_import(runtime, name)
    if getattr(type(one.adapter), "changes", None) is defaults.changes:
        message = f"{one.adapter.NAME} has no call that says what it has; import a file of it by --csv FILE"
        raise WrongSetting(message)
    run, is_resumed = _begin(runtime, one, since, actor)
    is_ordered = has_ordered_changes(one.adapter)
    start = run["reached"] - OVERLAP if run["reached"] else run["since"]
    progress = Progress(count=run["count"], tally=run["tally"], reached=run["reached"], is_resumed=is_resumed)
    try:
        changes = one.adapter.changes(start, Patient(runtime.api_for(one), time.sleep))
        for events, unreadable in batches(one.name, changes, runtime.clock, batch):
            counts, is_asked = build_processor(runtime).apply_events(one, events, is_silent=True, has_new_leads=False)
            if is_asked:
                runtime.wakeups.enqueue_senders()
            counts.update({UNREADABLE: unreadable} if unreadable else {})
            progress = Progress(
                count=progress.count + len(events) + unreadable,
                tally=dict(sorted((Counter(progress.tally) + counts).items())),
                reached=max((event.at for event in events), default=progress.reached) if is_ordered else None,
                is_resumed=is_resumed,
            )
            store_progress(runtime, run, progress)
            report(progress)
    except (ConnectorError, DBAPIError):
        raise
    except Exception as error:
        log.exception("not imported", connection=name)
        raise CrmRefused(adapter_failure(one, error)) from error
    _end(runtime, one, run)
    return progress


def open_for_import(runtime: Runtime, name: str) -> Connected:
    """The connection, ready to import into. Raises `NotFound`, and `WrongSetting`: it is paused."""
    if find(runtime, name).is_paused:
        message = f"the connection {name!r} is paused; `connector connection resume {name}` lets it take events again"
        raise WrongSetting(message)
    return connected(runtime, name)


def listed(runtime: Runtime, name: str) -> list[dict[str, Any]]:
    """The imports of a connection, newest first. Raises `NotFound`."""
    find(runtime, name)
    with runtime.database.read() as connection:
        return [dict(row) for row in queries.listed(connection, name)]


def store_progress(runtime: Runtime, run: Row, progress: Progress, noted: Sequence[Row] = (), **values: Any) -> None:
    """Store how far an import is, and what rows said (rows of `imported`)."""
    with runtime.database.write() as connection:
        queries.note(connection, noted)
        queries.advance(
            connection,
            run["id"],
            count=progress.count,
            tally=progress.tally,
            reached=progress.reached,
            changed_at=runtime.clock(),
            **values,
        )


def _begin(runtime: Runtime, one: Connected, since: datetime | None, actor: str) -> tuple[Row, bool]:
    """The run to go on with, or a new one. Without an order all is read again: what is stored counts once anyway."""
    now = runtime.clock()
    with runtime.database.write() as connection:
        last = queries.newest(connection, one.name, CHANGES)
        if last is None or last["finished_at"] is not None or since not in {None, last["since"]}:
            detail = {"since": since and since.isoformat()}
            connections.note(connection, now, actor=actor, action="connection.import", target=one.name, detail=detail)
            start = since or BEGINNING
            return queries.begin(connection, one.name, CHANGES, actor=actor, now=now, since=start), False
    return last if last["reached"] else {**last, "count": 0, "tally": {}}, True


def _end(runtime: Runtime, one: Connected, run: Row) -> None:
    """Reconciliation goes on from where the import began."""
    now = runtime.clock()
    with runtime.database.write() as connection:
        queries.advance(connection, run["id"], finished_at=now, changed_at=now)
        last = connections.reconciled_at(connection, one.name)
        if last is None or last < run["started_at"]:
            connections.change(connection, one.name, reconciled_at=run["started_at"])
