"""What a proposal makes of a subject's stored events: the steps that would be folded, and whether they are others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from connector.comparing import Counts
from connector.core.errors import Unmapped
from connector.core.event import Step
from connector.core.mapping import MappingRules, translate
from connector.proposals import with_new_names
from connector.store.histories import APPLIED, Stored
from connector.stored import read_event, read_step, says

HELD: Final = "held"


class Retelling:
    """Translates anew what the proposal is about; counts the events that would be released or held.

    `names`: what statuses have become. `counts` is added to.
    """

    def __init__(self, rules: Mapping[str, MappingRules], names: Mapping[str, str], counts: Counts) -> None:
        self._rules: Final = rules
        self._names: Final = names
        self._counts: Final = counts

    def changed(self, rows: Sequence[Stored]) -> list[Step] | None:
        """The steps of a subject's events in order; None where all of them are what they were."""
        anew = [self._anew(row) if row[3] is not None else None for row in rows]
        if all(made is None or _is_same(made, orjson.loads(row[4])) for row, made in zip(rows, anew, strict=True)):
            return None
        return self._all(rows, anew)

    def steps(self, rows: Sequence[Stored]) -> list[Step]:
        """The steps of a subject's events in order."""
        return self._all(rows, [self._anew(row) if row[3] is not None else None for row in rows])

    def _all(self, rows: Sequence[Stored], anew: Sequence[tuple[Step, ...] | None]) -> list[Step]:
        steps: list[Step] = []
        for row, made in zip(rows, anew, strict=True):
            steps += self._stored(row[4]) if made is None else made
        return steps

    def _stored(self, text: str) -> list[Step]:
        raw: list[dict[str, Any]] = orjson.loads(text)
        return [read_step(with_new_names(one, self._names) if self._names else one) for one in raw]

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


def applied(rows: Sequence[Stored]) -> list[Step]:
    """The steps of a subject's events as they stand, in order."""
    return [read_step(raw) for row in rows if row[2] == APPLIED for raw in orjson.loads(row[4])]


def _is_same(made: Sequence[Step], raw: Sequence[Mapping[str, Any]]) -> bool:
    return len(made) == len(raw) and all(map(says, raw, made))
