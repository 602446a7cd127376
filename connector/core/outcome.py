"""What became of an event, and of the delivery that brought it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What became of an event. It is stored with the event, and it is the label of its metric.

    `APPLIED`: it counts. `STALE`: it counts, but its record had a newer stage already. `ECHO`: what we wrote ourselves,
    come back. `DUPLICATE`: it was there already. `IGNORED`: the mapping makes nothing of it. `HELD`: it waits for a
    mapping. `DEAD`: it could not be read, or was given up. `PENDING`: nothing became of it yet.
    """

    APPLIED = "applied"
    IGNORED = "ignored"
    STALE = "stale"
    ECHO = "echo"
    DUPLICATE = "duplicate"
    HELD = "held"
    DEAD = "dead"
    PENDING = "pending"


OF_DELIVERY: Final = (
    Outcome.HELD,
    Outcome.DEAD,
    Outcome.APPLIED,
    Outcome.STALE,
    Outcome.ECHO,
    Outcome.DUPLICATE,
    Outcome.IGNORED,
)
"""A delivery with several events has the outcome that comes first here among theirs."""
COUNTED: Final = frozenset({Outcome.APPLIED, Outcome.STALE})
"""The outcomes of events that take part in the fold of their subject."""


def delivery_outcome(tally: Mapping[Outcome, int]) -> Outcome:
    """The outcome of a delivery whose events ended so (outcome → how many); ignored when it had none."""
    return next((one for one in OF_DELIVERY if tally.get(one)), Outcome.IGNORED)
