"""Releases what was held: events that a mapping covers now take their place in time, as late events do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from connector.apply import Change, Context, settle
from connector.connections import Connected
from connector.core.errors import Unmapped
from connector.core.mapping import translate
from connector.process import ORDER
from connector.serial import event_from_json, step_to_json
from connector.store import deliveries, subjects
from connector.store.database import Database
from connector.store.rows import Row

PAGE: Final = 500


def release(database: Database, connected: Connected, context: Context) -> tuple[int, int]:
    """How many held events were released, and how many held deliveries (unknown event words) are read again."""
    released, after = 0, ""
    while True:
        with database.write() as connection:
            page = subjects.held_events(connection, connected.name, after, PAGE)
            if not page:
                break
            released += _release(connection, page, connected, context)
        after = page[-1]["id"]
    with database.write() as connection:
        return released, len(deliveries.reread_held(connection, connected.name, context.now))


def _release(connection: Connection, page: Sequence[Row], connected: Connected, context: Context) -> int:
    changed: list[Row] = []
    for row in page:
        try:
            steps = translate(event_from_json(row["said"]), connected.rules)
        except Unmapped:
            continue
        changed.append(
            {**row, "steps": [step_to_json(step) for step in steps], "now": "applied" if steps else "ignored"}
        )
    subjects.set_steps(
        connection,
        [
            {
                "of": row["id"],
                "outcome": row["now"],
                "reason": None,
                "steps": row["steps"],
                "version": connected.version,
            }
            for row in changed
        ],
    )
    wanted = {row["subject"] for row in changed}
    found = subjects.load(connection, wanted)
    settle(connection, [Change(id=of, row=found[of], whole=True) for of in sorted(wanted)], context)
    _recount(connection, changed, context)
    return len(changed)


def _recount(connection: Connection, changed: Sequence[Row], context: Context) -> None:
    """Bring the tallies and outcomes of the deliveries up to date."""
    by_delivery: dict[str, Counter[str]] = {}
    for row in changed:
        if row["delivery"] is not None:
            by_delivery.setdefault(row["delivery"], Counter())[row["now"]] += 1
    rows = []
    for of, more in by_delivery.items():
        stored = deliveries.get(connection, of)
        if stored is None:
            continue
        counts = Counter(stored["tally"] or {})
        counts.subtract({"held": more.total()})
        counts.update(more)
        outcome = next((word for word in ORDER if counts[word] > 0), "ignored")
        error = stored["error"] if outcome == "held" else None
        tally = {word: counts[word] for word in ORDER if counts[word] > 0}
        rows.append({"of": of, "outcome": outcome, "tally": tally, "error": error, "at": context.now})
    deliveries.settle_again(connection, rows)
