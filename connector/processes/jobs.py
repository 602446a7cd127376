"""The RQ jobs: each only drains what the database says is waiting, so it may run twice, late, or not at all.

`Jobs` does the work. The functions below it are what RQ imports by name; they run on the `Jobs` that was installed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from typing import Final

import structlog

from connector.operations import catalogs, flow, upkeep
from connector.operations.subscriptions import subscribe_all
from connector.outbound.notify import Notifier
from connector.outbound.push import Pusher
from connector.pipeline import remap as remapping
from connector.runtime import metrics
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import DRAIN, FORGET, NOTIFY, PUSH, RECONCILE, REMAP, WHAT_IF
from connector.store import connections, deliveries, notices
from connector.what_if import runs

FORMER_MODULE: Final = "connector.jobs"
"""This module by the name that jobs of the version before carry: what it queued still runs."""
TURN: Final = 0.1
"""Seconds for which a drain goes on while another job waits."""
log: Final = structlog.get_logger(__name__)


class Jobs:
    """The jobs of a worker process.

    In seconds: `budget`, how long a job goes on before others have their turn, a drain only while no other waits;
    `reconcile_budget` and `what_if_budget`, the same for those two; `linger`, how long a drain waits for what comes
    after the last delivery.
    """

    def __init__(
        self,
        parts: Runtime,
        *,
        budget: float = 60.0,
        reconcile_budget: float = 240.0,
        what_if_budget: float = 5.0,
        linger: float = 0.05,
    ) -> None:
        self._parts = parts
        self._wakeups = parts.wakeups
        self._budget = budget
        self._reconcile_budget = reconcile_budget
        self._what_if_budget = what_if_budget
        self._linger = linger
        self._ending = threading.Event()

    @cached_property
    def _pusher(self) -> Pusher:
        """The same for all pushes: it remembers which connections are left alone for a while."""
        return flow.build_pusher(self._parts)

    @cached_property
    def _notifier(self) -> Notifier | None:
        return flow.build_notifier(self._parts)

    def end_soon(self) -> None:
        """Let the running job come to an end at its next good place: the process was asked to end."""
        self._ending.set()

    def drain(self, lane: int) -> None:
        """Process what waits in a lane. Comes back by itself when its time is up before its work."""
        self._wakeups.started(DRAIN, lane)
        with self._wakeups.lock(f"lane:{lane}") as is_ours:
            if not is_ours:
                return
            processor, has_time = flow.build_processor(self._parts), self._turn()
            is_idle = False
            while has_time():
                drained = processor.drain(lane, has_time, self._wakeups.enqueue_senders)
                if not drained.finished:
                    if is_idle:
                        break
                    time.sleep(self._linger)
                is_idle = not drained.finished
        if lane in self._waiting_lanes():
            self._wakeups.enqueue(DRAIN, lane)

    def push(self) -> None:
        """Push what is due in the outbox."""
        self._wakeups.started(PUSH)
        with self._wakeups.lock("push") as is_ours:
            if not is_ours:
                return
            self._pusher.drain(self._turn())
        if self._pusher.waiting():
            self._wakeups.enqueue(PUSH)

    def notify(self) -> None:
        """Mail the notices that are due in the outbox."""
        self._wakeups.started(NOTIFY)
        if self._notifier is None:
            return
        with self._wakeups.lock("notify") as is_ours:
            if not is_ours:
                return
            self._notifier.warn()
            self._notifier.drain(self._turn())
        if self._has_notices():
            self._wakeups.enqueue(NOTIFY)

    def sweep(self) -> None:
        """Run the daily rules for the subjects that are due; missed dates are caught up, unless they are in doubt."""
        with self._wakeups.lock("sweep") as is_ours:
            if is_ours and (reason := flow.sweep_doubt(self._parts)):
                log.warning("the daily rules are not run", reason=reason)
            elif is_ours:
                swept = flow.sweep(self._parts, has_time=self._timer(self._budget))
                if swept.due:
                    metrics.count_sweep(swept.due)
                    log.info("swept", subjects=swept.due)
                if swept.has_updates:
                    self._wakeups.enqueue_senders()

    def requeue(self) -> None:
        """Find what is stored and not queued: lost wake-ups, batches of dead workers, what is due in the outbox."""
        self._wakeups.enqueue_drains(self._waiting_lanes())
        if self._pusher.waiting():
            self._wakeups.enqueue(PUSH)
        if self._notifier is not None and (self._has_notices() or self._has_refusals()):
            self._wakeups.enqueue(NOTIFY)
        with suppress(runs.NoRedis):
            for run in runs.unfinished(self._parts):
                self._wakeups.enqueue(WHAT_IF, run)

    def reconcile(self) -> None:
        """Ask every system that can say so what changed, and repair what webhooks missed.

        Other jobs have their turn when the time is up; the next one goes on with the systems that had none.
        """
        self._wakeups.started(RECONCILE)
        recently = timedelta(seconds=self._parts.config.reconcile_seconds) / 2
        with self._wakeups.lock("reconcile") as is_ours:
            if not is_ours:
                return
            reconciler = flow.build_reconciler(self._parts)
            done = reconciler.reconcile_all(self._timer(self._reconcile_budget), unless_within=recently)
        if done.has_updates:
            self._wakeups.enqueue_senders()
        if done.is_cut_short:
            self._wakeups.enqueue(RECONCILE)

    def remap(self) -> None:
        """Go on translating stored events for the mappings in force; events that came meanwhile, too."""
        self._wakeups.started(REMAP)
        has_time = self._timer(self._budget)
        with self._wakeups.lock("remap") as is_ours:
            for name in remapping.waiting(self._parts.database, self._parts.clock()) if is_ours else ():
                flow.remap(self._parts, name, has_time=has_time)

    def watch(self) -> None:
        """Ask the systems for their stages, owners and fields, and warn where mappings do not fit them any more."""
        with self._wakeups.lock("watch") as is_ours:
            if is_ours:
                catalogs.watch(self._parts)

    def subscribe(self) -> None:
        """Register webhooks with the systems, and renew those that would end."""
        with self._wakeups.lock("subscribe") as is_ours:
            if is_ours:
                subscribe_all(self._parts, self._timer(self._budget))

    def forget(self, after: str = "") -> None:
        """Let go what was kept long enough; of events those of the subjects after an id, the next job goes on there."""
        self._wakeups.started(FORGET, after)
        with self._wakeups.lock("forget") as is_ours:
            if not is_ours:
                return
            done = upkeep.forget(self._parts, after=after, has_time=self._timer(self._budget))
        if done.after is not None:
            self._wakeups.enqueue(FORGET, done.after)

    def what_if(self, run: str) -> None:
        """Go on with a what-if for a while, then let other jobs have their turn."""
        self._wakeups.started(WHAT_IF, run)
        with self._wakeups.lock(f"what-if:{run}") as is_ours:
            is_left = is_ours and runs.advance(self._parts, run, self._timer(self._what_if_budget))
        if is_left:
            self._wakeups.enqueue(WHAT_IF, run)

    def _waiting_lanes(self) -> dict[int, int]:
        with self._parts.database.read() as connection:
            return deliveries.waiting_lanes(connection, self._parts.clock())

    def _has_notices(self) -> bool:
        with self._parts.database.read() as connection:
            return notices.is_any_due(connection, self._parts.clock())

    def _has_refusals(self) -> bool:
        """Whether a connection is refused of which nobody was told."""
        with self._parts.database.read() as connection:
            return any(one.told_at is None for one in connections.list_refusals(connection))

    def _turn(self) -> Callable[[], bool]:
        """Whether a drain may go on: for the budget, but for `TURN` only when another job waits."""
        has_time, is_first = self._timer(self._budget), self._timer(TURN)
        return lambda: has_time() and (is_first() or not self._wakeups.is_any_waiting())

    def _timer(self, seconds: float) -> Callable[[], bool]:
        until = time.monotonic() + seconds
        return lambda: not self._ending.is_set() and time.monotonic() < until


_installed: Final[list[Jobs]] = []


def install(jobs: Jobs) -> None:
    """Have the functions below run on these jobs from now on, also by their former names: at a worker's start."""
    _installed[:] = [jobs]
    sys.modules[FORMER_MODULE] = sys.modules[__name__]


def drain(lane: int) -> None:
    """See `Jobs.drain`."""
    _installed[0].drain(lane)


def push() -> None:
    """See `Jobs.push`."""
    _installed[0].push()


def notify() -> None:
    """See `Jobs.notify`."""
    _installed[0].notify()


def sweep() -> None:
    """See `Jobs.sweep`."""
    _installed[0].sweep()


def requeue() -> None:
    """See `Jobs.requeue`."""
    _installed[0].requeue()


def reconcile() -> None:
    """See `Jobs.reconcile`."""
    _installed[0].reconcile()


def remap() -> None:
    """See `Jobs.remap`."""
    _installed[0].remap()


def watch() -> None:
    """See `Jobs.watch`."""
    _installed[0].watch()


def subscribe() -> None:
    """See `Jobs.subscribe`."""
    _installed[0].subscribe()


def forget(after: str = "") -> None:
    """See `Jobs.forget`."""
    _installed[0].forget(after)


def what_if_job(run: str) -> None:
    """See `Jobs.what_if`."""
    _installed[0].what_if(run)
