"""What of a subject's old events a fold can still ask for; the rest, which says who somebody was, is let go.

Theory of operation
-------------------
Events are kept whole for some time. Older ones are not folded into a state that the history begins with: two such
states could not be merged, nor one be taken apart again, and an event that comes later than both would have no place.
They stay where they are in time, and only lose what no fold can ask for any more:

- a value of the profile that its record gave again since, by the same conflict rule: it never wins again. What stands
  stays;
- the address of a page, unless it is a key page, or a decision names it among its facts: those stand for ever;
- the name of a session on such a page: it tells sessions apart on key pages only.

So the fold of what is left gives the same decisions, facts included, and the same state as that of the whole history
but for pages that no rule looks at. A late event, however old, takes its place as ever; merges unite what both have
kept; a merge can be undone, because values are let go only within `group`, which stays together then.

One thing is not exact: where several records give one field, whose value an empty one takes back depends on who gave it
last at that time. A late event, or a merge, that comes between values of which the older is gone may find another
record to have given it, and end in the other of the two: empty, or not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from connector.core.event import KEY_PAGE as KEY
from connector.core.event import Action, Conflict, Step
from connector.core.ruleset import Ruleset
from connector.core.state import State, is_empty

NO_SESSION: Final = "-"
"""In place of a session's name: the step named one, so that it is none of the free sessions."""
IsKept = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event of a subject. `group`: what stays together when merges are undone; `is_old`: it is to be compacted."""

    id: str
    steps: tuple[Step, ...]
    is_old: bool
    group: str = ""


class _Value(NamedTuple):
    event: str
    place: int
    field: str


def page_filter(ruleset: Ruleset, facts: Iterable[Mapping[str, Any]]) -> IsKept:
    """Whether the address of a page stays: that of a key page, or one that decisions name among their `facts`."""
    told = {
        entry.get("page")
        for values in facts
        for entries in values.values()
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, dict)
    }
    return lambda page: page in told or bool(ruleset.bits(Action.SITE_ACCESS, page) & KEY)


def compact(events: Sequence[StoredEvent], is_kept: IsKept) -> dict[str, tuple[Step, ...]]:
    """The steps of the old events by the event's id, without what no fold asks for; `events`: all that count."""
    standing = _standing(events)
    return {
        event.id: tuple(
            _compacted(step, [name for name in step.fields if _Value(event.id, place, name) in standing], is_kept)
            for place, step in enumerate(event.steps)
        )
        for event in events
        if event.is_old
    }


def _standing(events: Sequence[StoredEvent]) -> set[_Value]:
    """The values that can win: of each group, record, field and conflict rule the newest, of `if_empty` the first."""
    found: dict[tuple[str, str, str, Conflict], _Value] = {}
    first: set[tuple[str, str, str, Conflict]] = set()
    placed = [(step, event, place) for event in events for place, step in enumerate(event.steps) if step.fields]
    for step, event, place in sorted(placed, key=lambda one: one[0].order):
        for name, given in step.fields.items():
            key = (event.group, step.source or "", name, given.conflict)
            if key not in first:
                found[key] = _Value(event.id, place, name)
            if given.conflict is Conflict.IF_EMPTY and not is_empty(given.value):
                first.add(key)
    return set(found.values())


def _compacted(step: Step, standing: Collection[str], is_kept: IsKept) -> Step:
    is_told = step.page is not None and is_kept(step.page)
    return replace(
        step,
        fields={name: step.fields[name] for name in standing},
        page=step.page if is_told else None,
        session=step.session if is_told or step.session is None else NO_SESSION,
    )


def without_pages(state: State, before: int, is_kept: IsKept) -> State:
    """The state as a fold of compacted events gives it; `before`: the local day (ordinal) up to which they are old."""
    seen = {
        window: tuple(
            (day, name, page if page is None or day >= before or is_kept(page) else None) for day, name, page in entries
        )
        for window, entries in state.seen.items()
    }
    return replace(state, seen=seen)
