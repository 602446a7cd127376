"""Brings the tallies and outcomes of finished deliveries up to date when the outcomes of their events change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from connector.core.event import Outcome, delivery_outcome
from connector.pipeline.normalize import tally_json
from connector.store import deliveries, remaps
from connector.store.deliveries import DeliveryResult
from connector.store.rows import Row


def recount(connection: Connection, moves: Sequence[tuple[str | None, Outcome, Outcome]], now: datetime) -> None:
    """Bring tally and outcome of the deliveries up to date. Moves: delivery, outcome of the event before and now."""
    by_delivery: dict[str, list[tuple[Outcome, Outcome]]] = defaultdict(list)
    for delivery, before, after in moves:
        if delivery is not None and before != after:
            by_delivery[delivery].append((before, after))
    if not by_delivery:
        return
    stored = remaps.tallies(connection, by_delivery)
    deliveries.change_results(connection, [_counted(row, by_delivery[of]) for of, row in stored.items()], now)


def _counted(row: Row, moves: Sequence[tuple[Outcome, Outcome]]) -> DeliveryResult:
    """A delivery whose events moved from one outcome to another."""
    counts = Counter({Outcome(outcome): count for outcome, count in (row["tally"] or {}).items()})
    for before, after in moves:
        counts[before] -= 1
        counts[after] += 1
    outcome = delivery_outcome(counts)
    error = {Outcome.HELD: row["reason"], Outcome.DEAD: row["error"]}.get(outcome)
    return DeliveryResult(id=row["id"], outcome=outcome, tally=tally_json(counts), error=error)
