"""Puts the flow together from a process's parts: intake, processing, reconciliation, pushing and mailing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from connector.core.decide.batch import Context
from connector.intake.receive import Intake, Writer
from connector.outbound.notify import Notifier, open_channel
from connector.outbound.push import Pusher
from connector.pipeline import refold as refolding
from connector.pipeline import remap as remapping
from connector.pipeline import sweep as sweeping
from connector.pipeline.process import BATCH as DELIVERIES
from connector.pipeline.process import Processor
from connector.pipeline.reconcile import BATCH, Reconciler
from connector.pipeline.sweep import Swept
from connector.runtime.parts import Runtime
from connector.runtime.retry import DELIVERY, MAIL, UPDATE
from connector.runtime.wakeups import PUSH
from connector.store.quarantine import Bounds
from connector.store.remaps import RULES, RemapRun


def build_intake(parts: Runtime, committed: Callable[[set[int]], None] | None = None) -> Intake:
    """What receives webhooks. `committed`: told in which lanes something was stored (None: it wakes the workers)."""
    bounds = Bounds(most=parts.config.quarantine_max, most_bytes=parts.config.quarantine_mb * 1_000_000)
    writer = Writer(
        parts.database, bounds, committed or parts.wakeups.enqueue_drains, parts.config.web_threads // 2 or 1
    )
    return Intake(connections=parts.connections, vault=parts.vault, writer=writer, lanes=parts.config.lanes)


def build_processor(parts: Runtime, batch_size: int = DELIVERIES) -> Processor:
    """What processes deliveries and events. `batch_size`: deliveries in one transaction."""
    return Processor(
        database=parts.database,
        connections=parts.connections,
        ruleset=parts.rules.get,
        api_for=parts.api_for,
        clock=parts.clock,
        lease=timedelta(seconds=parts.config.lease_seconds),
        retry=replace(
            DELIVERY, attempts=parts.config.max_attempts, span=timedelta(hours=parts.config.push_give_up_hours)
        ),
        echo_window=timedelta(minutes=parts.config.echo_window_minutes),
        batch_size=batch_size,
    )


def build_reconciler(parts: Runtime, batch_size: int = BATCH) -> Reconciler:
    """What asks the systems what changed. `batch_size`: so many events are applied at once."""
    return Reconciler(
        database=parts.database,
        connections=parts.connections,
        api_for=parts.api_for,
        apply_events=build_processor(parts).apply_events,
        clock=parts.clock,
        sleep=time.sleep,
        batch_size=batch_size,
    )


def build_pusher(parts: Runtime) -> Pusher:
    """What sends updates."""
    return Pusher(
        database=parts.database,
        connections=parts.connections,
        ruleset=parts.rules.get,
        api_for=parts.api_for,
        clock=parts.clock,
        lease=timedelta(seconds=parts.config.lease_seconds),
        retry=replace(UPDATE, span=timedelta(hours=parts.config.push_give_up_hours)),
        wake=lambda: parts.wakeups.enqueue(PUSH),
    )


def build_notifier(parts: Runtime) -> Notifier | None:
    """What sends notices; None: no way to people is set."""
    channel = open_channel(parts.config)
    if channel is None:
        return None
    return Notifier(
        database=parts.database,
        ruleset=parts.rules.get,
        channel=channel,
        clock=parts.clock,
        lease=timedelta(seconds=parts.config.lease_seconds),
        retry=replace(MAIL, span=timedelta(hours=parts.config.push_give_up_hours)),
    )


def sweep(parts: Runtime, day: int | None = None, has_time: Callable[[], bool] = lambda: True) -> Swept:
    """Run the daily rules up to a local day (ordinal; None: today)."""
    return sweeping.sweep(parts.database, parts.connections, parts.rules.get, parts.clock, day=day, has_time=has_time)


def sweep_doubt(parts: Runtime) -> str | None:
    """Why the daily rules had better not be run now by themselves; None: they may be."""
    return sweeping.doubt(parts.database, parts.clock(), parts.machine_clock(), parts.ruleset.zone)


def remap(
    parts: Runtime,
    name: str,
    *,
    has_time: Callable[[], bool] = lambda: True,
    progress: Callable[[int], None] = lambda _done: None,
) -> RemapRun | None:
    """Go on translating a connection's stored events for the mapping in force; see `pipeline.remap`.

    `RULES` in place of a connection's name: go on folding every subject anew; see `pipeline.refold`.
    """
    if name == RULES:
        return refolding.refold(
            database=parts.database,
            connections=parts.connections,
            rules=parts.rules,
            clock=parts.clock,
            wakeups=parts.wakeups,
            has_time=has_time,
            progress=progress,
        )
    return remapping.remap(
        name,
        database=parts.database,
        connections=parts.connections,
        ruleset=parts.rules.get,
        clock=parts.clock,
        wakeups=parts.wakeups,
        has_time=has_time,
        progress=progress,
    )


def context_now(parts: Runtime) -> Context:
    """What applying events needs, as of now."""
    return Context(
        ruleset=parts.ruleset,
        now=parts.clock(),
        mappings=parts.connections.pushed_mappings(),
        identifying=parts.connections.identifying(),
        echo_window=timedelta(minutes=parts.config.echo_window_minutes),
    )
