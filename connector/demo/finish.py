"""How every play of the demonstration ends: wait until nothing moves, repair what webhooks lost, show the account."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from connector.core.errors import CrmError
from connector.core.event import Outcome
from connector.operations import connections
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_reconciler, sweep
from connector.runtime.parts import Runtime
from connector.store import outbox

KNOWN: Final = frozenset({Outcome.DUPLICATE, Outcome.ECHO, Outcome.IGNORED})
"""What a reconciliation finds and was known, or counts for nothing."""
QUIET: Final = 3
"""So many looks in a row must see nothing."""


def show(text: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def wait_until_quiet(runtime: Runtime, drains: Sequence[Callable[[float], object]], patience: float) -> bool:
    """Wait until no webhook is on its way, no delivery pending, no update waiting; False after `patience` seconds."""
    deadline = time.monotonic() + patience
    quiet = 0
    while quiet < QUIET:
        if time.monotonic() > deadline:
            return False
        for drain in drains:
            drain(5)
        with runtime.database.read() as connection:
            is_waiting = any(outcome == outbox.WAITING for _, outcome in outbox.count(connection))
        is_pending = any(book[Outcome.PENDING] for book in balance(runtime).values())
        quiet = 0 if is_waiting or is_pending else quiet + 1
        time.sleep(0.1)
    return True


def repair(runtime: Runtime, names: Sequence[str], since: datetime) -> int:
    """As maintenance: asks the systems what webhooks lost, runs the daily rules; what it found."""
    missed = 0
    for name in names:
        try:
            counts, _ = build_reconciler(runtime).reconcile(connections.connected(runtime, name), since)
        except CrmError as error:
            show(f"{name} could not be asked: {error}")
            missed += 1
            continue
        found = sum(count for outcome, count in counts.items() if outcome not in KNOWN)
        if found:
            show(f"reconciliation found {found} events that the webhooks of {name} had not brought")
        missed += found
    swept = sweep(runtime)
    runtime.wakeups.enqueue_senders()
    return missed + swept.due


def show_account(runtime: Runtime) -> bool:
    """Print the account of every connection; whether all of them balance."""
    books = balance(runtime)
    for name, book in books.items():
        parts = " + ".join(f"{count} {outcome}" for outcome, count in book.items() if outcome != "accepted" and count)
        show(f"account {name}: {book['accepted']} accepted = {parts}")
    return all(map(is_balanced, books.values()))
