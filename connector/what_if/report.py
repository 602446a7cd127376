"""What would be other than now: how one subject differs and why, and the sums over all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any, TypeAlias

from connector.core.decision import Decision
from connector.core.errors import OperatorError
from connector.core.state import UNKNOWN, State

Counts: TypeAlias = Counter[tuple[str, ...]]
"""Everything that is counted: the word for it, then what tells it apart."""


class Cancelled(OperatorError):
    """A what-if or forecast was ended before its end; there is no result."""

    reason = "cancelled"


def shown(state: State | None, since: datetime) -> dict[str, Any]:
    """What people see of a state, as JSON values; None: of a subject of which nothing counts, since its first event."""
    if state is None:
        at = since.isoformat()
        return {"kind": UNKNOWN, "status": "not_set", "since": at, "owner": None, "tags": [], "profile": {}}
    return {
        "kind": state.kind,
        "status": state.status,
        "since": since.isoformat(),
        "owner": state.owner,
        "tags": sorted(state.tags),
        "profile": dict(state.profile),
    }


def shows(raw: Mapping[str, Any], state: State) -> bool:
    """Whether a stored state (its JSON) shows the same as a state."""
    return (
        raw["status"] == state.status
        and raw["kind"] == state.kind
        and datetime.fromisoformat(raw["since"]) == state.since
        and raw["owner"] == state.owner
        and raw["tags"] == sorted(state.tags)
        and raw["profile"] == state.profile
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """An update that a change asks for. `wrong` says what the system cannot take of it; None: all is well."""

    connection: str
    object: str
    record: str
    wrong: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A subject that would be other than now, and the decisions that make it so.

    `names`: its identities (kind, value). `before` and `after`: what shows of it, JSON values. `undone`: decisions that
    would not be made any more; `made`: those in their place. `mails`: (rule, recipient) of those asked for now.
    """

    subject: str
    names: Sequence[tuple[str, str]]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    undone: Sequence[Decision]
    made: Sequence[Decision]
    mails: Sequence[tuple[str, str]]
    pushes: Sequence[Push]

    @property
    def changed(self) -> tuple[str, ...]:
        """What of it shows otherwise: `status`, `since`, `owner` and others."""
        return tuple(name for name, value in self.after.items() if self.before[name] != value)

    def to_json(self) -> dict[str, Any]:
        """The difference as JSON values; of what shows only the changes."""
        return {
            "subject": self.subject,
            "identities": [{"kind": kind, "value": value} for kind, value in self.names],
            "from": self.before["status"],
            "to": self.after["status"],
            "changed": {name: {"from": self.before[name], "to": self.after[name]} for name in self.changed},
            "undone": [_explained(decision) for decision in self.undone],
            "made": [_explained(decision) for decision in self.made],
            "mails": [{"rule": rule, "to": recipient} for rule, recipient in self.mails],
            "pushes": [
                {"connection": push.connection, "object": push.object, "id": push.record, "wrong": push.wrong}
                for push in self.pushes
            ],
        }

    def counted(self) -> Counts:
        """What the difference adds to the sums."""
        counts: Counts = Counter({("differing",): 1})
        if "status" in self.changed:
            counts["moved", self.before["status"], self.after["status"]] += 1
        counts.update(("mails", rule) for rule, _ in self.mails)
        counts.update(("pushes", push.connection) for push in self.pushes)
        counts.update(("untaken", push.connection, push.object, push.wrong) for push in self.pushes if push.wrong)
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What would be other than now, over all subjects.

    `moved`: how many would go from which status to which. `drifted`: subjects that a fold of their events would change
    whatever is published, because rules are being applied. `mails`, `pushes`: what would be asked for at once.
    `released` and `newly_held` count events, `unreadable` those that are too old to be read anew: they keep what was
    made of them. `untaken` counts updates that a system cannot take. The `…_by` tell them apart:
    mails by rule, pushes by connection, held by (connection, reason), untaken by (connection, object, reason).
    """

    subjects: int
    differing: int = 0
    drifted: int = 0
    moved: Mapping[tuple[str, str], int] = field(default_factory=dict)
    mails: int = 0
    pushes: int = 0
    released: int = 0
    newly_held: int = 0
    unreadable: int = 0
    untaken: int = 0
    mails_by: Mapping[str, int] = field(default_factory=dict)
    pushes_by: Mapping[str, int] = field(default_factory=dict)
    held_by: Mapping[tuple[str, str], int] = field(default_factory=dict)
    untaken_by: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Counts) -> WhatIf:
        """The sums as they were counted."""
        tables = {word: table(counts, word) for word in ("moved", "mails", "pushes", "held", "untaken")}
        return cls(
            subjects=counts["subjects",],
            differing=counts["differing",],
            drifted=counts["drifted",],
            moved={(before, after): count for (before, after), count in tables["moved"].items()},
            mails=sum(tables["mails"].values()),
            pushes=sum(tables["pushes"].values()),
            released=counts["released",],
            unreadable=counts["unreadable",],
            newly_held=sum(tables["held"].values()),
            untaken=sum(tables["untaken"].values()),
            mails_by={rule: count for (rule,), count in tables["mails"].items()},
            pushes_by={name: count for (name,), count in tables["pushes"].items()},
            held_by={(name, reason): count for (name, reason), count in tables["held"].items()},
            untaken_by={(name, kind, reason): count for (name, kind, reason), count in tables["untaken"].items()},
        )

    @property
    def moving(self) -> int:
        """How many subjects would have another status."""
        return sum(self.moved.values())

    @property
    def share(self) -> float:
        """Which part of all subjects would have another status: 0 to 1."""
        return self.moving / self.subjects if self.subjects else 0.0

    def to_json(self) -> dict[str, Any]:
        """The sums as JSON values."""
        return {
            "subjects": self.subjects,
            "differing": self.differing,
            "drifted": self.drifted,
            "moving": self.moving,
            "share": round(self.share, 6),
            "moved": [{"from": before, "to": after, "subjects": count} for (before, after), count in self._matrix()],
            "mails": {"count": self.mails, "by_rule": dict(self.mails_by)},
            "pushes": {"count": self.pushes, "by_connection": dict(self.pushes_by)},
            "released": self.released,
            "unreadable": self.unreadable,
            "newly_held": {"count": self.newly_held, "by": table_rows(self.held_by, ("connection", "reason"))},
            "untaken": {"count": self.untaken, "by": table_rows(self.untaken_by, ("connection", "object", "reason"))},
        }

    def _matrix(self) -> list[tuple[tuple[str, str], int]]:
        return sorted(self.moved.items(), key=lambda cell: (-cell[1], cell[0]))


def decisions_apart(before: Sequence[Decision], after: Sequence[Decision]) -> tuple[list[Decision], list[Decision]]:
    """The decisions that only one of two folds made, in order: those of the first, those of the second."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    return _without(before[same:], after[same:]), _without(after[same:], before[same:])


