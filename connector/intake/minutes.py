"""Counts by name within whole minutes, for what each process of the web server bounds by itself."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime


class MinuteCounts:
    """How much was added to each name in the minute of the clock; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute, self._counts = 0, Counter[str]()

    def add(self, name: str, now: datetime, amount: int = 1) -> int:
        """Add to a name; what it has then in this minute. Another minute begins anew."""
        with self._lock:
            if (minute := int(now.timestamp()) // 60) != self._minute:
                self._minute, self._counts = minute, Counter()
            self._counts[name] += amount
            return self._counts[name]
