"""What could set a status beside the rules: the stages and triggers of the mappings in force that stand for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from connector.core.decision import Reason
from connector.core.event import Kind, Step
from connector.core.machine import Walk
from connector.core.mapping import Backward, Goal, MappingRules
from connector.core.ruleset import Ruleset
from connector.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A stage or trigger of a connection that stands for a status.

    `name`: the stage or the trigger's id. `of`: the stage's object, or the event word of the trigger. `nth`: it stands
    for the status from the nth different record or event on (1: always). `reason`: why it would not set it now.
    """

    connection: str
    kind: Literal["stage", "trigger"]
    name: str
    of: str
    pipeline: str | None = None
    nth: int = 1
    reason: Reason | None = None


def openings(state: State, to: str, mappings: Mapping[str, MappingRules], ruleset: Ruleset) -> tuple[Opening, ...]:
    """The stages and triggers of all connections (name → mapping) that stand for `to`, by connection."""
    return tuple(
        one
        for connection, rules in sorted(mappings.items())
        for one in (*_stages(state, to, connection, rules, ruleset), *_triggers(state, to, connection, rules, ruleset))
    )


def _stages(state: State, to: str, connection: str, rules: MappingRules, ruleset: Ruleset) -> Iterator[Opening]:
    step = Step(
        id="?",
        at=state.head[0],
        kind=Kind.JUMP,
        to=to,
        by="crm",
        is_forward_only=rules.backward is Backward.IGNORE,
    )
    for stage_object, pipelines in rules.stages.items():
        for pipeline, stages in pipelines.items():
            for stage, goal in stages.items():
                if nth := _place(to, goal):
                    yield Opening(
                        connection=connection,
                        kind="stage",
                        name=stage,
                        of=stage_object,
                        pipeline=pipeline or None,
                        nth=nth,
                        reason=_tried(state, step, ruleset),
                    )


def _triggers(state: State, to: str, connection: str, rules: MappingRules, ruleset: Ruleset) -> Iterator[Opening]:
    for rule in rules.triggers:
        if nth := _place(to, rule.jump_to):
            step = Step(
                id="?",
                at=state.head[0],
                kind=Kind.TRIGGER,
                to=to,
                trigger=rule.id,
                may_reopen=rule.may_reopen,
            )
            yield Opening(
                connection=connection,
                kind="trigger",
                name=rule.id,
                of=rule.on,
                nth=nth,
                reason=_tried(state, step, ruleset),
            )


def _place(to: str, goal: Goal) -> int:
    """Where a status stands in a goal, from 1 on; 0: nowhere."""
    goals = (goal,) if isinstance(goal, str) else goal
    return goals.index(to) + 1 if to in goals else 0


def _tried(state: State, step: Step, ruleset: Ruleset) -> Reason | None:
    """Why a jump or trigger would change nothing: it is tried on a copy of the state."""
    walk = Walk(ruleset, state)
    walk.take(step, walk.today)
    return walk.decisions[0].reason
