"""Subjects that turned out to be one: show it, undo it, and say that two are one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from connector.core.decide.batch import IdentityKey, RecordKey, Refold, TranslatedEvent
from connector.core.decide.identity import strongest
from connector.core.errors import NotFound, WrongSetting
from connector.core.event import Event, Identity, IdentityKind, Kind, Step
from connector.operations.connections import CONSOLE
from connector.operations.flow import context_now
from connector.operations.subjects import find_subject, show
from connector.pipeline.batch import run_batch
from connector.runtime.parts import Runtime
from connector.store import batches, subjects
from connector.store import connections as audit
from connector.store.database import Overtaken, new_id
from connector.store.subjects import EventRow, MergeRow


def listed(runtime: Runtime, who: str) -> list[dict[str, Any]]:
    """The merges that a subject took part in, the oldest first. Raises `NotFound`.

    `identities`: what found the loser until then. `event`: the key of the event that named both.
    """
    subject = find_subject(runtime, who)
    with runtime.database.read() as connection:
        rows = subjects.merges_of(connection, subject)
    return [
        {
            **{key: getattr(row, key) for key in ("id", "at", "loser", "survivor", "event", "undone_at", "undone_by")},
            "identities": [{"kind": kind, "value": value} for kind, value in row.identities],
        }
        for row in rows
    ]


def join(runtime: Runtime, who: str, other: str, *, actor: str) -> dict[str, Any]:
    """Say that two subjects are one: what `show` gives afterwards. Raises `NotFound`, and `WrongSetting`: they are."""
    context = context_now(runtime)
    key = f"{CONSOLE}:{new_id(context.now)}"

    def work(connection: Connection) -> tuple[str, bool]:
        pair = find_subject(runtime, who), find_subject(runtime, other)
        if pair[0] == pair[1]:
            message = f"{who!r} and {other!r} are one subject already"
            raise WrongSetting(message)
        subjects.allow_merges(connection, [pair])
        found = subjects.identities_of(connection, pair)
        names = tuple(Identity(kind=IdentityKind(kind), value=value) for of in pair for kind, value in found[of])
        event = Event(key=key, at=context.now, kind=Kind.IDENTIFY, identities=names)
        step = Step(id=key, at=context.now, kind=Kind.IDENTIFY)
        changes = run_batch(connection, context, [TranslatedEvent(connection=CONSOLE, event=event, steps=(step,))])
        audit.note(
            connection, context.now, actor=actor, action="subject.merge", target=min(pair), detail={"event": key}
        )
        return min(pair), changes.is_anything_to_send

    subject, is_asked = runtime.database.attempt(work)
    if is_asked:
        runtime.wakeups.enqueue_senders()
    return show(runtime, subject)


def undo(runtime: Runtime, merge: str, *, actor: str) -> dict[str, Any]:
    """Undo a merge: `loser` and `survivor` as `show` gives them afterwards, each folded again from its own events.

    The loser gets back what found it before, and every event whose strongest identity is its own. What names both from
    now on is about the one that its strongest identity says. Nobody is mailed for it.

    Raises `NotFound`, and `WrongSetting`: it cannot be undone now.
    """
    context = replace(context_now(runtime), is_silent=True)

    def work(connection: Connection) -> tuple[MergeRow, bool]:
        row = _undoable(connection, merge)
        loser, survivor = row.loser, row.survivor
        ids, names = _own(connection, row)
        subjects.give_back(connection, loser, survivor, ids=ids, names=names)
        subjects.undo_merge(connection, row.id, context.now, actor)
        locked = batches.lock_subjects(connection, {loser, survivor}).values()
        until = max((subject.state.last_run for subject in locked if subject.state), default=None)
        refolds = [Refold(subject=of, until=until, is_whole=True, is_shown_anew=True) for of in (loser, survivor)]
        changes = run_batch(connection, context, refolds=refolds)
        detail = {"merge": row.id, "loser": loser}
        audit.note(connection, context.now, actor=actor, action="subject.split", target=survivor, detail=detail)
        return row, changes.is_anything_to_send

    row, is_asked = runtime.database.attempt(work)
    if is_asked:
        runtime.wakeups.enqueue_senders()
    return {"loser": show(runtime, row.loser), "survivor": show(runtime, row.survivor)}


def _undoable(connection: Connection, merge: str) -> MergeRow:
    row = subjects.get_merge(connection, merge.strip().upper())
    if row is None:
        message = f"there is no merge {merge!r}; `connector subject merges WHO` lists those of a subject"
        raise NotFound(message)
    locked = batches.lock_subjects(connection, {row.loser, row.survivor})
    if row.undone_at is not None:
        message = f"the merge {row.id} was undone on {row.undone_at:%Y-%m-%d %H:%M:%SZ} by {row.undone_by}"
    elif (later := locked[row.survivor].merged_into) is not None:
        message = (
            f"the survivor was merged into {later} since; undo that merge first (`connector subject merges {later}`)"
        )
    elif locked[row.loser].merged_into != row.survivor:
        raise Overtaken
    else:
        return row
    raise WrongSetting(message)


def _own(connection: Connection, row: MergeRow) -> tuple[set[str], set[IdentityKey]]:
    """The events of the loser (ids), and its identities: those of then, and those that only its events have named."""
    origins = {row.loser, *subjects.merged_into(connection, row.loser)}
    names = {IdentityKey(kind, value) for kind, value in row.identities}
    ids: set[str] = set()
    named: set[IdentityKey] = set()
    others: set[IdentityKey] = set()
    for event in subjects.all_events_of(connection, row.survivor):
        keys = _keys(event)
        if event.origin in origins or (keys and strongest(keys) in names):
            ids.add(event.id)
            named |= keys
        else:
            others |= keys
    return ids, names | (named - others)


def _keys(event: EventRow) -> set[IdentityKey]:
    content = event.event
    found: Collection[Any] = content.get("identities", ())
    keys = {IdentityKey(kind, value) for kind, value in found}
    if record := content.get("record"):
        keys.add(RecordKey(event.connection, record[0], record[1]).identity)
    return keys
