"""A subject's state: what the fold knows of it at the end, whose values stay in it, and its JSON form for the store."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from connector.core.event import Conflict, FieldValue
from connector.core.order import Order, order_from_json, order_to_json

LEAD: Final = "lead"
UNKNOWN: Final = "unknown"

Entry: TypeAlias = tuple[int, str, str | None]
"""One thing seen in a window: local day (ordinal), what tells it from others (step, day or session), the page."""
Claims: TypeAlias = Mapping[str, Any]
"""Conflict rule → the value that steps of that rule gave; kept only where a rule other than `newest` was used."""
OWNER: Final = "@owner"
"""The name under which the owner's claims are kept, beside those of the profile's fields."""
_STRONGEST_FIRST: Final = (Conflict.THEIRS, Conflict.NEWEST, Conflict.OURS, Conflict.IF_EMPTY)


def claims_after(claims: Claims | None, present: Any, value: Any, conflict: Conflict) -> Claims:
    """The claims after a step gives `value`; `present` is the value that counted as long as there were no claims.

    Within a rule the newest step counts, an empty value included; of `if_empty` the first that is not empty.
    """
    known = ({} if is_empty(present) else {Conflict.NEWEST.value: present}) if claims is None else claims
    if conflict is Conflict.IF_EMPTY and not is_empty(known.get(conflict.value)):
        return known
    return {**known, conflict.value: value}


def gives(givers: MutableMapping[str, str], name: str, given: FieldValue, source: str | None) -> bool:
    """Whether a value of a profile's field counts; note in `givers` what gave it.

    A record in which a field is empty takes back its own value: what was never filled in there says nothing of what
    another record gave.
    """
    if given.conflict is Conflict.IF_EMPTY:
        return True  # An empty value takes nothing back here.
    place = f"{name} {given.conflict}"
    if is_empty(given.value):
        if source is not None and givers.get(place, source) != source:
            return False
        givers.pop(place, None)
    elif source is None:
        givers.pop(place, None)
    else:
        givers[place] = source
    return True


def winning_value(claims: Claims) -> Any:
    """The value of the strongest rule that has one; None where none has."""
    return next((value for rule in _STRONGEST_FIRST if not is_empty(value := claims.get(rule.value))), None)


def is_empty(value: Any) -> bool:
    """Whether a value says nothing; 0 and false say something."""
    return value is None or value in ("", [])


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state after all steps up to `position` and all daily rules up to `last_run` (a local day, ordinal).

    Instants are aware UTC. `last_action` is None while the subject never acted. `seen` holds per window, newest first,
    as many entries as a rule can ask for. `noticed` are the list notices decided in this stay, `noticed_on` the day of
    the last once-a-day notice by rule. `visit` is the latest action without a session and the start of its session.
    `counters` holds what was counted, in order; `claims` per field what each conflict rule gave; `givers` per field and
    conflict rule which record gave it.
    """

    kind: str
    status: str
    since: datetime
    created: datetime
    last_run: int
    position: Order
    last_action: datetime | None = None
    tags: frozenset[str] = frozenset()
    owner: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    noticed: frozenset[str] = frozenset()
    noticed_on: Mapping[str, int] = field(default_factory=dict)
    visit: tuple[datetime, datetime] | None = None
    counters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    claims: Mapping[str, Claims] = field(default_factory=dict)
    givers: Mapping[str, str] = field(default_factory=dict)

    @property
    def acted(self) -> datetime:
        """The last action; a subject that never acted counts from its creation."""
        return self.last_action or self.created

    def to_json(self) -> dict[str, Any]:
        """The state as JSON values; `from_json` is its inverse. The position is stored as `head`.

        What few subjects have is there only where it is.
        """
        rare = {"counters": {name: list(seen) for name, seen in self.counters.items()}, "claims": dict(self.claims)}
        rare["givers"] = dict(self.givers)
        return {
            "kind": self.kind,
            "status": self.status,
            "since": self.since.isoformat(),
            "created": self.created.isoformat(),
            "last_run": self.last_run,
            "head": order_to_json(self.position),
            "last_action": self.last_action.isoformat() if self.last_action else None,
            "tags": sorted(self.tags),
            "owner": self.owner,
            "profile": dict(self.profile),
            "seen": {window: [list(entry) for entry in entries] for window, entries in self.seen.items()},
            "noticed": sorted(self.noticed),
            "noticed_on": dict(self.noticed_on),
            "visit": [instant.isoformat() for instant in self.visit] if self.visit else None,
            **{name: value for name, value in rare.items() if value},
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> State:
        """The state from what `to_json` gave."""
        visit = raw["visit"]
        return cls(
            kind=raw["kind"],
            status=raw["status"],
            since=_instant(raw["since"]),
            created=_instant(raw["created"]),
            last_run=raw["last_run"],
            position=order_from_json(raw["head"]),
            last_action=_instant(raw["last_action"]) if raw["last_action"] else None,
            tags=frozenset(raw["tags"]),
            owner=raw["owner"],
            profile=raw["profile"],
            seen={window: tuple((day, name, page) for day, name, page in rows) for window, rows in raw["seen"].items()},
            noticed=frozenset(raw["noticed"]),
            noticed_on=raw["noticed_on"],
            visit=(_instant(visit[0]), _instant(visit[1])) if visit else None,
            counters={name: tuple(seen) for name, seen in raw.get("counters", {}).items()},
            claims=raw.get("claims", {}),
            givers=raw.get("givers", {}),
        )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
