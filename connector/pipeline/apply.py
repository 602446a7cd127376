"""Applies translated events to their subjects: folds, and writes states, decisions, notices and updates in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.calendar import local_day
from connector.core.engine import Folded, Ruleset, due_day, fold, fold_all, is_late
from connector.core.event import Event, IdentityKind, Kind, Step
from connector.core.state import LEAD, UNKNOWN, State
from connector.pipeline.decisions import Moment, Source, fresh, notice_rows
from connector.pipeline.identity import Key, Named, Resolved, resolve
from connector.pipeline.outbox import Moved, ask_new_records, ask_updates, record_row
from connector.runtime.connections import Connected
from connector.store import outbox
from connector.store import subjects as queries
from connector.store.database import Overtaken, new_id
from connector.store.event_json import event_to_json, step_from_json, step_to_json
from connector.store.rows import Row

NOT_SET: Final = "not_set"
_STAGED: Final = frozenset({Kind.STAGE, Kind.RECORD})
RECORD_COLUMNS: Final = (
    "id",
    "connection",
    "object",
    "external_id",
    "subject",
    "stage",
    "pipeline",
    "stage_at",
    "is_gone",
    "gone_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What applying needs to know: the rules, the connections with their mappings, and the time (aware UTC).

    `is_silent`: nobody is mailed for what is decided, the daily rules up to today included: an import. `has_new_leads`:
    whoever becomes a lead is sent to the systems that take new leads.
    """

    ruleset: Ruleset
    connections: Mapping[str, Connected]
    now: datetime
    is_silent: bool = False
    has_new_leads: bool = True

    @property
    def today(self) -> int:
        """The local day (ordinal) of now."""
        return local_day(self.now, self.ruleset.zone)

    def moment(self, *, is_again: bool) -> Moment:
        """Now, for decisions; `is_again`: of a fold again."""
        return Moment(now=self.now, zone=self.ruleset.zone, is_again=is_again, is_silent=self.is_silent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An event on its way to its subject. `outcome` is applied, stale, held, echo or ignored; `reason` says why."""

    connection: str
    event: Event
    outcome: str
    steps: tuple[Step, ...] = ()
    reason: str | None = None
    version: int | None = None
    delivery: str | None = None

    @property
    def identities(self) -> frozenset[Key]:
        """Everything that finds the subject, the event's own record included."""
        found = {(identity.kind, identity.value) for identity in self.event.identities}
        if self.event.record is not None:
            found.add((IdentityKind.RECORD, f"{self.connection}:{self.event.record.object}:{self.event.record.id}"))
        return frozenset(found)


@dataclass(slots=True, kw_only=True)
class Change:
    """What one subject goes through in this transaction; `whole` folds it again from its stored events.

    `is_linked`: it has records that were not told how it stands: new ones, or those of a subject merged into it.
    `was_lead`: it, or one merged into it, was a lead before.
    """

    id: str
    row: Row | None
    steps: list[Step] = field(default_factory=list)
    whole: bool = False
    until: int | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    is_linked: bool = False
    was_lead: bool = False
    first_seen: datetime | None = None
    prior: State | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.row is not None and self.row["state"] is not None:
            self.prior = State.from_json(self.row["state"])
            self.was_lead = self.was_lead or self.prior.kind == LEAD

    def moved(self) -> Moved:
        """The subject, and the last delivery that brought something of it."""
        deliveries = (source.delivery for source in reversed(self.sources.values()) if source.delivery)
        return Moved(self.id, next(deliveries, None))


def apply(connection: Connection, incoming: Sequence[Incoming], context: Context) -> bool:
    """Store the events and bring their subjects up to date; whether anything is to be sent. All or nothing."""
    if not incoming:
        return False
    resolved = resolve(connection, [Named(event=one.event.key, keys=one.identities) for one in incoming], context.now)
    changes = _changes(incoming, resolved)
    if context.is_silent:
        for change in changes.values():
            change.until = context.today
    _write_new_subjects(connection, resolved, changes, context.now)
    _write_records(connection, incoming, resolved, changes, context.now)
    queries.add_events(
        connection, [_event_row(one, of, context.now) for one, of in zip(incoming, resolved.subjects, strict=True)]
    )
    return settle(connection, list(changes.values()), context)


def settle(connection: Connection, changes: Sequence[Change], context: Context) -> bool:
    """Fold the subjects and write states, decisions, notices and updates; whether anything is to be sent.

    Raises `Overtaken` when one was merged into another since it was found.
    """
    if any(change.row is not None and change.row["merged_into"] is not None for change in changes):
        raise Overtaken
    for change in changes:
        change.whole = change.whole or _is_late(change, context.ruleset)
    late = [change.id for change in changes if change.whole]
    history = queries.history(connection, late) if late else {}
    decided = queries.decided(connection, late) if late else {}
    subject_rows: list[Row] = []
    decision_rows: list[tuple[Row, tuple[str, ...]]] = []
    revised: set[str] = set()
    moved: list[Change] = []
    new_leads: list[Change] = []
    for change in changes:
        prior = change.prior
        folded = _folded(change, history.get(change.id), context.ruleset)
        if folded is None and prior is None:
            continue
        state, made_of_it = (folded.state, folded.decisions) if folded else (None, ())
        made = fresh(
            change.id, made_of_it, change.sources, decided.get(change.id), context.moment(is_again=change.whole)
        )
        decision_rows += made.rows
        revised |= made.revised
        if state != prior:
            subject_rows.append(_subject_row(change, state, context.ruleset))
        if state is not None and state.kind == LEAD and not change.was_lead:
            new_leads.append(change)
        if change.is_linked or _shows(prior) != _shows(state):
            moved.append(change)
    queries.save(connection, subject_rows)
    queries.revise(connection, revised, context.now)
    queries.add_decisions(connection, [row for row, _ in decision_rows])
    notices = notice_rows(decision_rows, context.moment(is_again=False))
    outbox.ask_notices(connection, notices)
    return _ask(connection, moved, new_leads, context) or bool(notices)


def _ask(connection: Connection, moved: Sequence[Change], new_leads: Sequence[Change], context: Context) -> bool:
    """Ask for updates of what moved, and for records of new leads; whether anything is to be sent."""
    news = [change.moved() for change in new_leads] if context.has_new_leads else []
    is_asked = ask_new_records(connection, news, context.connections, context.now)
    return ask_updates(connection, [change.moved() for change in moved], context.connections, context.now) or is_asked


def _changes(incoming: Sequence[Incoming], resolved: Resolved) -> dict[str, Change]:
    changes: dict[str, Change] = {}
    losers: dict[str, list[str]] = defaultdict(list)
    for loser, survivor in resolved.merged:
        losers[survivor].append(loser)
    for one, subject in zip(incoming, resolved.subjects, strict=True):
        if subject not in changes:
            is_joined = subject in losers
            row = resolved.rows.get(subject)
            changes[subject] = Change(id=subject, row=row, whole=is_joined, is_linked=is_joined)
            lost = [Change(id=loser, row=resolved.rows[loser]).prior for loser in losers[subject]]
            changes[subject].was_lead |= any(state is not None and state.kind == LEAD for state in lost)
            changes[subject].until = max((state.last_run for state in lost if state), default=None)
        change = changes[subject]
        change.first_seen = min(change.first_seen or one.event.at, one.event.at)
        change.steps += one.steps
        change.sources |= {step.id: Source(one.delivery, one.version, step.order[1]) for step in one.steps}
    return changes


def _is_late(change: Change, ruleset: Ruleset) -> bool:
    prior = change.prior
    return prior is not None and any(is_late(prior, step, ruleset) for step in change.steps)


def _folded(change: Change, history: Sequence[Row] | None, ruleset: Ruleset) -> Folded | None:
    """The fold onwards, or again from the stored events (`history`); None: nothing has happened to the subject."""
    if history is None:
        if change.prior is None and not change.steps:
            return None
        return fold(change.prior, sorted(change.steps, key=lambda step: step.order), ruleset, change.until)
    steps: list[Step] = []
    for row in history:
        for step in map(step_from_json, row["steps"]):
            steps.append(step)
            change.sources[step.id] = Source(row["delivery"], row["mapping_version"], step.order[1])
    runs = [run for run in (change.prior.last_run if change.prior else None, change.until) if run is not None]
    return fold_all(steps, ruleset, max(runs, default=None)) if steps else None


def _shows(state: State | None) -> tuple[Any, ...]:
    """What external systems show of a state."""
    return () if state is None else (state.status, state.since, state.owner)


def _subject_row(change: Change, state: State | None, ruleset: Ruleset) -> Row:
    """The row of a subject; without a state, for a mapping may leave nothing of its events, it stands as at first."""
    created_at = change.row["created_at"] if change.row else change.first_seen
    return {
        "id": change.id,
        "kind": state.kind if state else UNKNOWN,
        "status": state.status if state else NOT_SET,
        "since": state.since if state else created_at,
        "owner": state.owner if state else None,
        "due": due_day(state, ruleset) if state else None,
        "state": state.to_json() if state else None,
        "version": (change.row["version"] if change.row else 0) + 1,
        "merged_into": None,
        "created_at": created_at,
    }


def _event_row(one: Incoming, subject: str, now: datetime) -> Row:
    return {
        "id": new_id(now),
        "connection": one.connection,
        "key": one.event.key,
        "subject": subject,
        "origin": subject,
        "at": one.event.at,
        "kind": one.event.kind.value,
        "outcome": "applied" if one.outcome == "stale" else one.outcome,
        "reason": one.reason,
        "said": event_to_json(one.event),
        "steps": [step_to_json(step) for step in one.steps],
        "mapping_version": one.version,
        "delivery": one.delivery,
    }


def _write_new_subjects(
    connection: Connection, resolved: Resolved, changes: Mapping[str, Change], now: datetime
) -> None:
    queries.save(
        connection,
        [
            {
                "id": subject,
                "kind": UNKNOWN,
                "status": NOT_SET,
                "since": changes[subject].first_seen,
                "owner": None,
                "due": None,
                "state": None,
                "version": 0,
                "merged_into": None,
                "created_at": now,
            }
            for subject in sorted(resolved.new)
        ],
    )
    queries.add_identities(
        connection, [{"kind": kind, "value": value, "subject": subject} for (kind, value), subject in resolved.claimed]
    )


def _write_records(
    connection: Connection,
    incoming: Sequence[Incoming],
    resolved: Resolved,
    changes: Mapping[str, Change],
    now: datetime,
) -> None:
    """Link the records that the events are about, and note the newest stage of each and its end."""
    named = [(one, of) for one, of in zip(incoming, resolved.subjects, strict=True) if one.event.record is not None]
    known = queries.records_by_key(connection, {_record_key(one) for one, _ in named})
    rows: dict[tuple[str, str, str], dict[str, Any]] = {key: dict(row) for key, row in known.items()}
    for one, subject in named:
        key = _record_key(one)
        if key not in rows:
            changes[subject].is_linked = True
            rows[key] = record_row(key, now)
        row = rows[key]
        row["subject"] = subject
        event = one.event
        if event.kind is Kind.DELETED:
            row["gone_at"] = max(event.at, row["gone_at"] or event.at)
            row["is_gone"] = not _is_seen_after(connection, one, subject, row["gone_at"])
        elif row["is_gone"] and row["gone_at"] and event.at > row["gone_at"]:
            row["is_gone"], changes[subject].is_linked = False, True
        if event.kind in _STAGED and event.stage is not None and (row["stage_at"] is None or _is_newer(event, row)):
            row |= {"stage": event.stage, "pipeline": event.pipeline, "stage_at": event.at}
    changed = [row for key, row in rows.items() if row != known.get(key)]
    queries.save_records(connection, [{name: row[name] for name in RECORD_COLUMNS} for row in changed])


def _is_seen_after(connection: Connection, deleted: Incoming, subject: str, at: datetime) -> bool:
    """Whether a stored fact about a record is newer than its end: it was restored, and the deletion comes late."""
    record = deleted.event.record
    about = [record.object, record.id] if record else []
    return any(
        row["connection"] == deleted.connection and row["kind"] != Kind.DELETED and row["said"].get("record") == about
        for row in queries.facts_after(connection, subject, at)
    )


def _record_key(one: Incoming) -> tuple[str, str, str]:
    record = one.event.record
    return (one.connection, record.object if record else "", record.id if record else "")


def _is_newer(event: Event, record: Row) -> bool:
    """Whether a stage is newer than the record's; of two at the same instant always the same one wins."""
    return (event.at, event.stage or "") >= (record["stage_at"], record["stage"] or "")
