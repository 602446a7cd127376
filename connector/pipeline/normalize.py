"""From parsed deliveries to events in the connection's own names, as its mapping translates them; and their tally."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

import orjson
import structlog

from connector.adapter_kit.identities import identifying, international
from connector.adapter_kit.payload import Part, refuse_unstorable
from connector.adapter_kit.placeholders import is_placeholder
from connector.core.decide.batch import EventOutcome, TranslatedEvent
from connector.core.errors import BadPayload, Unmapped
from connector.core.event import OF_DELIVERY, Event, Identity, IdentityKind, Outcome, Step, delivery_outcome
from connector.core.mapping import translate
from connector.core.ruleset import IdentityRules
from connector.pipeline.read import ParsedDelivery
from connector.runtime.connections import Connected
from connector.store.deliveries import DeliveryResult
from connector.store.event_json import event_to_json

AHEAD: Final = timedelta(minutes=5)
"""An event dated further ahead of when it was told (its receipt, or the reading of its record) counts at that time."""
_LOCAL: Final = frozenset({IdentityKind.RECORD, IdentityKind.ACCOUNT})
LONGEST_ERROR: Final = 2000
log: Final = structlog.get_logger(__name__)


def normalized(parsed: Iterable[ParsedDelivery], tally: Tally, rules: IdentityRules) -> list[TranslatedEvent]:
    """The events of deliveries, translated; parts that cannot be read or stored, or name nobody, are dead."""
    events: list[TranslatedEvent] = []
    for delivery in parsed:
        for part in delivery.parts:
            mistake = part if isinstance(part, BadPayload) else _mistake(part)
            if mistake is not None or isinstance(part, BadPayload):
                tally.add(EventOutcome(delivery=delivery.id, outcome=Outcome.DEAD, reason=str(mistake)))
                if delivery.id is None:
                    log.warning("what the system told cannot be read", connection=delivery.name, error=str(mistake))
            elif delivery.connected is not None:
                event = _normalized(part, delivery, delivery.connected, rules)
                if event.identities:
                    events.append(event)
                else:
                    tally.add(EventOutcome(delivery=delivery.id, outcome=Outcome.DEAD, reason=_nobody(part)))
    return events


def _nobody(event: Event) -> str:
    """Why an event is about nobody."""
    named = ", ".join(f"{one.kind} {one.value!r}" for one in event.identities) or "nothing"
    return f"this says about nobody: it names {named}, which identifies no single person here"[:LONGEST_ERROR]


def _mistake(event: Event) -> BadPayload | None:
    """What no event may have: an id that stands for no record, and what no database takes."""
    if event.record is not None and is_placeholder(IdentityKind.RECORD, event.record.name):
        return BadPayload(f"{event.record.id!r} is no id of a record: it stands for none")
    reason = ""
    try:
        if b"\\u0000" not in orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS):
            return None
    except TypeError as error:
        reason = f"cannot be stored: {error}"
    try:
        refuse_unstorable(Part(event_to_json(event)))
    except BadPayload as error:
        return error
    return BadPayload(reason) if reason else None


def _normalized(event: Event, delivery: ParsedDelivery, connected: Connected, rules: IdentityRules) -> TranslatedEvent:
    """The event with its connection's name, not in the future, and with what the mapping makes of it.

    What was read of its record at the source knows when; what a webhook itself says does not (see `core/order.py`).
    """
    as_of = delivery.as_of
    is_read = event.record is not None and event.record.name in delivery.read
    read_at = event.read_at or (as_of if is_read else None)
    identities = tuple(dict.fromkeys(_identities(event, connected, rules)))
    event = replace(event, key=f"{connected.name}:{event.key}", identities=identities, read_at=read_at)
    if event.at > as_of + AHEAD:
        event = replace(event, at=as_of, data={**event.data, "future_at": event.at.isoformat()})
    steps: tuple[Step, ...] = ()
    unmapped = None
    try:
        steps = translate(event, connected.rules)
    except Unmapped as error:
        unmapped = error.held_for
    return TranslatedEvent(
        connection=connected.name,
        event=event,
        steps=steps,
        unmapped=unmapped,
        version=connected.version,
        delivery=delivery.id,
    )


def _identities(event: Event, connected: Connected, rules: IdentityRules) -> Iterator[Identity]:
    """What identifies somebody, as it does in every system: nobody's and unreadable values are left out."""
    kinds, region = connected.rules.identify_by, connected.rules.region
    extra = placeholders(rules, region)
    for identity in event.identities:
        found = identifying(identity, region, extra)
        if found is None or (found.kind is not IdentityKind.RECORD and found.kind not in kinds):
            continue
        if found.is_local or found.kind in _LOCAL:
            found = Identity(kind=found.kind, value=f"{connected.name}:{found.value}")
        yield found


@lru_cache(maxsize=64)
def placeholders(rules: IdentityRules, region: str | None) -> frozenset[str]:
    """What a workspace takes for nobody's, its numbers also as they are written abroad."""
    abroad = {found[1] for number in rules.numbers if (found := international(number, region)) is not None}
    return rules.addresses | rules.domains | rules.numbers | abroad


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts the events of each delivery (None: of none) by outcome, and keeps what went wrong in each.

    `outcomes`: of all events, in their order.
    """

    counts: dict[str | None, Counter[Outcome]] = field(default_factory=lambda: defaultdict(Counter))
    errors: dict[str | None, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, *outcomes: EventOutcome) -> None:
        """Count events."""
        for event in outcomes:
            self.counts[event.delivery][event.outcome] += 1
            self.outcomes.append(event.outcome)
            if event.reason is not None:
                self.errors[event.delivery][event.reason] = None

    def add_written(self, delivery: str, tally: Mapping[str, int]) -> None:
        """Count the events of a delivery that were written before, by outcome."""
        self.counts[delivery].update({Outcome(outcome): count for outcome, count in tally.items()})

    def result(self, delivery: str) -> DeliveryResult:
        """What became of a delivery that could be read."""
        counts = self.counts[delivery]
        error = "; ".join(self.errors[delivery])[:LONGEST_ERROR] if delivery in self.errors else None
        return DeliveryResult(id=delivery, outcome=delivery_outcome(counts), tally=tally_json(counts), error=error)


def tally_json(counts: Counter[Outcome]) -> dict[str, int]:
    """A tally as it is stored: outcome → how many, those that there are, in the order of `OF_DELIVERY`."""
    return {outcome.value: counts[outcome] for outcome in OF_DELIVERY if counts[outcome] > 0}