def decision_json(decision: Decision) -> dict[str, Any]:
    """A decision as JSON values, in the words of `connector simulate`."""
    return {
        "at": decision.at.isoformat(),
        "rule": decision.rule,
        "from": decision.before,
        "to": decision.after,
        "notify": list(decision.notify),
        "skipped": list(decision.skipped),
        "reason": decision.reason.value if decision.reason else None,
    }


def table(counts: Counts, word: str) -> dict[tuple[str, ...], int]:
    """What was counted under a word, in order: how many, by what tells it apart."""
    return {key[1:]: count for key, count in sorted(counts.items()) if key[0] == word}


def table_rows(counted: Mapping[Any, int], names: Sequence[str], unit: str = "count") -> list[dict[str, Any]]:
    """A table as JSON rows: its keys under `names`, how many under `unit`."""
    return [{**dict(zip(names, key, strict=True)), unit: count} for key, count in counted.items()]


def _explained(decision: Decision) -> dict[str, Any]:
    return {**decision_json(decision), "step": decision.step, "facts": dict(decision.facts)}


def _without(decisions: Sequence[Decision], known: Sequence[Decision]) -> list[Decision]:
    by_place: dict[tuple[datetime, str], list[Decision]] = defaultdict(list)
    for one in known:
        by_place[one.at, one.rule].append(one)
    found = []
    for one in decisions:
        left = by_place.get((one.at, one.rule), [])
        if one in left:
            left.remove(one)
        else:
            found.append(one)
    return found
