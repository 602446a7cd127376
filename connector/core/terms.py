"""The four terms that rule conditions are made of, the windows that they look at, and what a rule can lack.

A term says whether it holds, by which facts, what it asks of anybody (`asks`), what is still missing (`missing`), and
on which days one more action is enough (`days_if_action`). All days are local ordinals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal, Protocol, TypeAlias

from connector.core.calendar import Days, span
from connector.core.event import Step
from connector.core.state import Entry

Enters: TypeAlias = Callable[[int], bool]
"""Whether an action enters a window of these bits."""


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
    """What is remembered for the rules: actions with one of `bits`, told apart by step, day or session."""

    name: str
    bits: int
    distinct: Literal["step", "day", "session"]


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
        if not bits & window.bits:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingEntries:
    """A rule lacks `need` different entries of a window within `days` days (None: ever).

    `counted`: the days of those that count, oldest first. `first`: the first day on which another counts. `by`: the
    last day on which those of `counted` count, so that the rest must have come by then (None: no limit).
    """

    window: str
    need: int
    days: int | None
    counted: tuple[int, ...] = ()
    first: int | None = None
    by: int | None = None

    @property
    def left(self) -> int:
        """How many more are asked for."""
        return self.need - len(self.counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingTag:
    """A rule lacks a tag."""

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDays:
    """A rule lacks `days` days since entering the status or since the last action (`of`), which was on `since`.

    It holds from `first` to `last` (None: it goes on) if nothing happens; `is_over`: that has gone by in this stay.
    """

    of: str
    days: int
    since: int | None = None
    first: int | None = None
    last: int | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDay:
    """A rule lacks another day than the one on which it was decided; `first` is the first such day."""

    rule: str
    first: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingKeyPages:
    """A rule lacks a setting: the workspace has no key page, so that no view can be one of a key page."""


Missing: TypeAlias = MissingEntries | MissingTag | MissingDays | MissingDay | MissingKeyPages


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

    def asks(self) -> MissingEntries:
        """All of it."""
        return MissingEntries(window=self.window.name, need=self.at_least, days=self.days)

    def missing(self, view: View) -> MissingEntries | None:
        """How many entries are missing beside those that still count when the rest can have come; None: it holds."""
        if self.holds(view):
            return None
        days = [entry[0] for entry in view.seen.get(self.window.name, ())[: self.at_least - 1]]
        first = view.today + self._is_taken(days, view.today)
        apart = 1 if self.window.distinct == "day" else 0
        while days and (end := self._end(days, len(days))) is not None:
            if first + apart * (self.at_least - len(days) - 1) <= end:
                return replace(self.asks(), counted=tuple(reversed(days)), first=first, by=end)
            days.pop()
        return replace(self.asks(), counted=tuple(reversed(days)), first=first)

    def days_if_action(self, view: View, enters: Enters) -> Days | None:
        """The days from today on, on one of which it holds if one action comes that day, in a session of its own."""
        days = [entry[0] for entry in view.seen.get(self.window.name, ())]
        is_held, old = self.holds(view), self.at_least - enters(self.window.bits)
        if len(days) < old or not (is_held or enters(self.window.bits)):
            return None
        return span(view.today + (not is_held and self._is_taken(days, view.today)), self._end(days, old))

    def _end(self, days: list[int], count: int) -> int | None:
        """The last day on which the newest `count` entries count; None: for ever."""
        return days[count - 1] + self.days - 1 if count and self.days is not None else None

    def _is_taken(self, days: list[int], today: int) -> bool:
        """Whether another entry of today would be no other."""
        return self.window.distinct == "day" and days[:1] == [today]


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

    def asks(self) -> MissingTag:
        """The tag."""
        return MissingTag(tag=self.tag)

    def missing(self, view: View) -> MissingTag | None:
        """The tag, where it is not set."""
        return None if self.holds(view) else self.asks()

    def days_if_action(self, view: View, _enters: Enters) -> Days | None:
        """From today on, or never: no action sets a tag."""
        return Days(view.today) if self.holds(view) else None


@dataclass(frozen=True, slots=True)
class Passed:
    """`days` days have passed since `start`, and not yet `until` days; `status`: since entering the present one."""

    start: Literal["status", "last_action"]
    days: int
    until: int | None = None

    def _start_day(self, view: View) -> int:
        return view.since_day if self.start == "status" else view.acted_day

    def holds(self, view: View) -> bool:
        """Whether today is in the span of days."""
        first, end = self.span(view)
        return first <= view.today and (end is None or view.today < end)

    def facts(self, view: View) -> dict[str, Any]:
        """The start, the days passed and the days asked for."""
        start = self._start_day(view)
        return {
            f"{self.start}_since": date.fromordinal(start).isoformat(),
            f"{self.start}_days": view.today - start,
            f"{self.start}_days_asked": self.days,
        }

    def asks(self) -> MissingDays:
        """The days."""
        return MissingDays(of=self.start, days=self.days)

    def missing(self, view: View) -> MissingDays | None:
        """When it holds if nothing happens; None: it holds."""
        if self.holds(view):
            return None
        first, end = self.span(view)
        last = None if end is None else end - 1
        is_over = last is not None and last < view.today
        return replace(self.asks(), since=self._start_day(view), first=first, last=last, is_over=is_over)

    def days_if_action(self, view: View, _enters: Enters) -> Days | None:
        """The days of the stay; an action starts the days since the last one anew."""
        first, end = self.span(view)
        if self.start == "last_action":
            return None
        return span(max(first, view.today), None if end is None else end - 1)

    def span(self, view: View) -> tuple[int, int | None]:
        """The first day (ordinal) on which it holds, and the first on which it does not any more (None: it goes on)."""
        start = self._start_day(view)
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

    def asks(self) -> MissingDay:
        """A day of its own."""
        return MissingDay(rule=self.rule)

    def missing(self, view: View) -> MissingDay | None:
        """Tomorrow, where it was decided today."""
        return None if self.holds(view) else replace(self.asks(), first=view.today + 1)

    def days_if_action(self, view: View, _enters: Enters) -> Days | None:
        """From today on, or from tomorrow on."""
        return Days(view.today + (not self.holds(view)))


Term: TypeAlias = Seen | Tagged | Passed | OncePerDay
