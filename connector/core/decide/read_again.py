"""A stage or owner that is read again: the same fact, or a record that came back to it within the second of its date.

A system that dates to the second gives both the same key. What was read in between tells them apart: the record then
had another one of the same instant, and what is read later is newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from connector.core.decide.batch import KnownRecord, TranslatedEvent
from connector.core.decide.echoes import OWNER, shown_value
from connector.core.event import Kind
from connector.core.identity import RecordKey
from connector.core.order import NO_SEQUENCE, READ, SEQUENCE


def may_be_back(event: TranslatedEvent) -> bool:
    """Whether an event whose key is known may say more than what is known: its record has to be loaded, too."""
    fact = event.event
    return fact.kind in {Kind.STAGE, Kind.OWNER} and fact.read_at is not None and fact.sequence is None


def back_again(event: TranslatedEvent, records: Mapping[RecordKey, KnownRecord]) -> TranslatedEvent | None:
    """The event under a key of its own, where its record came back to what it says; None: that is known."""
    record = records.get(event.record) if event.record and may_be_back(event) else None
    if record is None:
        return None
    fact = event.event
    if fact.kind is Kind.STAGE:
        last, is_same = record.stage_order, (record.stage, record.pipeline) == (fact.stage, fact.pipeline)
    else:
        last, is_same = record.owner_order, record.owner == shown_value(fact, OWNER)
    if last is None or is_same or last[0] != fact.at:
        return None
    if last[SEQUENCE] != NO_SEQUENCE or fact.order[READ] <= last[READ]:
        return None
    key = f"{fact.key}~{fact.order[READ].isoformat()}"
    steps = tuple(replace(step, id=key + step.id.removeprefix(fact.key)) for step in event.steps)
    return replace(event, event=replace(fact, key=key), steps=steps)
