"""Facts that are read again after their record said something else within the same second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from connector.core.decide.batch import KnownEvent, StoredEvent, TranslatedEvent
from connector.core.event import Event, Kind
from connector.core.order import NOT_READ

# Theory of operation: a system that dates to the second gives a value that is set, changed and set again within one
# second the key that it had at first. By its key it is a fact that is known; but whoever reads the record sees what it
# shows now. So of facts about one record, kind and second the one that was read last is the newest, and a fact that is
# read again takes the place of its last reading, if another was read in between, or may yet come: both were read within
# that second. A fact that was first read long after its second was the last word of that already; and where the source
# gives a sequence, that decides.

Mark: TypeAlias = tuple[str, str]
"""Connection and key of an event."""
_SHOWN: Final = frozenset({Kind.STAGE, Kind.OWNER, Kind.PROFILE, Kind.RECORD})
"""The kinds of events that say what a record shows."""
_SECOND: Final = timedelta(seconds=1)
_LATE: Final = timedelta(minutes=2)
"""How far the clock of a system may be behind ours."""


def mark_of(event: TranslatedEvent) -> Mark:
    """What it is known by."""
    return event.connection, event.event.key


def may_count_again(fact: Event, read_at: datetime | None) -> bool:
    """Whether a fact that was read before (None: it was only told) may be a later word of the same second."""
    is_dated_to_seconds = fact.sequence is None and fact.at.microsecond == 0
    is_read_later = fact.read_at is not None and (read_at or NOT_READ) < fact.read_at
    is_open = read_at is None or read_at < fact.at + _LATE
    return is_dated_to_seconds and is_read_later and is_open and fact.record is not None and fact.kind in _SHOWN


def read_again(events: Iterable[TranslatedEvent], known: Mapping[Mark, KnownEvent]) -> dict[Mark, TranslatedEvent]:
    """The events that are known and may count again."""
    found = {mark: event for event in events if (mark := mark_of(event)) in known}
    return {mark: event for mark, event in found.items() if may_count_again(event.event, known[mark].read_at)}


def counting_again(
    again: Mapping[Mark, TranslatedEvent], events: Sequence[TranslatedEvent], stored: Sequence[StoredEvent]
) -> dict[Mark, StoredEvent]:
    """Those of `stored` that count again; `stored`: of the seconds of `again`, whose readings stand in `events`.

    What is told beside a fact by the same reading, as a history does, was not in between.
    """
    others = [*events, *(one.event for one in stored)]
    read_at = {mark_of(event): event.event.read_at or NOT_READ for event in events}
    found = {mark_of(one.event): one for one in stored if mark_of(one.event) in again}
    return {
        mark: one
        for mark, one in found.items()
        if _is_within(again[mark].event)
        or any(
            read_at.get(mark_of(other), NOT_READ) < read_at[mark] and _is_between(other, one.event, again[mark])
            for other in others
        )
    }


def _is_within(fact: Event) -> bool:
    """Whether it was read within its second: what was said in between may yet come."""
    return fact.read_at is not None and fact.read_at < fact.at + _SECOND


def _is_between(other: TranslatedEvent, first: TranslatedEvent, again: TranslatedEvent) -> bool:
    """Whether the record said something else between two readings of a fact."""
    fact, said = again.event, other.event
    is_other = (other.record, said.kind, said.at) == (again.record, fact.kind, fact.at) and said.key != fact.key
    read_at = said.read_at or NOT_READ
    is_then = first.event.order < said.order and read_at < (fact.read_at or NOT_READ)
    return is_other and said.sequence is None and is_then
