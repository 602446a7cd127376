"""The records that a batch is about: the newest stage and owner of each, whether it is there, which change is our echo.

Theory of operation
-------------------
Which changes are echoes is said by `echoes`. Besides, a stage that was only seen (`Event.is_seen`: the system does not
say since when) is an echo of the stage that is known, if it is the same: that moves nobody.

Events of one record take their turn in the order in which they arrived; each is judged by what was known before it, and
then becomes known. Which stage is the newest says the order of the fold (`Event.stage_order`), so that the record
agrees with the status that the fold ends with.

A record is gone when nothing is known of it from after its newest deletion. Within the instant of the deletion that is
what has a higher sequence, or else what was read later: from the record itself, later than the deletion or, of a
deletion that was not read but told, than the second to which it is dated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from connector.core.decide.batch import Batch, KnownRecord, StoredEvent, TranslatedEvent
from connector.core.decide.echoes import EARLY, OWNER, SAYING, STAGE, Echoes, may_be_echo, shown_value
from connector.core.event import Event, Kind, Outcome
from connector.core.identity import IdentityKey, RecordKey
from connector.core.order import NO_SEQUENCE, NOT_READ, READ, SEQUENCE, Order

_DATED_TO: Final = timedelta(seconds=1)
"""How exactly systems date what they tell of."""
_STAGED: Final = frozenset({Kind.STAGE, Kind.RECORD})
_OWNED: Final = frozenset({Kind.OWNER, Kind.RECORD})


class Records:
    """The records of a batch as they become known, event by event; `fresh`: its events that are not stored yet."""

    def __init__(self, batch: Batch, fresh: Sequence[TranslatedEvent]) -> None:
        self._batch: Final = batch
        self._now: dict[RecordKey, KnownRecord] = dict(batch.records)
        self._facts: Final = {key: list(facts) for key, facts in batch.last_facts.items()}
        self._said: Final = _said(fresh)
        self._echoes: Final = Echoes()
        self._find_echoes()
        self.linked: Final[set[RecordKey]] = set()
        """Records that are new, or back after they were deleted: they were not told how their subject stands."""

    def _find_echoes(self) -> None:
        """The echoes among the batch's events and those that are stored, of records that something was sent for."""
        for key, events in self._said.items():
            record = self._batch.records.get(key)
            if record is not None and (entries := self._batch.sent.get(record.id or "")):
                keys = {event.key for event in events}
                told = (stored.event.event for stored in self._batch.told.get(key, ()))
                known = [event for event in told if event.key not in keys]
                for name in (STAGE, OWNER):
                    self._echoes.find(name, entries, [*known, *events], self._batch.context.echo_window)

    def is_echo(self, event: TranslatedEvent) -> bool:
        """Whether the event is our own change come back, or was only seen and says what is known."""
        record = self._now.get(event.record) if event.record is not None else None
        is_seen = event.event.is_seen and event.event.kind is Kind.STAGE
        return event.event.key in self._echoes.keys or (
            is_seen and record is not None and _is_known(event.event, record)
        )

    def rejudged(self) -> Iterator[tuple[StoredEvent, bool]]:
        """Stored events that are echoes (true) or none, other than was thought before what the batch says."""
        for key, events in self._said.items():
            first_at, keys = min(event.at for event in events) - EARLY, {event.key for event in events}
            for stored in self._batch.told.get(key, ()):
                fact, is_echo = stored.event.event, stored.event.event.key in self._echoes.keys
                is_open = fact.at >= first_at and may_be_echo(fact) and not fact.is_seen and fact.key not in keys
                if is_open and is_echo != (stored.outcome is Outcome.ECHO):
                    yield stored, is_echo

    def is_stale(self, event: TranslatedEvent) -> bool:
        """Whether a stage is older than the newest one that is known of its record."""
        record = self._now.get(event.record) if event.record is not None else None
        if record is None or record.stage_order is None or event.event.kind is not Kind.STAGE:
            return False
        return event.event.stage_order < record.stage_order

    def note(self, event: TranslatedEvent, subject: str) -> None:
        """Know what the event says of its record; a new one is of `subject`."""
        fact, key = event.event, event.record
        if key is None:
            return
        record = self._now.get(key)
        if record is None:
            record = KnownRecord(id=None, key=key, subject=subject)
            self.linked.add(key)
        changes: dict[str, Any] = {}
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
        owner = shown_value(fact, OWNER) if fact.kind in _OWNED else None
        if owner is not None and (record.owner_order is None or fact.order >= record.owner_order):
            changes |= {"owner": owner, "owner_order": fact.order}
        self._now[key] = replace(record, **changes) if changes else record

    def reassign(self, owners: Mapping[IdentityKey, str]) -> None:
        """Records (by their identity) are of these subjects now; they were not told how those stand."""
        for key, record in self._now.items():
            owner = owners.get(key.identity, record.subject)
            if owner != record.subject:
                self._now[key] = replace(record, subject=owner)

    def changed(self) -> tuple[KnownRecord, ...]:
        """The records that are new or other than they are stored."""
        return tuple(record for key, record in self._now.items() if record != self._batch.records.get(key))

    def matched(self) -> tuple[tuple[str, str | None], ...]:
        """(ledger entry, event key) of the echoes that came, where it is another one than is stored."""
        return tuple(self._echoes.matched.items())

    def all(self) -> Mapping[RecordKey, KnownRecord]:
        """All records of the batch as they are known now."""
        return self._now


def _said(fresh: Sequence[TranslatedEvent]) -> Mapping[RecordKey, list[Event]]:
    """By record the events that say its stage or owner."""
    found: dict[RecordKey, list[Event]] = {}
    for event in fresh:
        if event.record is not None and event.event.kind in SAYING:
            found.setdefault(event.record, []).append(event.event)
    return found


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
