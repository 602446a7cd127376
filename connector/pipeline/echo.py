"""The echo ledger read for a batch: which change is our own come back, and which is older than what we know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection

from connector.core.event import Event, Kind
from connector.store import outbox
from connector.store import subjects as queries
from connector.store.rows import Row

EARLY: Final = timedelta(minutes=2)
"""How far their clock may be behind ours when they date the change that we made."""
RecordKey: TypeAlias = tuple[str, str, str]


def _key(name: str, event: Event) -> RecordKey:
    return (name, event.record.object, event.record.id) if event.record else (name, "", "")


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The records of a batch with what was sent for them."""

    window: timedelta
    records: dict[RecordKey, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _matched: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, connection: Connection, events: Sequence[tuple[str, Event]], window: timedelta) -> Ledger:
        """The ledger for (connection, event) pairs; events without stage or owner need none."""
        asked = [(name, event) for name, event in events if event.record and event.kind in {Kind.STAGE, Kind.OWNER}]
        ledger = cls(window=window)
        if not asked:
            return ledger
        found = queries.records_by_key(connection, {_key(name, event) for name, event in asked})
        ledger.records = {key: dict(row) for key, row in found.items()}
        since = min(event.at for _, event in asked) - window
        for row in outbox.echoes_of(connection, {row["id"] for row in ledger.records.values()}, since):
            ledger.sent.setdefault(row["record"], []).append(dict(row))
        return ledger

    def is_echo(self, name: str, event: Event) -> bool:
        """Whether the change equals what was sent for the record, within the window, and no other came back for it.

        A stage that follows another one than ours is somebody's change back, even where ours never came back. A stage
        that was only seen is an echo of the one known, if it is the same.
        """
        if event.kind not in {Kind.STAGE, Kind.OWNER} or (record := self.records.get(_key(name, event))) is None:
            return False
        value = event.stage if event.kind is Kind.STAGE else (event.owner_email or event.owner)
        for entry in self.sent.get(record["id"], []):
            is_same = entry["field"] == event.kind.value and entry["value"] == (value or "").casefold()
            is_near = entry["at"] - EARLY <= event.at <= entry["at"] + self.window
            if is_same and is_near and entry["matched"] in {None, event.key} and not _is_back(event, entry, record):
                entry["matched"] = event.key
                self._matched.append({"of": entry["id"], "came": event.key})
                return True
        return event.is_seen and _is_known(event, record)

    def is_stale(self, name: str, event: Event) -> bool:
        """Whether a stage event is older than the newest stage known of its record."""
        record = self.records.get(_key(name, event))
        return event.kind is Kind.STAGE and bool(record and record["stage_at"] and event.at < record["stage_at"])

    def note(self, name: str, event: Event) -> None:
        """Know the stage that an event of the batch gives its record, for those after it."""
        record = self.records.get(_key(name, event)) if event.kind is Kind.STAGE else None
        if record is not None and (record["stage_at"] is None or event.at >= record["stage_at"]):
            record |= {"stage": event.stage, "stage_at": event.at}

    def save(self, connection: Connection) -> None:
        """Write down which entries were matched."""
        outbox.match_echoes(connection, self._matched)


def _is_back(event: Event, entry: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether the record had another stage between what we sent and this event; an emptied one is none."""
    if event.kind is not Kind.STAGE or record["stage_at"] is None or not record["stage"]:
        return False
    is_other = record["stage"].casefold() != entry["value"]
    return is_other and bool(entry["at"] < record["stage_at"] < event.at)


def _is_known(event: Event, record: Mapping[str, Any]) -> bool:
    """Whether the newest stage known of the record is the one that it was seen in, then or before."""
    is_same = (record["stage"], record["pipeline"] or "") == (event.stage, event.pipeline or "")
    return is_same and (record["stage_at"] is None or bool(record["stage_at"] <= event.at))
