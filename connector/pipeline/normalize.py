"""What deliveries say on its way into the store: events each once, told apart by connection, translated, counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.errors import BadPayload, Unmapped
from connector.core.event import Event, Identity, IdentityKind
from connector.core.mapping import translate
from connector.pipeline.apply import Incoming
from connector.pipeline.echo import Ledger
from connector.pipeline.read import Read
from connector.runtime.connections import Connected
from connector.store import subjects as queries
from connector.store.rows import Row

AHEAD: Final = timedelta(minutes=5)
"""An event dated further ahead of when it was told (its receipt, or the reading of its record) counts at that time."""
LONGEST_ERROR: Final = 2000
SENT: Final = "what we sent, come back"
SEEN: Final = "seen in the stage that it is known to be in"
ORDER: Final = ("held", "dead", "applied", "stale", "echo", "duplicate", "ignored")
"""A delivery with several events ends as the first of these that one of them is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    """An event with the delivery row that it came out of, and when what it says was read (aware UTC)."""

    connected: Connected
    row: Row
    event: Event
    as_of: datetime


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts a delivery's events by outcome, and keeps what went wrong in each delivery."""

    counts: dict[str | None, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    errors: dict[str | None, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, delivery: str | None, outcome: str, error: str | None = None) -> None:
        """Count one event of a delivery (None: no delivery brought it), with what is wrong about it."""
        self.counts[delivery][outcome] += 1
        if error is not None:
            self.errors[delivery][error] = None


def translated(connection: Connection, reads: Sequence[Read], tally: Tally, echo_window: timedelta) -> list[Incoming]:
    """The events of deliveries that are not stored yet, as their mappings and the echo ledger have them."""
    facts: list[_Fact] = []
    for read in reads:
        for part in read.parsed:
            if isinstance(part, BadPayload):
                tally.add(read.row["id"], "dead", str(part))
            elif read.connected is not None:
                as_of = read.as_of or read.row["received_at"]
                facts.append(_Fact(connected=read.connected, row=read.row, event=_named(part, read.name), as_of=as_of))
    facts = _once(connection, facts, tally)
    ledger = Ledger.of(connection, [(fact.connected.name, fact.event) for fact in facts], echo_window)
    incoming: list[Incoming] = []
    for fact in facts:
        one = _incoming(fact, ledger)
        ledger.note(fact.connected.name, one.event)
        incoming.append(one)
        tally.add(fact.row["id"], one.outcome, one.reason if one.outcome == "held" else None)
    ledger.save(connection)
    return incoming


def _named(event: Event, name: str) -> Event:
    """The event with its key and record identities told apart from those of other connections."""
    identities = tuple(
        Identity(kind=one.kind, value=f"{name}:{one.value}") if one.kind is IdentityKind.RECORD else one
        for one in event.identities
    )
    return replace(event, key=f"{name}:{event.key}", identities=identities)


def _once(connection: Connection, facts: Sequence[_Fact], tally: Tally) -> list[_Fact]:
    """The events that are not stored yet, each once. One that this delivery brought before is as it was then."""
    stored = queries.known_events(connection, {(fact.connected.name, fact.event.key) for fact in facts})
    seen: set[tuple[str, str]] = set()
    fresh: list[_Fact] = []
    for fact in facts:
        mark, delivery = (fact.connected.name, fact.event.key), fact.row["id"]
        if mark in seen:
            tally.add(delivery, "duplicate")
        elif known := stored.get(mark):
            is_own = delivery is not None and known["delivery"] == delivery
            tally.add(delivery, known["outcome"] if is_own else "duplicate", known["reason"] if is_own else None)
        else:
            fresh.append(fact)
        seen.add(mark)
    return fresh


def _incoming(fact: _Fact, ledger: Ledger) -> Incoming:
    connected, event = fact.connected, fact.event
    common: dict[str, Any] = {"connection": connected.name, "version": connected.version, "delivery": fact.row["id"]}
    if event.at > fact.as_of + AHEAD:
        event = replace(event, at=fact.as_of, data={**event.data, "future_at": event.at.isoformat()})
    if ledger.is_echo(connected.name, event):
        return Incoming(event=event, outcome="echo", reason=SEEN if event.is_seen else SENT, **common)
    try:
        steps = translate(event, connected.rules)
    except Unmapped as error:
        return Incoming(event=event, outcome="held", reason=f"{error.what}: {error.name}"[:400], **common)
    if not steps:
        return Incoming(event=event, outcome="applied" if event.kind == "deleted" else "ignored", **common)
    is_stale = ledger.is_stale(connected.name, event)
    return Incoming(event=event, outcome="stale" if is_stale else "applied", steps=steps, **common)


def finished(read: Read, tally: Tally, now: datetime) -> Row:
    """A row for `deliveries.finish`: what became of a delivery that could be read; `now` aware UTC."""
    delivery = read.row["id"]
    counts = tally.counts[delivery]
    tally_of = {word: counts[word] for word in ORDER if word in counts}
    return {
        "of": delivery,
        "outcome": next(iter(tally_of), "ignored"),
        "tally": tally_of,
        "error": "; ".join(tally.errors[delivery])[:LONGEST_ERROR] if delivery in tally.errors else None,
        "at": now,
    }
