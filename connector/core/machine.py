"""One subject while its steps are folded: the state as it moves, and what each kind of step does to it."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connector.core.calendar import local_day
from connector.core.decision import Decision, Reason
from connector.core.event import Conflict, Counting, Kind, Step
from connector.core.rules import Rule
from connector.core.ruleset import Ruleset
from connector.core.state import LEAD, OWNER, Claims, Entry, State, claims_after, gives, winning_value
from connector.core.terms import remember

# Theory of operation
#
# A subject's state is a fold: beginning with a new subject, its steps are applied one after the other. A step is what
# the mapping made of an event. Between the steps run the daily rules, which hold because days have passed and nothing
# has happened. `SubjectMachine` is the state while it moves, `State` the same at rest; `engine.fold` drives it.
#
# Order. Steps are applied in the order of `Step.order`: the time of the event in its own system, then the kind of step
# (`TIE_ORDER`: who somebody is, before what a CRM or a person sets, before what they did), then what else tells which
# was later (`core/order.py`). When a step arrived plays no part. Steps that agree in all of it and still differ are put
# in a fixed order by what they say.
#
# Days. The daily rules of a local date run at its start, before all steps of that date: before a step is applied, every
# date after the last one run up to the step's own has its turn. A daily rule is made of spans of days, so that the
# first date on which one can hold is computed (`engine.first_day`) and no other date costs anything. One date makes one
# move at most, and a move wins over the notices of its date.
#
# Rules. An action tries the rules of the status held, strongest first, and the first that holds fires; no second rule
# is tried, not even one of the new status. A jump or a trigger passes over statuses without running their rules; only
# the rule on entering the status that it leads to fires. What was done and what was refused are both decisions, with
# the facts that made them so.
#
# Why any order of arrival gives the same end:
# 1. The fold is a pure function of steps and rules: it knows no clock and no chance.
# 2. The state at rest holds all that a later step can ask for: per window as many entries as a rule can count, each
#    conflict rule's own value per field, the counters' things. So applying steps one by one to a stored state gives
#    what folding all of them at once gives.
# 3. A step that belongs before the state's position, or on a date before the last one whose daily rules ran, is late
#    (`engine.is_late`): it is never applied on top; the subject is folded anew from all its steps.
# 4. A step that is delivered again is equal to the first and counts once.


@dataclass(slots=True)
class SubjectMachine:
    """A state that moves; `freeze` gives the value again. `today`: the local day of the step or of the date run."""

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
    counters: dict[str, tuple[str, ...]] = field(init=False)
    claims: dict[str, Claims] = field(init=False)
    givers: dict[str, str] = field(init=False)
    last_step: Step | None = field(init=False, default=None)
    last_run: int = field(init=False)

    def __post_init__(self) -> None:
        state, zone = self.state, self.ruleset.zone
        self.kind, self.status, self.since = state.kind, state.status, state.since
        self.last_action, self.tags, self.owner = state.last_action, set(state.tags), state.owner
        self.since_day = local_day(state.since, zone)
        self.acted_day = local_day(state.acted, zone)
        self.profile, self.visit = dict(state.profile), state.visit
        self.seen = {window: list(entries) for window, entries in state.seen.items()}
        self.noticed, self.noticed_on = set(state.noticed), dict(state.noticed_on)
        self.counters, self.claims = dict(state.counters), dict(state.claims)
        self.givers = dict(state.givers)
        self.last_run = self.today = state.last_run

    def freeze(self) -> State:
        """The state as it is now; the machine is not used after it."""
        return State(
            kind=self.kind,
            status=self.status,
            since=self.since,
            created=self.state.created,
            last_run=self.last_run,
            position=self.last_step.order if self.last_step else self.state.position,
            last_action=self.last_action,
            tags=frozenset(self.tags),
            owner=self.owner,
            profile=self.profile,
            seen={window: tuple(entries) for window, entries in self.seen.items()},
            noticed=frozenset(self.noticed),
            noticed_on=self.noticed_on,
            visit=self.visit,
            counters=self.counters,
            claims=self.claims,
            givers=self.givers,
        )

    def apply(self, step: Step, day: int) -> None:
        """Apply a step on its local day; the daily rules up to that day have run."""
        self.today = day
        self.last_step = step
        _APPLY[step.kind](self, step)

    def holds(self, rule: Rule) -> bool:
        """Whether a rule is for this kind of subject, and all its terms hold now."""
        return rule.is_for(self.kind) and all(term.holds(self) for term in rule.terms)

    def fire(self, rule: Rule, at: datetime, step: str | None = None) -> None:
        """Decide what a rule says: its move or notice with the facts that made it hold, its tag, and the new stay."""
        facts: dict[str, Any] = {}
        for term in rule.terms:
            facts |= term.facts(self)
        self._decide(rule, rule.id, rule.to or self.status, at=at, step=step, facts=facts)

    def _decide(
        self, rule: Rule, name: str, after: str, *, at: datetime, step: str | None, facts: dict[str, Any]
    ) -> None:
        notify, reason = self.ruleset.recipients(rule, self.owner)
        before = self.status
        self.decisions.append(
            Decision(
                at=at,
                rule=name,
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

    def apply_action(self, step: Step) -> None:
        """An action: remember it, then try the sequential rules of the status held, strongest first."""
        bits = self.ruleset.bits(step.action or "", step.page)
        if not bits:  # an opened mail: no target action, and no part of a session
            return
        session = f"id {step.session}" if step.session else self._free_session(step.at)
        self.last_action, self.acted_day = step.at, self.today
        remember(self.seen, self.ruleset.windows, step=step, bits=bits, session=session, day=self.today)
        for rule in self.ruleset.sequential.get(self.status, ()):
            if rule.on & bits and self.holds(rule):
                self.fire(rule, step.at, step.id)
                return

    def _free_session(self, at: datetime) -> str:
        """The session of an action that names none: that of the one before it, or a new one after the gap."""
        is_same = self.visit is not None and at - self.visit[0] < self.ruleset.gap
        start = self.visit[1] if self.visit is not None and is_same else at
        self.visit = (at, start)
        return f"from {start.isoformat()}"

    def jump(self, step: Step) -> None:
        """A person or a CRM stage sets the status."""
        to, counted = self._target(step)
        reason: Reason | None = None
        if to == self.status:
            reason = Reason.ALREADY_THERE
        elif step.is_forward_only and self._is_lower(to):
            reason = Reason.BACKWARD
        self._move(step, "jump", to, reason, counted)

    def fire_trigger(self, step: Step) -> None:
        """A trigger attached to a status: forward only; from off the ladder only when it may reopen."""
        to, counted = self._target(step)
        reason: Reason | None = None
        if to == self.status or self._is_lower(to):
            reason = Reason.ATTACHED_LOWER
        elif self.status not in self.ruleset.ladder and not step.may_reopen:
            reason = Reason.OFF_LADDER
        self._move(step, f"trigger:{step.trigger}", to, reason, counted)

    def _target(self, step: Step) -> tuple[str, dict[str, Any]]:
        """The status that a step leads to, and the facts of the count where one decides it."""
        to, facts = (step.to or "", {}) if step.counting is None else _count(self.counters, step.counting)
        return self.ruleset.renamed.get(to, to), facts

    def _is_lower(self, to: str) -> bool:
        """Whether both are on the ladder and `to` is below the status held."""
        held, wanted = self.ruleset.ladder.get(self.status), self.ruleset.ladder.get(to)
        return held is not None and wanted is not None and wanted < held

    def _move(self, step: Step, rule: str, to: str, reason: Reason | None, counted: dict[str, Any]) -> None:
        """Move to a status and fire the rules on entering it; where there is a reason, refuse to."""
        if reason is not None:
            self._refuse(step, rule, reason, {"to": to, "by": step.by, **counted})
            return
        before = self.status
        skipped = self.ruleset.between(before, to)
        facts = {"by": step.by, **counted} if step.by else counted
        self.decisions.append(
            Decision(at=step.at, rule=rule, before=before, after=to, skipped=skipped, step=step.id, facts=facts)
        )
        self._enter(to, step.at)
        for common in self.ruleset.entering:
            if common.to == to:
                self.fire(common, step.at, step.id)

    def _refuse(self, step: Step, rule: str, reason: Reason, facts: dict[str, Any]) -> None:
        held = self.status
        self.decisions.append(
            Decision(at=step.at, rule=rule, before=held, after=held, reason=reason, step=step.id, facts=facts)
        )

    def run_rule(self, step: Step) -> None:
        """A person runs a rule on purpose: its terms are waived, and it counts as decided on this day and in this stay.

        It notifies and tags whatever status is held; it moves the subject out of its own status only. The rule on
        entering a status has none of its own: it moves nobody.
        """
        name, held, facts = f"run:{step.rule}", self.status, {"by": step.by}
        rule = self.ruleset.rules.get(step.rule or "")
        if rule is None:
            self._refuse(step, name, Reason.RULE_OFF, facts)
            return
        if (reason := self._unrunnable(rule)) is not None:
            self._refuse(step, name, reason, facts)
            return
        if rule.id in self.ruleset.settings.once_per_stay and rule.status == held:
            self.noticed.add(rule.id)
        after = rule.to if rule.to and rule.status == held else held
        self._decide(rule, name, after, at=step.at, step=step.id, facts=facts)

    def _unrunnable(self, rule: Rule) -> Reason | None:
        """Why running a rule would do nothing."""
        if not rule.is_for(self.kind):
            return Reason.OTHER_KIND
        has_effect = rule.status == self.status or rule.notice is not None or rule.tag is not None
        return None if has_effect else Reason.OTHER_STATUS

    def _enter(self, status: str, at: datetime) -> None:
        self.status, self.since, self.since_day = status, at, local_day(at, self.ruleset.zone)
        self.noticed.clear()

    def identify(self, _step: Step) -> None:
        """An unknown becomes a lead and keeps all it has."""
        self.kind = LEAD

    def set_tag(self, step: Step) -> None:
        """A tag is added or removed."""
        if step.tag is not None:
            (self.tags.discard if step.is_removed else self.tags.add)(step.tag)

    def set_owner(self, step: Step) -> None:
        """The person in charge is set, as far as the conflict rule allows."""
        self.owner = self._winning_value(OWNER, self.owner, step.owner, step.conflict)

    def set_profile(self, step: Step) -> None:
        """Profile fields are set, each as far as its conflict rule allows, and emptied by the record that gave them."""
        for name, given in step.fields.items():
            if not gives(self.givers, name, given, step.source):
                continue
            self.profile[name] = self._winning_value(name, self.profile.get(name), given.value, given.conflict)

    def _winning_value(self, name: str, present: Any, value: Any, conflict: Conflict) -> Any:
        """The value that stays; as long as only `newest` is used, that is the one given."""
        claims = self.claims.get(name)
        if claims is None and conflict is Conflict.NEWEST:
            return value
        self.claims[name] = claims = claims_after(claims, present, value, conflict)
        return winning_value(claims)


def _count(counters: MutableMapping[str, tuple[str, ...]], counting: Counting) -> tuple[str, dict[str, Any]]:
    """The status that the count gives, and the facts that say which it was.

    A counter remembers as many different things as it has statuses: beyond them the last status stays.
    """
    seen = counters.get(counting.counter, ())
    is_full = len(seen) >= len(counting.statuses)
    if counting.thing not in seen and not is_full:
        seen = counters[counting.counter] = (*seen, counting.thing)
    nth = _ordinal(len(seen))
    return counting.statuses[len(seen) - 1], {"nth": f"{nth} or later" if is_full else nth, "of": counting.counted}


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")


_APPLY: Final = {
    Kind.ACTION: SubjectMachine.apply_action,
    Kind.JUMP: SubjectMachine.jump,
    Kind.TRIGGER: SubjectMachine.fire_trigger,
    Kind.IDENTIFY: SubjectMachine.identify,
    Kind.TAG: SubjectMachine.set_tag,
    Kind.OWNER: SubjectMachine.set_owner,
    Kind.PROFILE: SubjectMachine.set_profile,
    Kind.RUN: SubjectMachine.run_rule,
}
