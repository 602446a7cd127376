"""Which changes of a record are our own, come back: one rule for its stage and its owner.

Theory of operation
-------------------
What we write into a system comes back as its own webhook. Taken for a person's change, it would be weighed against
newer events and written out again, for ever. So every stage and owner that a push changes is an entry of the echo
ledger. The entry is written before the push, since the webhook may be faster than the answer; what the record is known
to show already is not entered, and an entry is withdrawn when the read-back shows that nothing was changed, or not by
us. A change that came back for it by then stays an echo: it says what we were about to write at that very moment.

A change is our echo when

- it says exactly the value that an entry of its record has, case aside, and that nothing came back for yet,
- its time lies in the window after the entry; only where nothing does, in the minutes before (`EARLY`), since their
  clock may be behind, and
- the record was not seen with another value between the two, by the order of events: then somebody has changed it, and
  who brings our value back means it. An emptied stage is no such value: a push may empty a stage before it sets it.

Where the system names who made the change, that decides: what somebody else did is never an echo, whatever it says.
What we did is one for any entry that no other value has ended, however often it is told and whatever the clocks say
(`OWN_WINDOW`), or when the record had that value before. Else somebody uses our account by hand, and it counts.

All of it is decided anew, over all that is known of the record since, whenever something more becomes known of it: so
it does not matter in which order changes arrive. What was taken for an echo and is none counts from then on
(`Batch.told`, `Changes.rejudged`), and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from connector.core.event import Event, Kind
from connector.core.order import Order

EARLY: Final = timedelta(minutes=2)
"""How far their clock may be behind ours when they date the change that we made."""
OWN_WINDOW: Final = timedelta(days=1)
"""The same where they say that it was us, before and after."""
STAGE: Final = "stage"
OWNER: Final = "owner"
"""The fields of the ledger."""
SAYING: Final = frozenset({Kind.STAGE, Kind.OWNER, Kind.RECORD})
"""The kinds of events that say a stage or an owner of their records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentValue:
    """An entry of the echo ledger: a stage or an owner that was sent for a record.

    `field`: `stage` or `owner`; `value` is case-folded; `matched`: the key of the event that came back for it.
    """

    id: str
    record: str
    field: str
    value: str
    at: datetime
    matched: str | None = None


def shown_value(event: Event, name: str) -> str | None:
    """What an event says of a field of the ledger, case-folded; None: nothing."""
    if name == STAGE:
        return None if event.stage is None else event.stage.casefold()
    if event.kind is not Kind.OWNER and event.owner is None:
        return None
    return (event.owner_email or event.owner or "").casefold()


@dataclass(slots=True, kw_only=True)
class Echoes:
    """What came back of a record. `keys`: of the events that are echoes; `matched`: ledger entry → the event's key."""

    keys: set[str] = field(default_factory=set)
    matched: dict[str, str | None] = field(default_factory=dict)

    def find(self, name: str, entries: Sequence[SentValue], events: Sequence[Event], window: timedelta) -> None:
        """Find the echoes of one field among all events since the first of its `entries` (the oldest first)."""
        said = [(value, event) for event in events if (value := shown_value(event, name)) is not None]
        said.sort(key=lambda one: _order_of[name](one[1]))
        keys = {event.key for _, event in said}
        for entry in entries:
            if entry.field == name:
                # What came back before these events is used; for the others it is found again.
                is_used = entry.matched is not None and entry.matched not in keys
                self.matched[entry.id] = entry.matched if is_used else self._find_one(entry, said, window)
        before: str | None = None
        for value, event in said:
            if event.is_ours and may_be_echo(event) and value == before:
                self.keys.add(event.key)
            before = value

    def _find_one(self, entry: SentValue, said: Sequence[tuple[str, Event]], window: timedelta) -> str | None:
        """The event that came back for an entry: the first after it, else the last before it."""
        found: list[str] = []
        for event in self._same_since(entry, said):
            late = OWN_WINDOW if event.is_ours else window
            if event.at <= entry.at + late and event.key not in self.keys and not (found and not event.is_ours):
                found.append(event.key)
        if not found:
            start = entry.at.replace(microsecond=0)
            found = [
                event.key
                for value, event in said
                if value == entry.value
                and start - (OWN_WINDOW if event.is_ours else EARLY) <= event.at < start
                and event.key not in self.keys
                and _is_open(event)
            ][-1:]
        self.keys.update(found)
        return found[0] if found else None

    @staticmethod
    def _same_since(entry: SentValue, said: Sequence[tuple[str, Event]]) -> Iterator[Event]:
        """The events with the value of an entry, from its second on until another value was seen."""
        start = entry.at.replace(microsecond=0)
        for value, event in said:
            if event.at >= start and value == entry.value:
                if _is_open(event):
                    yield event
            elif event.at > entry.at and entry.value and (value or entry.field == OWNER):
                return


def _is_open(event: Event) -> bool:
    """Whether an event may be an echo, as far as its system says."""
    return may_be_echo(event) and event.is_ours is not False


def may_be_echo(event: Event) -> bool:
    """Whether an event is about one field of its record, so that all of it may be an echo."""
    return event.record is not None and event.kind in {Kind.STAGE, Kind.OWNER}


_order_of: Final[Mapping[str, Callable[[Event], Order]]] = {
    STAGE: attrgetter("stage_order"),
    OWNER: attrgetter("order"),
}
