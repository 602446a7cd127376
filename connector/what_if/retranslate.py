"""What a proposal makes of a subject's stored events: the steps that would be folded, and whether they are others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from connector.core.errors import Unmapped
from connector.core.event import Step
from connector.core.mapping import MappingRules, translate
from connector.store.histories import APPLIED, Stored
from connector.store.stored import read_event, read_step, says
from connector.what_if.proposals import with_new_names
from connector.what_if.report import Counts

HELD: Final = "held"
_Made: TypeAlias = tuple[Sequence[Step], Sequence[dict[str, Any]] | None] | None
"""Of an event that is translated anew the steps that it is, and those that it was (None: the same)."""


@dataclass(slots=True, kw_only=True)
class Retold:
    """A subject's steps in order: as they stand, and as they would be. Those that stay are the same values in both."""

    present: list[Step] = field(default_factory=list)
    proposed: list[Step] = field(default_factory=list)


class Retelling:
    """Translates anew what the proposal is about; counts the events that would be released or held.

    `names`: what statuses have become. `counts` is added to.
    """

    def __init__(self, rules: Mapping[str, MappingRules], names: Mapping[str, str], counts: Counts) -> None:
        self._rules: Final = rules
        self._names: Final = names
        self._counts: Final = counts

    def other(self, rows: Sequence[Stored]) -> Retold | None:
        """A subject's steps as they stand and as they would be; None where what is translated anew stays as it is."""
        made: list[_Made] = []
        is_other = False
        for row in rows:
            if row[3] is None:
                made.append(None)
                continue
            steps, raw = self._anew(row), orjson.loads(row[4])
            is_same = len(steps) == len(raw) and all(map(says, raw, steps))
            made.append((steps, None if is_same else raw))
            is_other = is_other or not is_same
        return self._retold(rows, made) if is_other else None

    def whole(self, rows: Sequence[Stored]) -> Retold:
        """A subject's steps as they stand and as they would be."""
        return self._retold(rows, [None if row[3] is None else (self._anew(row), orjson.loads(row[4])) for row in rows])

    def _retold(self, rows: Sequence[Stored], made: Sequence[_Made]) -> Retold:
        told = Retold()
        for row, one in zip(rows, made, strict=True):
            steps, raw = (None, orjson.loads(row[4])) if one is None else one
            if steps is None:
                renamed = [{**with_new_names(step, self._names)} for step in raw or ()] if self._names else None
                told.present += (before := [read_step(step) for step in raw or ()])
                told.proposed += before if renamed is None else map(read_step, renamed)
            else:
                told.present += steps if raw is None else map(read_step, raw if row[2] == APPLIED else ())
                told.proposed += steps
        return told

    def _anew(self, row: Stored) -> tuple[Step, ...]:
        _, name, outcome, said, _ = row
        try:
            steps = translate(read_event(orjson.loads(said or "")), self._rules[name])
        except Unmapped as error:
            if outcome != HELD:
                self._counts["held", name, f"{error.what}: {error.name}"] += 1
            return ()
        if outcome == HELD:
            self._counts["released",] += 1
        return steps
