"""The closed list of terms that rule conditions are made of; each can be tested, shown with its facts, and dated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol, TypeAlias

from connector.core.subject import Entry


class View(Protocol):
    """What a term may look at: the state as of `today`; the days are local ordinals."""

    today: int
    since_day: int
    acted_day: int
    tags: set[str]
    seen: dict[str, list[Entry]]
    noticed_on: dict[str, int]


@dataclass(frozen=True, slots=True)
class Window:
    """What is remembered for the rules: actions of the set `of` (bits), told apart by step, day or session."""

    name: str
    of: int
    distinct: Literal["step", "day", "session"]


@dataclass(frozen=True, slots=True)
class Seen:
    """At least `at_least` different entries of a window within `days` days; `days` None: ever."""

    window: Window
    at_least: int
    days: int | None

    def holds(self, view: View) -> bool:
        """Whether the `at_least`-th newest entry is within the days."""
        entries = view.seen.get(self.window.name, ())
        if len(entries) < self.at_least:
            return False
        return self.days is None or 0 <= view.today - entries[self.at_least - 1][0] < self.days

    def facts(self, view: View) -> dict[str, Any]:
        """The entries that made it hold, oldest first: date, what, page."""
        entries = view.seen.get(self.window.name, ())[: self.at_least]
        return {
            self.window.name: [
                {"date": date.fromordinal(day).isoformat(), self.window.distinct: name, "page": page}
                for day, name, page in reversed(entries)
            ],
            f"{self.window.name}_within_days": self.days,
        }


@dataclass(frozen=True, slots=True)
class Tagged:
    """The subject has a tag."""

    tag: str

    def holds(self, view: View) -> bool:
        """Whether the tag is set."""
        return self.tag in view.tags

    def facts(self, view: View) -> dict[str, Any]:  # noqa: ARG002 - the same shape for every term
        """The tag."""
        return {"tag": self.tag}


@dataclass(frozen=True, slots=True)
class Passed:
    """`days` days have passed since `of`, and not `until` days; `status` counts from entering the present one."""

    of: Literal["status", "last_action"]
    days: int
    until: int | None = None

    def _start(self, view: View) -> int:
        return view.since_day if self.of == "status" else view.acted_day

    def holds(self, view: View) -> bool:
        """Whether today is in the span of days."""
        first, end = self.span(view)
        return first <= view.today and (end is None or view.today < end)

    def facts(self, view: View) -> dict[str, Any]:
        """The start, the days passed and the days asked for."""
        start = self._start(view)
        return {
            f"{self.of}_since": date.fromordinal(start).isoformat(),
            f"{self.of}_days": view.today - start,
            f"{self.of}_days_asked": self.days,
        }

    def span(self, view: View) -> tuple[int, int | None]:
        """The first day (ordinal) on which it holds, and the first on which it does not any more (None: it goes on)."""
        start = self._start(view)
        return start + self.days, None if self.until is None else start + self.until


@dataclass(frozen=True, slots=True)
class OncePerDay:
    """The rule was not decided on the same local day yet."""

    rule: str

    def holds(self, view: View) -> bool:
        """Whether today is another day than the last."""
        return view.noticed_on.get(self.rule) != view.today

    def facts(self, view: View) -> dict[str, Any]:
        """The day."""
        return {"once_on": date.fromordinal(view.today).isoformat()}


Term: TypeAlias = Seen | Tagged | Passed | OncePerDay
