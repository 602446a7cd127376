"""Subjects that turned out to be one: show it, undo it, and say that two are one, or that they are not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from connector.core.decide.batch import KnownSubject, Refold, TranslatedEvent
from connector.core.errors import NotFound, WrongSetting
from connector.core.event import Event, Kind, Step
from connector.core.identity import CONSOLE, MERGE, Apart, IdentityKey, RecordKey, strongest
from connector.operations.flow import context_now
from connector.operations.subjects import anchor, find_subject, show
from connector.pipeline.batch import run_batch
from connector.runtime.parts import Runtime
from connector.store import batches, identities, subjects
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
        pair = _two(runtime, who, other)
        _let_join(connection, pair)
        names = tuple(anchor(connection, of) for of in pair)
        at = max(context.now, _newest(connection, pair) + timedelta(microseconds=1))
        event = Event(key=key, at=at, kind=Kind.IDENTIFY, identities=names, name=MERGE)
        step = Step(id=key, at=at, kind=Kind.IDENTIFY)
        changes = run_batch(connection, context, [TranslatedEvent(connection=CONSOLE, event=event, steps=(step,))])
        if not changes.merges:
            message = f"{who!r} and {other!r} cannot be made one: one of them has nothing that says who it is"
            raise WrongSetting(message)
        audit.note(
            connection, context.now, actor=actor, action="subject.merge", target=min(pair), detail={"event": key}
        )
        return min(pair), changes.is_anything_to_send

    subject, is_asked = runtime.database.attempt(work)
    if is_asked:
        runtime.wakeups.enqueue_senders()
    return show(runtime, subject)


def _newest(connection: Connection, pair: tuple[str, str]) -> datetime:
    """The time of the newest event that is known of two subjects; clocks of systems may be ahead of ours."""
    states = [one.state for one in batches.lock_subjects(connection, pair).values() if one.state]
    changes = [one.changed_at for one in identities.of_subjects(connection, pair)]
    return max([*(state.position[0] for state in states), *changes])


def keep_apart(runtime: Runtime, who: str, other: str, *, actor: str) -> dict[str, Any]:
    """Say that two subjects are two, whatever comes in: `one` and `other` as `show` gives them.

    What both have belongs to neither; `join` takes it back. Raises `NotFound`, and `WrongSetting`: they are one.
    """
    now = runtime.clock()

    def work(connection: Connection) -> tuple[str, str]:
        pair = _two(runtime, who, other)
        held = {of: {one.key for one in identities.of_subjects(connection, [of])} for of in pair}
        both = held[pair[0]] & held[pair[1]]
        sides = {key: of for of in pair for key in held[of] - both}
        _let_join(connection, pair)
        identities.keep_apart(connection, Apart(one=pair[0], other=pair[1], sides=sides), now, actor)
        detail = {"other": max(pair)}
        audit.note(connection, now, actor=actor, action="subject.keep_apart", target=min(pair), detail=detail)
        return pair

    one, two = runtime.database.attempt(work)
    return {"one": show(runtime, one), "other": show(runtime, two)}


def _two(runtime: Runtime, who: str, other: str) -> tuple[str, str]:
    pair = find_subject(runtime, who), find_subject(runtime, other)
    if pair[0] == pair[1]:
        message = f"{who!r} and {other!r} are one subject already"
        raise WrongSetting(message)
    return pair


def _let_join(connection: Connection, pair: tuple[str, str]) -> None:
    """Take back that a person keeps the two apart, or subjects that were merged into them."""
    one, other = ({held.key for held in identities.of_subjects(connection, [of])} for of in pair)
    found = identities.apart_of(connection, pair)
    identities.let_join(connection, [kept for kept in found if is_kept_apart(kept, pair, one, other)])


def is_kept_apart(
    kept: Apart, pair: tuple[str, str], one: Collection[IdentityKey], other: Collection[IdentityKey]
) -> bool:
    """Whether these are the two whom a person keeps apart; `one`, `other`: what each has or had."""
    return {kept.one, kept.other} == set(pair) or kept.parts(one, other)


def undo(runtime: Runtime, merge: str, *, actor: str) -> dict[str, Any]:
    """Undo a merge: `loser` and `survivor` as `show` gives them afterwards, each folded again from its own events.

    The loser gets back what found it before, and every event whose strongest identity is its own. What names both from
    now on is about the one that its strongest identity says. Nobody is mailed for it.

    Raises `NotFound`, and `WrongSetting`: it cannot be undone now.
    """
    context = replace(context_now(runtime), is_silent=True)

    def work(connection: Connection) -> tuple[MergeRow, bool]:
        row = _undoable(connection, merge)
        identities.keep_apart(connection, _sides(connection, row), context.now, actor)
        subjects.undo_merge(connection, row.id, context.now, actor)
        until = max((one.state.last_run for one in _locked(connection, row) if one.state), default=None)
        refold = Refold(subject=row.survivor, until=until, is_whole=True, is_shown_anew=True, is_resolved=True)
        changes = run_batch(connection, context, refolds=[refold])
        if row.loser not in changes.revived:
            message = f"the merge {row.id} cannot be undone: nothing that is stored is about {row.loser} alone"
            raise WrongSetting(message)
        detail = {"merge": row.id, "loser": row.loser}
        audit.note(connection, context.now, actor=actor, action="subject.split", target=row.survivor, detail=detail)
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


def _locked(connection: Connection, row: MergeRow) -> Iterable[KnownSubject]:
    return batches.lock_subjects(connection, {row.loser, row.survivor}).values()


def _sides(connection: Connection, row: MergeRow) -> Apart:
    """Which of the two each identity belongs to: the loser's of then, and those that only its events have named."""
    origins = {row.loser, *subjects.merged_into(connection, row.loser)}
    names = {IdentityKey(kind, value) for kind, value in row.identities}
    own: set[IdentityKey] = set()
    others: set[IdentityKey] = set()
    for event in subjects.all_events_of(connection, row.survivor):
        keys = _keys(event)
        is_own = event.origin in origins or (keys and strongest(keys) in names)
        (own if is_own else others).update(keys)
    lost = names | (own - others)
    held = {one.key for one in identities.of_subjects(connection, [row.survivor])}
    sides = dict.fromkeys((held | others) - lost, row.survivor) | dict.fromkeys(lost, row.loser)
    return Apart(one=row.survivor, other=row.loser, sides=sides)


def _keys(event: EventRow) -> set[IdentityKey]:
    content = event.event
    found: Collection[Any] = content.get("identities", ())
    keys = {IdentityKey(kind, value) for kind, value in found}
    if record := content.get("record"):
        keys.add(RecordKey(event.connection, record[0], record[1]).identity)
    return keys
