"""How long to wait before what failed is tried again, and when it is given up: one rule, and the table of its uses."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_MOST_DOUBLINGS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The pause is `first` after the first attempt and doubles after each further one, up to `most`.

    `has_jitter`: a pause is between half of that and all of it, by chance, so that not all come again at once.
    `is_least`: a system's Retry-After can only lengthen a pause; else it takes the pause's place. `attempts`, `span`:
    how many attempts are made at most, and for how long it may fail; None: without end.
    """

    first: timedelta
    most: timedelta
    has_jitter: bool = False
    is_least: bool = False
    attempts: int | None = None
    span: timedelta | None = None

    def pause(self, attempts: int, retry_after: float | None = None) -> timedelta:
        """How long to wait after the attempts so far have failed. `retry_after`: the seconds that the system asked for.

        None and 0 ask for nothing.
        """
        return self._pause(self.first * 2 ** min(max(attempts - 1, 0), _MOST_DOUBLINGS), retry_after)

    def pause_since(self, failing: timedelta) -> timedelta:
        """As long again as it has been failing: doubles likewise, where the attempts are not counted."""
        return self._pause(max(failing, self.first), None)

    def is_over(self, *, attempts: int = 0, failing: timedelta = timedelta(0)) -> bool:
        """Whether to give up after so many attempts, or after it has been failing for so long."""
        return (self.attempts is not None and attempts >= self.attempts) or (
            self.span is not None and failing >= self.span
        )

    def _pause(self, pause: timedelta, retry_after: float | None) -> timedelta:
        pause = min(pause, self.most)
        asked = timedelta(seconds=retry_after or 0.0)
        if asked:
            return max(asked, pause) if self.is_least else asked
        share: float = random.uniform(0.5, 1.0) if self.has_jitter else 1.0  # noqa: S311 - jitter, not a secret
        return pause * share


DELIVERY: Final = RetryPolicy(first=timedelta(seconds=4), most=timedelta(minutes=10))
"""A delivery that cannot be processed. How often and how long is a setting, as for the next two."""
UPDATE: Final = RetryPolicy(first=timedelta(seconds=2), most=timedelta(minutes=15), has_jitter=True, attempts=3)
"""An update that was not taken. `attempts` are refusals: a system may lie once."""
ACCESS: Final = RetryPolicy(first=timedelta(seconds=15), most=timedelta(minutes=5))
"""A connection that its system refuses as a whole. How long its updates wait is a setting."""
MAIL: Final = RetryPolicy(first=timedelta(seconds=10), most=timedelta(minutes=15), has_jitter=True, attempts=3)
"""A mail that was not sent. `attempts` are refusals."""
READING: Final = RetryPolicy(first=timedelta(seconds=1), most=timedelta(seconds=15), attempts=5)
"""A call of a reading of many pages, which must not fail for one busy moment; nobody waits longer than `most`."""
SUBSCRIPTION: Final = RetryPolicy(first=timedelta(minutes=15), most=timedelta(hours=6), is_least=True)
"""Webhooks that could not be registered; `most` where the system refuses for a reason that a person has to remove."""
CIRCUIT: Final = RetryPolicy(first=timedelta(seconds=15), most=timedelta(minutes=10), is_least=True)
"""A system that is left alone after repeated failures; an attempt is a try of one call."""
RESTART: Final = RetryPolicy(first=timedelta(seconds=0.2), most=timedelta(seconds=30))
"""A process of `connector up` that ended soon after its start."""
