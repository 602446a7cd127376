"""Folds every subject anew after rules were published, page by page; whoever comes next goes on with it.

Until it is done nobody uses a subject of the former rules: a batch that touches one folds it anew first (`run_batch`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import OperationalError

from connector.core.decide.batch import Context
from connector.pipeline.batch import fold_anew
from connector.runtime.connections import Connections
from connector.runtime.rules import RulesInForce
from connector.runtime.wakeups import Wakeups
from connector.store import histories, remaps
from connector.store.database import Database, is_overtaken
from connector.store.remaps import RULES, RemapRun

PAGE: Final = 50
"""Subjects in one transaction: webhooks wait for it on SQLite."""
log: Final = structlog.get_logger(__name__)


def refold(
    *,
    database: Database,
    connections: Connections,
    rules: RulesInForce,
    clock: Callable[[], datetime],
    wakeups: Wakeups,
    has_time: Callable[[], bool] = lambda: True,
    progress: Callable[[int], None] = lambda _done: None,
) -> RemapRun | None:
    """Go on folding for the version in force; the run as it stands, None: nothing was published.

    `progress` is told how many subjects are done. A subject that cannot be folded stops no other: the log names it,
    and the run is not finished without it. A run that was finished is only searched for subjects that came late.
    """
    failed: set[str] = set()
    while has_time():
        rules.forget()
        context = Context(
            ruleset=rules.get(),
            now=clock(),
            mappings=connections.pushed_mappings(),
            identifying=connections.identifying(),
            is_silent=True,
        )
        with database.read() as connection:
            run = remaps.newest(connection, RULES)
            if run is None or run.version != context.ruleset.version:
                break
            found = histories.of_former_rules(connection, run.version, PAGE + len(failed))
        ids = [one for one in found if one not in failed]
        if not ids:
            if run.finished_at is None and not failed:
                _note(database, run, finished_at=clock())
            break
        if _fold(database, ids, context, failed):
            wakeups.enqueue_senders()
        _note(database, run, subjects=run.subjects + len(ids), changed=run.changed + len(ids))
        progress(run.subjects + len(ids))
    with database.read() as connection:
        return remaps.newest(connection, RULES)


def _note(database: Database, run: RemapRun, **values: object) -> None:
    with database.write() as connection:
        remaps.advance(connection, run, **values)


def _fold(database: Database, ids: Sequence[str], context: Context, failed: set[str]) -> bool:
    """Fold subjects in one transaction; if that fails, each alone, and note those on which it fails."""
    try:
        changes = database.attempt(lambda connection: fold_anew(connection, context, ids))
    except Exception as error:
        if isinstance(error, BaseTimeoutException) or (isinstance(error, OperationalError) and not is_overtaken(error)):
            raise
        if len(ids) > 1:
            each = [_fold(database, [one], context, failed) for one in ids]
            return any(each)
        log.exception("subject not folded anew", subject=ids[0])
        failed.add(ids[0])
        return False
    return changes.is_anything_to_send
