"""The fold: a subject's state and decisions out of its steps in time order, with the daily rules of each date in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from connector.core import action as actions
from connector.core.calendar import day_start, local_day
from connector.core.decision import Decision, Reason
from connector.core.event import Conflict, FieldValue, Kind, Step
from connector.core.rules import ANY, Notice, Recipient, Rule, RuleSetting, Settings, Template
from connector.core.status import StatusInfo
from connector.core.subject import LEAD, UNKNOWN, Entry, State
from connector.core.terms import Passed, Seen, Window

APPOINTMENT: Final = "appointment_acquisition"
_DEFAULT: Final = RuleSetting()


class Ruleset:
    """A template compiled with a workspace's settings: enabled rules by status, the windows they need, the ladder."""

    def __init__(self, template: Template, settings: Settings) -> None:
        enabled = [rule for rule in template.rules if settings.rules.get(rule.id, _DEFAULT).is_enabled]
        self.template: Final = template
        self.settings: Final = settings
        self.zone: Final = settings.zone
        self.gap: Final = timedelta(minutes=settings.session_gap_minutes)
        self.statuses: Final[dict[str, StatusInfo]] = {
            info.code: info for info in (*template.statuses, *settings.own_statuses)
        }
        self.ladder: Final = {info.code: info.rank for info in template.statuses if info.rank is not None}
        self.sequential: Final = _by_status([rule for rule in enabled if rule.on])
        self.moves: Final = _by_status([rule for rule in enabled if rule.is_daily and rule.to])
        self.notices: Final = _by_status([rule for rule in enabled if rule.is_daily and not rule.to])
        self.entering: Final = tuple(rule for rule in enabled if rule.status == ANY)
        self.windows: Final = _windows(template)
        self._key_pages: dict[str, bool] = {}

    def is_key_page(self, page: str) -> bool:
        """Whether one of the workspace's patterns matches; remembered for the pages seen most."""
        known = self._key_pages.get(page)
        if known is None:
            if len(self._key_pages) >= 4096:  # noqa: PLR2004 - bounds the memory, any size will do
                self._key_pages.clear()
            known = self._key_pages[page] = any(pattern.matches(page) for pattern in self.settings.key_pages)
        return known

    def between(self, before: str, after: str) -> tuple[str, ...]:
        """The statuses strictly between on the ladder, lowest first; upward only."""
        low, high = self.ladder.get(before), self.ladder.get(after)
        if low is None or high is None:
            return ()
        return tuple(code for code, rank in self.ladder.items() if low < rank < high)


def _by_status(rules: list[Rule]) -> dict[str, tuple[Rule, ...]]:
    return {rule.status: tuple(other for other in rules if other.status == rule.status) for rule in rules}


