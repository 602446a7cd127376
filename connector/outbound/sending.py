"""Entries of the outbox on their way to their system, and what their results mean: done, tried again, given up."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.adapter_kit.contract import EMPTIED_STAGE, Pushed, PushOutcome, Update
from connector.runtime.connections import Connected
from connector.store.database import new_id
from connector.store.rows import Row

BACKOFF: Final = timedelta(seconds=2)
BACKOFF_MOST: Final = timedelta(minutes=15)
REFUSALS: Final = 3
"""A refusal is tried this often (a system may lie once), then it is dead until somebody retries it by hand."""
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """An entry of the outbox on its way: its row, its record, and the update (None: there is nothing to send)."""

    row: Row
    record: Row
    update: Update | None


def end_of(row: Row, pushed: Pushed, now: datetime, *, give_up: timedelta) -> str | None:
    """How an entry of the outbox ends (`now` aware UTC); None: it is tried again.

    `give_up`: how long it may fail by nobody's refusal.
    """
    if pushed.outcome in {PushOutcome.DONE, PushOutcome.GONE}:
        return pushed.outcome.value
    if pushed.outcome is PushOutcome.REFUSED:
        return "dead" if refusals_of(row, pushed) >= REFUSALS else None
    since = row["failing_since"] or now
    return "dead" if now - since >= give_up else None


def refusals_of(row: Row, pushed: Pushed) -> int:
    """How often this revision was refused, this time included: tries on which nobody answered do not count."""
    return int((row["payload"] or {}).get(REFUSED, 0)) + (pushed.outcome is PushOutcome.REFUSED)


def later(update: Update, reason: str, retry_after: float | None) -> Pushed:
    """The update is to be tried again, in `retry_after` seconds where that is known."""
    return Pushed(key=update.key, outcome=PushOutcome.LATER, reason=reason, retry_after=retry_after)


def result_of(one: Sending, results: Mapping[str, Pushed]) -> Pushed:
    """What became of it, by the keys of the updates."""
    if one.update is None:
        return Pushed(key="", outcome=PushOutcome.DONE, reason="nothing to send")
    missing = Pushed(key=one.update.key, outcome=PushOutcome.LATER, reason="the adapter gave no result")
    return results.get(one.update.key, missing)


def pause_of(attempts: int, pushed: Pushed) -> timedelta:
    """The system's own Retry-After, else a back-off that doubles, with jitter."""
    if pushed.retry_after is not None:
        return timedelta(seconds=pushed.retry_after)
    most = min(BACKOFF * (1 << min(attempts - 1, 12)), BACKOFF_MOST)
    share: float = random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    return most * share


def echoed(update: Update | None, connected: Connected) -> list[tuple[str, str]]:
    """What of an update will show in the system's own events, in this order: `stage` or `owner`, and the value."""
    if update is None:
        return []
    found: list[tuple[str, str]] = []
    for name, value in update.fields.items():
        word = connected.adapter.ECHOES.get(name)
        if word == EMPTIED_STAGE:
            found += [("stage", ""), ("stage", str(value))]
        elif word is not None:
            found.append((word, str(value)))
    return [*found, ("owner", update.owner)] if update.owner is not None else found


def ledger_rows(one: Sending, connected: Connected, now: datetime) -> list[Row]:
    """Rows of the echo ledger for what is being sent; `now` aware UTC."""
    return [
        {"id": new_id(now), "record": one.record["id"], "field": word, "value": value.casefold(), "at": now}
        for word, value in echoed(one.update, connected)
    ]
