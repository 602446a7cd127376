"""What a proposal makes of a subject's stored events: the steps that would be folded, and whether they are others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from connector.core.errors import Unmapped
from connector.core.event import COUNTED, Outcome, Step
from connector.core.mapping import MappingRules, translate
from connector.store.event_json import read_event, read_step, says
from connector.store.histories import Stored
from connector.what_if.report import Counts

_Translation: TypeAlias = tuple[Sequence[Step], Sequence[dict[str, Any]] | None] | None
"""Of an event that is translated anew the steps that it would be, and (as JSON) those that it is; None: the same."""


@dataclass(slots=True, kw_only=True)
class BothHistories:
    """A subject's steps in order: as they stand, and as they would be. Those that stay are the same values in both."""

    present: list[Step] = field(default_factory=list)
    proposed: list[Step] = field(default_factory=list)


class Retranslation:
    """Translates anew what the proposal is about; counts the events that would be released or held in `counts`."""

    def __init__(self, rules: Mapping[str, MappingRules], counts: Counts) -> None:
        self._rules: Final = rules
        self._counts: Final = counts

    def if_different(self, rows: Sequence[Stored]) -> BothHistories | None:
        """A subject's steps as they stand and as they would be; None where what is translated anew stays as it is."""
        translations: list[_Translation] = []
        is_different = False
        for row in rows:
            _, _, _, event, raw_steps = row
            if event is None:
                translations.append(None)
                continue
            steps, raw = self._translate(row), orjson.loads(raw_steps)
            is_same = len(steps) == len(raw) and all(map(says, raw, steps))
            translations.append((steps, None if is_same else raw))
            is_different = is_different or not is_same
        return self._histories(rows, translations) if is_different else None

    def whole(self, rows: Sequence[Stored]) -> BothHistories:
        """A subject's steps as they stand and as they would be."""
        return self._histories(rows, list(map(self._translation, rows)))

    def _translation(self, row: Stored) -> _Translation:
        _, _, _, event, raw_steps = row
        return None if event is None else (self._translate(row), orjson.loads(raw_steps))

    def _histories(self, rows: Sequence[Stored], translations: Sequence[_Translation]) -> BothHistories:
        histories = BothHistories()
        for (_, _, outcome, _, raw_steps), translation in zip(rows, translations, strict=True):
            if translation is None:
                same = [read_step(raw) for raw in orjson.loads(raw_steps)]
                histories.present += same
                histories.proposed += same
            else:
                steps, changed = translation
                histories.present += steps if changed is None else map(read_step, changed if outcome in COUNTED else ())
                histories.proposed += steps
        return histories

    def _translate(self, row: Stored) -> tuple[Step, ...]:
        _, name, outcome, event, _ = row
        try:
            steps = translate(read_event(orjson.loads(event or "")), self._rules[name])
        except Unmapped as error:
            if outcome != Outcome.HELD:
                self._counts["held", name, f"{error.what}: {error.name}"] += 1
            return ()
        if outcome == Outcome.HELD:
            self._counts["released",] += 1
        return steps