def _windows(template: Template) -> tuple[tuple[Window, int], ...]:
    asked: dict[Window, int] = {}
    for rule in template.rules:
        for term in rule.terms:
            if isinstance(term, Seen):
                asked[term.window] = max(asked.get(term.window, 0), term.at_least)
    return tuple(asked.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a fold gives: the state at the end and the decisions on the way, in order."""

    state: State
    decisions: tuple[Decision, ...]


def fold(state: State | None, steps: Iterable[Step], ruleset: Ruleset, until: int | None = None) -> Folded:
    """Fold steps onto a state (None: a new subject), then run the daily rules up to the local day `until` (ordinal).

    The steps must be in order and after `state.head` (see `is_late`); equal steps count once. Raises `ValueError` when
    there is neither a state nor a step.
    """
    walk: _Walk | None = _Walk(ruleset, state) if state else None
    previous: Step | None = None
    for step in steps:
        if step == previous:
            continue
        previous = step
        if walk is None:
            walk = _Walk(ruleset, _born(step, ruleset))
        walk.take(step)
    if walk is None:
        message = "a fold needs a state or at least one step"
        raise ValueError(message)
    if until is not None:
        walk.run_dates(until)
    return Folded(state=walk.freeze(), decisions=tuple(walk.decisions))


def fold_all(steps: Iterable[Step], ruleset: Ruleset, until: int | None = None) -> Folded:
    """Fold a whole history given in any order, repetitions included."""
    return fold(None, sorted(steps, key=lambda step: (*step.order, repr(step))), ruleset, until)


def is_late(state: State, step: Step, ruleset: Ruleset) -> bool:
    """Whether a step belongs before what the state has folded already, so that the subject must be folded again."""
    return step.order <= state.head or local_day(step.at, ruleset.zone) < state.last_run


def due_day(state: State, ruleset: Ruleset) -> int | None:
    """The first local day (ordinal) after the last one run on which a daily rule can hold if nothing happens; else None."""
    return _Walk(ruleset, state).due()


def _born(step: Step, ruleset: Ruleset) -> State:
    return State(
        kind=LEAD if step.is_lead else UNKNOWN,
        status="not_set",
        since=step.at,
        created=step.at,
        last_run=local_day(step.at, ruleset.zone),
        head=step.order,
    )


@dataclass(slots=True)
class _Walk:
    """The mutable state while a fold runs; nothing outside sees it."""

    ruleset: Ruleset
    state: State
    decisions: list[Decision] = field(default_factory=list)
    kind: str = field(init=False)
    status: str = field(init=False)
    since: datetime = field(init=False)
    since_day: int = field(init=False)
    today: int = field(init=False)
    last_action: datetime | None = field(init=False)
    acted_day: int = field(init=False)
    tags: set[str] = field(init=False)
    owner: str | None = field(init=False)
    profile: dict[str, Any] = field(init=False)
    seen: dict[str, list[Entry]] = field(init=False)
    noticed: set[str] = field(init=False)
    noticed_on: dict[str, int] = field(init=False)
    visit: tuple[datetime, datetime] | None = field(init=False)
    head: tuple[datetime, int, str] = field(init=False)
    last_run: int = field(init=False)

    def __post_init__(self) -> None:
        state, zone = self.state, self.ruleset.zone
        self.kind, self.status, self.since = state.kind, state.status, state.since
        self.last_action, self.tags, self.owner = state.last_action, set(state.tags), state.owner
        self.since_day = local_day(state.since, zone)
        self.acted_day = local_day(state.acted, zone)
        self.profile, self.visit, self.head = dict(state.profile), state.visit, state.head
        self.seen = {window: list(entries) for window, entries in state.seen.items()}
        self.noticed, self.noticed_on = set(state.noticed), dict(state.noticed_on)
        self.last_run = self.today = state.last_run

    def freeze(self) -> State:
        return State(
            kind=self.kind,
            status=self.status,
            since=self.since,
            created=self.state.created,
            last_run=self.last_run,
            head=self.head,
            last_action=self.last_action,
            tags=frozenset(self.tags),
            owner=self.owner,
            profile=self.profile,
            seen={window: tuple(entries) for window, entries in self.seen.items()},
            noticed=frozenset(self.noticed),
            noticed_on=self.noticed_on,
            visit=self.visit,
        )

    def take(self, step: Step) -> None:
        """One step: first the daily rules of the dates up to its own, then what the step does."""
        day = local_day(step.at, self.ruleset.zone)
        if day > self.last_run:
            self.run_dates(day)
        self.today = day
        self.head = step.order
        _TAKE[step.kind](self, step)

    # Daily rules

    def due(self) -> int | None:
        """The first day after the last run on which a daily rule of the status held can decide anything."""
        first: int | None = None
        earliest = self.last_run + 1
        for rule in (*self.ruleset.moves.get(self.status, ()), *self.ruleset.notices.get(self.status, ())):
            if not self._runs(rule):
                continue
            day = earliest
            end: int | None = None
            for term in rule.terms:
                if isinstance(term, Passed):
                    start, stop = term.span(self)
                    day = max(day, start)
                    end = stop if end is None else end
            if (end is None or day < end) and (first is None or day < first):
                first = day
        return first

    def _runs(self, rule: Rule) -> bool:
        return (rule.only is None or rule.only == self.kind) and rule.id not in self.noticed

    def run_dates(self, until: int) -> None:
        """Run the daily rules of every date after the last run up to `until`; dates on which nothing can hold are skipped."""
        while (day := self.due()) is not None and day <= until:
            self.last_run = self.today = day
            self._run_date(day_start(day, self.ruleset.zone))
        self.last_run = self.today = max(until, self.last_run)

    def _run_date(self, at: datetime) -> None:
        for rule in self.ruleset.moves.get(self.status, ()):
            if self._runs(rule) and self._holds(rule):
                self._fire(rule, at, None)
                return
        for rule in self.ruleset.notices.get(self.status, ()):
            if self._runs(rule) and self._holds(rule):
                self._fire(rule, at, None)
                if rule.id in self.ruleset.settings.once_per_stay:
                    self.noticed.add(rule.id)

    # Steps

    def act(self, step: Step) -> None:
        """An action: remember it, then try the sequential rules of the status held, strongest first."""
        bits = actions.BIT[step.action or ""]
        if bits and step.page is not None and self.ruleset.is_key_page(step.page):
            bits |= actions.KEY_PAGE | actions.BIT["site_access"]
        session = step.session or self._free_session(step.at)
        if not bits:
            return
        self.last_action, self.acted_day = step.at, self.today
        self._remember(step, bits, session)
        for rule in self.ruleset.sequential.get(self.status, ()):
            if rule.on & bits and self._runs(rule) and self._holds(rule):
                self._fire(rule, step.at, step.id)
                return

    def _free_session(self, at: datetime) -> str:
        is_same = self.visit is not None and at - self.visit[0] < self.ruleset.gap
        start = self.visit[1] if self.visit is not None and is_same else at
        self.visit = (at, start)
        return f"from {start.isoformat()}"

    def _remember(self, step: Step, bits: int, session: str) -> None:
        for window, size in self.ruleset.windows:
            if not bits & window.of or bits & window.without:
                continue
            entries = self.seen.setdefault(window.name, [])
            name = step.id if window.distinct == "step" else session
            if window.distinct == "day":
                if entries and entries[0][0] == self.today:
                    continue
                name = step.id
            elif window.distinct == "session":
                entries[:] = [entry for entry in entries if entry[1] != session]
            entries.insert(0, (self.today, name, step.page))
            del entries[size:]

    def jump(self, step: Step) -> None:
        """A person or a CRM stage sets the status."""
        to = step.to or ""
        if to == self.status:
            self._refuse(step, "jump", Reason.ALREADY_THERE)
        elif step.is_forward_only and self._is_down(to):
            self._refuse(step, "jump", Reason.BACKWARD)
        else:
            self._leap(step, "jump", to)

    def fire_trigger(self, step: Step) -> None:
        """A trigger attached to a status: forward only; from off the ladder only when it may reopen."""
        to, rule, ladder = step.to or "", f"trigger:{step.trigger}", self.ruleset.ladder
        here, there = ladder.get(self.status), ladder.get(to)
        if to == self.status or (here is not None and there is not None and there <= here):
            self._refuse(step, rule, Reason.ATTACHED_LOWER)
        elif here is None and not step.may_reopen:
            self._refuse(step, rule, Reason.OFF_LADDER)
        else:
            self._leap(step, rule, to)

    def identify(self, _step: Step) -> None:
        """An unknown becomes a lead and keeps all it has."""
        self.kind = LEAD

    def set_tag(self, step: Step) -> None:
        """A tag is added or removed."""
        if step.tag is not None:
            (self.tags.discard if step.is_removed else self.tags.add)(step.tag)

    def set_owner(self, step: Step) -> None:
        """The person in charge is set, as far as the conflict rule allows."""
        if _wins(step.conflict, self.owner):
            self.owner = step.owner

    def set_profile(self, step: Step) -> None:
        """Profile fields are set, each as far as its conflict rule allows."""
        for name, given in step.fields.items():
            if _wins(given.conflict, self.profile.get(name)):
                self.profile[name] = given.value

    # What they share

    def _is_down(self, to: str) -> bool:
        here, there = self.ruleset.ladder.get(self.status), self.ruleset.ladder.get(to)
        return here is not None and there is not None and there < here

    def _holds(self, rule: Rule) -> bool:
        return all(term.holds(self) for term in rule.terms)

    def _refuse(self, step: Step, rule: str, reason: Reason) -> None:
        self.decisions.append(
            Decision(
                at=step.at,
                rule=rule,
                before=self.status,
                after=self.status,
                reason=reason,
                step=step.id,
                facts={"to": step.to, "by": step.by},
            )
        )

    def _leap(self, step: Step, rule: str, to: str) -> None:
        before = self.status
        self.decisions.append(
            Decision(
                at=step.at,
                rule=rule,
                before=before,
                after=to,
                skipped=self.ruleset.between(before, to),
                step=step.id,
                facts={"by": step.by} if step.by else {},
            )
        )
        self._enter(to, step.at)
        for common in self.ruleset.entering:
            if common.to == to:
                self._fire(common, step.at, step.id)

    def _fire(self, rule: Rule, at: datetime, step: str | None) -> None:
        facts: dict[str, Any] = {}
        for term in rule.terms:
            facts |= term.facts(self)
        notify, reason = self._recipients(rule)
        before = self.status
        after = rule.to or before
        self.decisions.append(
            Decision(
                at=at,
                rule=rule.id,
                before=before,
                after=after,
                notify=notify,
                reason=reason,
                notice=rule.notice,
                step=step,
                facts=facts,
            )
        )
        if rule.is_once_per_day:
            self.noticed_on[rule.id] = self.today
        if rule.tag is not None:
            self.tags.add(rule.tag)
        if after != before:
            self._enter(after, at)

    def _enter(self, status: str, at: datetime) -> None:
        self.status, self.since = status, at
        self.since_day = local_day(at, self.ruleset.zone)
        self.noticed.clear()

    def _recipients(self, rule: Rule) -> tuple[tuple[str, ...], Reason | None]:
        settings = self.ruleset.settings
        if rule.notice is None or not settings.rules.get(rule.id, _DEFAULT).has_notify:
            return (), None
        if not settings.is_mail_on:
            return (), Reason.MAIL_OFF
        may_fall_back = (
            settings.has_fallback_to_administrators or rule.recipient is Recipient.PERSON_ELSE_ADMINISTRATORS
        )
        people: tuple[str, ...] = (self.owner,) if self.owner else ()
        if rule.recipient is Recipient.ADMINISTRATORS or (not people and may_fall_back):
            people = settings.administrators
        return tuple(sorted(set(people))), None if people else Reason.NO_RECIPIENT


def _wins(conflict: Conflict, present: object) -> bool:
    """Whether a newer value replaces the present one: `ours` keeps what is there, `if_empty` fills only."""
    return conflict in {Conflict.NEWEST, Conflict.THEIRS} or present is None or present == ""


_TAKE: Final = {
    Kind.ACTION: _Walk.act,
    Kind.JUMP: _Walk.jump,
    Kind.TRIGGER: _Walk.fire_trigger,
    Kind.IDENTIFY: _Walk.identify,
    Kind.TAG: _Walk.set_tag,
    Kind.OWNER: _Walk.set_owner,
    Kind.PROFILE: _Walk.set_profile,
}
