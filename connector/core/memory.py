"""What a subject remembers of its actions: per window, newest first, as much as a rule can still ask for."""

from __future__ import annotations

from collections.abc import Iterable

from connector.core.event import Step
from connector.core.state import Entry
from connector.core.terms import Window


def remember(
    seen: dict[str, list[Entry]],
    windows: Iterable[tuple[Window, int]],
    *,
    step: Step,
    bits: int,
    session: str,
    day: int,
) -> None:
    """Put an action (its `bits`, on a local `day`) into every window that it belongs to, and let the oldest go.

    A day is remembered by its first action, a session by its latest; a window never holds more than its size.
    """
    for window, size in windows:
        if not bits & window.of:
            continue
        entries = seen.setdefault(window.name, [])
        name = step.id
        if window.distinct == "day":
            if entries and entries[0][0] == day:
                continue
        elif window.distinct == "session":
            name = session
            entries[:] = [entry for entry in entries if entry[1] != session]
        entries.insert(0, (day, name, step.page))
        del entries[size:]
