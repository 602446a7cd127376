"""The RQ jobs: each only drains what the database says is waiting, so it may run twice, late, or not at all."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Final

import structlog

from connector.operations import catalogs
from connector.operations.subscriptions import subscribe_all
from connector.pipeline import remap as remapping
from connector.pipeline.reconcile import reconcile_all
from connector.runtime.log import configure_log
from connector.runtime.parts import DRAIN, NOTIFY, PUSH, Runtime
from connector.runtime.settings import read_config
from connector.store import deliveries, notices
from connector.what_if import runs

REMAP: Final = "connector.processes.jobs.remap"
RECONCILE: Final = "connector.processes.jobs.reconcile"
BUDGET_SECONDS: Final = 60.0
RECONCILE_BUDGET_SECONDS: Final = 240.0
RECONCILE_AT_MOST: Final = 1800
"""Seconds: a system whose turn began within the budget may take longer than it."""
WHAT_IF_SECONDS: Final = 5.0
LINGER_SECONDS: Final = 0.05
log: Final = structlog.get_logger(__name__)
_ending: Final = threading.Event()


@cache
def runtime() -> Runtime:
    """The runtime of this worker process."""
    config = read_config(os.environ, Path.cwd())
    configure_log(level=config.log_level, form=config.log_format, stream=sys.stderr)
    return Runtime(config)


def end_soon() -> None:
    """Let the running job come to an end at its next good place: the process was asked to end."""
    _ending.set()


def drain(lane: int) -> None:
    """Process what waits in a lane. Comes back by itself when its time is up before its work."""
    here = runtime()
    here.waker.woken(DRAIN, lane)
    with here.waker.turn(f"lane:{lane}") as has_turn:
        if not has_turn:
            return
        has_time = _budget()
        is_idle = False
        while has_time():
            drained = here.processor.drain(lane, has_time, lambda: _wake_senders(here))
            if not drained.finished:
                if is_idle:
                    break
                time.sleep(LINGER_SECONDS)
            is_idle = not drained.finished
    if not has_time() or _waits(here, lane):
        here.waker.wake("process", DRAIN, lane)


def push() -> None:
    """Push what is due in the outbox."""
    here = runtime()
    here.waker.woken(PUSH)
    with here.waker.turn("push") as has_turn:
        if not has_turn:
            return
        has_time = _budget()
        here.pusher.drain(has_time)
    if here.pusher.waiting():
        here.wake_push()


def notify() -> None:
    """Mail the notices that are due in the outbox."""
    here = runtime()
    here.waker.woken(NOTIFY)
    if here.notifier is None:
        return
    with here.waker.turn("notify") as has_turn:
        if not has_turn:
            return
        here.notifier.drain(_budget())
    with here.database.read() as connection:
        has_notices = notices.is_any_due(connection, here.clock())
    if has_notices:
        here.wake_notify()


def sweep() -> None:
    """Run the daily rules for the subjects that are due; missed dates are caught up."""
    here = runtime()
    with here.waker.turn("sweep") as has_turn:
        if has_turn:
            swept = here.sweep(has_time=_budget())
            if swept.due:
                log.info("swept", subjects=swept.due)
            if swept.has_updates:
                _wake_senders(here)


def requeue() -> None:
    """Find what is stored and not queued: lost wake-ups, batches of workers that died, what is due in the outbox."""
    here = runtime()
    with here.database.read() as connection:
        lanes = deliveries.waiting_lanes(connection, here.clock())
        has_notices = notices.is_any_due(connection, here.clock())
    here.wake_lanes(set(lanes))
    if here.pusher.waiting():
        here.wake_push()
    if has_notices:
        here.wake_notify()
    with suppress(runs.NoRedis):
        for of in runs.unfinished(here):
            here.waker.wake("maintenance", runs.JOB, of)


def reconcile() -> None:
    """Ask every system that can say so what changed, and repair what webhooks missed.

    Other jobs have their turn when the time is up; the next one goes on with the systems that had none.
    """
    here = runtime()
    here.waker.woken(RECONCILE)
    recently = timedelta(seconds=here.config.reconcile_seconds) / 2
    with here.waker.turn("reconcile") as has_turn:
        if not has_turn:
            return
        done = reconcile_all(here, _budget(RECONCILE_BUDGET_SECONDS), unless_within=recently)
    if done.has_updates:
        _wake_senders(here)
    if done.is_cut_short:
        here.waker.wake("maintenance", RECONCILE, seconds=RECONCILE_AT_MOST)


def remap() -> None:
    """Go on translating stored events for the mappings in force; events that came while one was published, too."""
    here = runtime()
    here.waker.woken(REMAP)
    has_time = _budget()
    with here.waker.turn("remap") as has_turn:
        for name in remapping.waiting(here) if has_turn else ():
            remapping.remap(here, name, has_time=has_time)


def watch() -> None:
    """Ask the systems for their stages, owners and fields, and warn where the mappings do not fit them any more."""
    here = runtime()
    with here.waker.turn("watch") as has_turn:
        if has_turn:
            catalogs.watch(here)


def subscribe() -> None:
    """Register webhooks with the systems, and renew those that would end."""
    here = runtime()
    with here.waker.turn("subscribe") as has_turn:
        if has_turn:
            subscribe_all(here, _budget())


def forget() -> None:
    """Drop bodies and quarantined deliveries whose time is over."""
    here, config = runtime(), runtime().config
    now = here.clock()
    with here.database.write() as connection:
        bodies, quarantined = deliveries.forget(
            connection,
            bodies_before=now - timedelta(days=config.delivery_days),
            quarantine_before=now - timedelta(days=config.quarantine_days),
        )
    log.info("forgotten", bodies=bodies, quarantined=quarantined)


def _wake_senders(here: Runtime) -> None:
    """Something was put into the outbox."""
    here.wake_push()
    here.wake_notify()


def what_if_job(of: str) -> None:
    """Go on with a what-if for a while, then let other jobs have their turn."""
    here = runtime()
    here.waker.woken(runs.JOB, of)
    until = time.monotonic() + WHAT_IF_SECONDS
    with here.waker.turn(f"what-if:{of}") as has_turn:
        is_left = has_turn and runs.advance(here, of, lambda: not _ending.is_set() and time.monotonic() < until)
    if is_left:
        here.waker.wake("maintenance", runs.JOB, of)


def _waits(here: Runtime, lane: int) -> bool:
    with here.database.read() as connection:
        return lane in deliveries.waiting_lanes(connection, here.clock())


def _budget(seconds: float | None = None) -> Callable[[], bool]:
    until = time.monotonic() + (BUDGET_SECONDS if seconds is None else seconds)
    return lambda: not _ending.is_set() and time.monotonic() < until
