"""Counters of a subject's life: the nth different thing that reaches a stage, or the nth firing of a trigger."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from connector.core.event import Counting


def count(counters: MutableMapping[str, tuple[str, ...]], counting: Counting) -> tuple[str, dict[str, Any]]:
    """The status that the count gives, and the facts that say which it was.

    A counter remembers as many different things as it has statuses: beyond them the last status stays.
    """
    seen = counters.get(counting.counter, ())
    is_full = len(seen) >= len(counting.statuses)
    if counting.thing not in seen and not is_full:
        seen = counters[counting.counter] = (*seen, counting.thing)
    nth = _ordinal(len(seen))
    return counting.statuses[len(seen) - 1], {"nth": f"{nth} or later" if is_full else nth, "of": counting.of}


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
