"""The records that a batch is about: the newest stage of each, whether it is there, and which change is our echo.

Theory of operation
-------------------
What we write into a system comes back as its own webhook. Taken for a person's change, it would be weighed against
newer events and written out again, for ever. So every stage and owner that is sent is entered into the echo ledger
first, and a change that comes in is our echo when

- it says exactly the value that an entry of its record has, case aside,
- its time lies in the window after the entry (clocks may differ: `EARLY` before it too),
- no other event came back for that entry (the same event may come again: it is matched to the same entry), and
- the record had no other stage between the two: then somebody has changed it back, and it counts.

A stage that was only seen (`Event.is_seen`: the system does not say since when) is an echo of the stage that is known,
if it is the same: that moves nobody.

Events of one record take their turn in the order in which they arrived; each is judged by what was known before it, and
then becomes known. Which stage is the newest says the order of the fold (`Event.stage_order`), so that the record
agrees with the status that the fold ends with.

A record is gone when nothing is known of it from after its newest deletion. Within the instant of the deletion that is
what has a higher sequence, or else what was read later: from the record itself, later than the deletion or, of a
deletion that was not read but told, than the second to which it is dated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from connector.core.decide.batch import Batch, KnownRecord, RecordKey, SentValue, TranslatedEvent
from connector.core.event import Event, Kind
from connector.core.order import NO_SEQUENCE, NOT_READ, READ, SEQUENCE, Order

EARLY: Final = timedelta(minutes=2)
"""How far their clock may be behind ours when they date the change that we made."""
_DATED_TO: Final = timedelta(seconds=1)
"""How exactly systems date what they tell of."""
_STAGED: Final = frozenset({Kind.STAGE, Kind.RECORD})
_ECHOED: Final = frozenset({Kind.STAGE, Kind.OWNER})


def may_be_echo(event: TranslatedEvent) -> bool:
    """Whether what was sent for the event's record has to be known."""
    return event.record is not None and event.event.kind in _ECHOED


class Records:
    """The records of a batch as they become known, event by event."""

    def __init__(self, batch: Batch) -> None:
        self._known: Final[Mapping[RecordKey, KnownRecord]] = batch.records
        self._window: Final = batch.context.echo_window
        self._sent: Final = batch.sent
        self._now: dict[RecordKey, KnownRecord] = dict(batch.records)
        self._facts: Final = {key: list(facts) for key, facts in batch.last_facts.items()}
        self._matched: dict[str, str] = {}
        self.linked: Final[set[RecordKey]] = set()
        """Records that are new, or back after they were deleted: they were not told how their subject stands."""

    def is_echo(self, event: TranslatedEvent) -> bool:
        """Whether the event is our own change come back; what it came back for is matched."""
        fact, key = event.event, event.record
        record = self._now.get(key) if key is not None else None
        if record is None or not may_be_echo(event):
            return False
        value = (fact.stage if fact.kind is Kind.STAGE else (fact.owner_email or fact.owner)) or ""
        for entry in self._sent.get(record.id or "", ()):
            matched = self._matched.get(entry.id, entry.matched)
            if (
                entry.field == fact.kind.value
                and entry.value == value.casefold()
                and entry.at - EARLY <= fact.at <= entry.at + self._window
                and matched in {None, fact.key}
                and not _is_changed_back(fact, entry, record)
            ):
                self._matched[entry.id] = fact.key
                return True
        return fact.is_seen and _is_known(fact, record)

    def is_stale(self, event: TranslatedEvent) -> bool:
        """Whether a stage is older than the newest one that is known of its record."""
        record = self._now.get(event.record) if event.record is not None else None
        if record is None or record.stage_order is None or event.event.kind is not Kind.STAGE:
            return False
        return event.event.stage_order < record.stage_order

    def note(self, event: TranslatedEvent, subject: str) -> None:
        """Know what the event says of its record, whose subject is `subject`."""
        fact, key = event.event, event.record
        if key is None:
            return
        record = self._now.get(key)
        if record is None:
            record = KnownRecord(id=None, key=key, subject=subject)
            self.linked.add(key)
        changes: dict[str, Any] = {} if record.subject == subject else {"subject": subject}
        if fact.kind is Kind.DELETED:
            end = max(fact.order, record.gone_order or fact.order)
            is_gone = not any(is_back(known, end) for known in self._facts.get(key, ()))
            changes |= {"gone_order": end, "is_gone": is_gone}
        else:
            self._facts.setdefault(key, []).append(fact.order)
            if record.is_gone and record.gone_order is not None and is_back(fact.order, record.gone_order):
                changes["is_gone"] = False
                self.linked.add(key)
        if fact.kind in _STAGED and fact.stage is not None and _is_newer(fact, record):
            changes |= {"stage": fact.stage, "pipeline": fact.pipeline, "stage_order": fact.stage_order}
        self._now[key] = replace(record, **changes) if changes else record

    def changed(self) -> tuple[KnownRecord, ...]:
        """The records that are new or other than they are stored."""
        return tuple(record for key, record in self._now.items() if record != self._known.get(key))

    def matched(self) -> tuple[tuple[str, str], ...]:
        """(ledger entry, event key) of the echoes that came."""
        return tuple(self._matched.items())

    def all(self) -> Mapping[RecordKey, KnownRecord]:
        """All records of the batch as they are known now."""
        return self._now


def _is_changed_back(event: Event, entry: SentValue, record: KnownRecord) -> bool:
    """Whether the record had another stage between what we sent and this event; an emptied one is none."""
    if event.kind is not Kind.STAGE or record.stage_order is None or not record.stage:
        return False
    return record.stage.casefold() != entry.value and entry.at < record.stage_order[0] < event.at


def _is_known(event: Event, record: KnownRecord) -> bool:
    """Whether the newest stage known of the record is the one that it was seen in, then or before."""
    is_same = (record.stage, record.pipeline or "") == (event.stage, event.pipeline or "")
    return is_same and (record.stage_order is None or record.stage_order <= event.stage_order)


def _is_newer(event: Event, record: KnownRecord) -> bool:
    """Whether a stage is newer than the record's."""
    return record.stage_order is None or event.stage_order >= record.stage_order


def is_back(fact: Order, end: Order) -> bool:
    """Whether something that is known of a record is from after its deletion."""
    if fact[0] != end[0]:
        return fact[0] > end[0]
    if min(fact[SEQUENCE], end[SEQUENCE]) > NO_SEQUENCE:
        return fact[SEQUENCE] > end[SEQUENCE]
    return fact[READ] > (end[READ] if end[READ] != NOT_READ else end[0] + _DATED_TO)
