"""Subjects as people handle them: list them, explain one, and set its status, owner or tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection

from connector.adapter_kit.identities import identifying, normalize_email
from connector.core.decide.batch import TranslatedEvent
from connector.core.errors import NotFound, WrongSetting
from connector.core.event import Event, Identity, IdentityKind, Kind, Step
from connector.core.identity import CONSOLE, strongest
from connector.core.state import State
from connector.i18n import Words
from connector.i18n.statuses import find_status, labels_in
from connector.i18n.why import ENGLISH, ExplainedDecision, sentence
from connector.operations.flow import context_now
from connector.pipeline.batch import run_batch
from connector.runtime.parts import Runtime
from connector.store import connections as audit
from connector.store import identities, outbox
from connector.store import subjects as queries
from connector.store.database import Overtaken, new_id
from connector.store.outbox import OutboxEntry
from connector.store.rows import Row
from connector.store.subjects import DecisionRow, RecordRow, SubjectRow
from connector.what_if.simulate import ended

PAGE: Final = 500
_LONGEST_TAG: Final = 63
_DECISION: Final = (
    *("id", "rule", "notify", "skipped", "reason", "notice", "mail", "step", "facts", "delivery"),
    *("mapping_version", "recorded_at", "revised_at"),
)


def listed(runtime: Runtime, *, status: str | None = None, page: int = PAGE) -> Iterator[dict[str, Any]]:
    """Every subject by id, as `line` gives it, read page by page. `status`: a code, label or alias."""
    wanted = find_status(status, runtime.ruleset.statuses.values()) if status is not None else None

    def read(connection: Connection, after: str | None, limit: int) -> list[Row]:
        rows = queries.listed(connection, status=wanted, after=after, limit=limit)
        identities = queries.identities_of(connection, [row.id for row in rows])
        return [line(row, identities[row.id]) for row in rows]

    for row in runtime.database.pages(read, id_of=itemgetter("id"), size=page):
        yield dict(row)


def candidates(runtime: Runtime, who: str) -> list[tuple[str, str]]:
    """The identities (kind, value) that the words may be; a phone number as it is in each country of a connection."""
    found: set[tuple[str, str]] = {(kind.value, who) for kind in IdentityKind}
    if email := normalize_email(who):
        found.add((IdentityKind.EMAIL, email))
    for name, connected in runtime.connections.all().items():
        phone = identifying(Identity(kind=IdentityKind.PHONE, value=who), connected.rules.region)
        if phone is not None:
            found.add((phone.kind, f"{name}:{phone.value}" if phone.is_local else phone.value))
    return sorted(found)


def find_subject(runtime: Runtime, who: str) -> str:
    """The id of the subject. Raises `NotFound`, which says what the words can be."""
    with runtime.database.read() as connection:
        found = queries.find(connection, candidates(runtime, who.strip()), who.strip().upper())
    if len(found) > 1:
        message = f"{who!r} is of {len(found)} subjects: {', '.join(found)}; give one of these ids"
        raise NotFound(message)
    if not found:
        message = (
            f"there is no subject {who!r}; allowed: an e-mail, a phone number, a visitor id, CONNECTION:OBJECT:ID, "
            "or our own id"
        )
        raise NotFound(message)
    return found[0]


def line(row: SubjectRow, identities: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """One subject in short: what `connector simulate` ends with, and `id`, `identities`, `owner`."""
    return {
        **_end(row),
        "id": row.id,
        "identities": [{"kind": kind, "value": value} for kind, value in identities],
        "owner": row.owner,
    }


def show(runtime: Runtime, who: str) -> dict[str, Any]:
    """All about a subject: its line, profile, records with what was pushed, held events, and each decision with why.

    `shared`: of its identities those that too many have to find anybody. `released`: what it had `until` then.
    """
    subject = find_subject(runtime, who)
    with runtime.database.read() as connection:
        row = queries.get(connection, subject)
        held = sorted(identities.of_subjects(connection, [subject]), key=lambda one: one.key)
        records = queries.records_of(connection, [subject])[subject]
        pushes = outbox.of_records(connection, [record.id for record in records])
        decided = queries.decisions_of(connection, subject)
        waiting = queries.held_of(connection, subject)
    labels = labels_in("en", runtime.ruleset.statuses.values())
    held_as = [(one, {"kind": one.key.kind, "value": one.key.value}) for one in held]
    return {
        **line(row, [one.key for one in held if one.until is None]),
        "shared": [named for one, named in held_as if one.is_shared and one.until is None],
        "released": [{**named, "until": one.until} for one, named in held_as if one.until is not None],
        "label": labels.get(row.status, row.status),
        "profile": dict(State.from_json(row.state).profile) if row.state else {},
        "records": [_record(record, pushes.get(record.id)) for record in records],
        "decisions": [decision(one, labels) for one in decided],
        "held": [
            {key: getattr(event, key) for key in ("id", "connection", "at", "kind", "reason", "delivery", "event")}
            for event in waiting
        ],
    }


def decision(row: DecisionRow, labels: Mapping[str, str], words: Words = ENGLISH) -> dict[str, Any]:
    """One decision as people read it: what it was, its facts, when it was made and revised, and the sentence."""
    explained = ExplainedDecision(
        rule=row.rule,
        before=row.before,
        after=row.after,
        facts=row.facts,
        notify=row.notify,
        skipped=row.skipped,
        reason=row.reason,
        mail=row.mail,
    )
    return {
        "at": row.at,
        "from": row.before,
        "to": row.after,
        **{key: getattr(row, key) for key in _DECISION},
        "sentence": sentence(explained, labels, words),
    }


def set_status(runtime: Runtime, who: str, status: str, *, actor: str) -> dict[str, Any]:
    """Set a subject's status as a person does: what `show` gives afterwards. Raises `NotFound` and `UnknownStatus`."""
    to = find_status(status, runtime.ruleset.statuses.values())
    return happen(runtime, who, Kind.JUMP, content={"stage": to}, does={"to": to, "by": "person"}, actor=actor)


def set_owner(runtime: Runtime, who: str, owner: str | None, *, actor: str) -> dict[str, Any]:
    """Set the person in charge, by e-mail (None: nobody). Raises `NotFound`, and `WrongSetting`: no e-mail."""
    if owner is not None:
        email = normalize_email(owner)
        if email is None:
            message = f"{owner!r} cannot be an owner; allowed: an e-mail address, or none"
            raise WrongSetting(message)
        owner = email
    return happen(
        runtime, who, Kind.OWNER, content={"owner": owner, "owner_email": owner}, does={"owner": owner}, actor=actor
    )


def tag(runtime: Runtime, who: str, name: str, *, is_removed: bool, actor: str) -> dict[str, Any]:
    """Add or remove a tag. Raises `WrongSetting` when it cannot be one."""
    if not 1 <= len(name) <= _LONGEST_TAG or not name.isprintable() or name != name.strip():
        message = f"{name!r} cannot be a tag; allowed: 1 to {_LONGEST_TAG} printable characters, no space at the ends"
        raise WrongSetting(message)
    given = {"tag": name, "is_removed": is_removed}
    return happen(runtime, who, Kind.TAG, content=given, does=given, actor=actor)


def happen(
    runtime: Runtime, who: str, kind: Kind, *, content: Mapping[str, Any], does: Mapping[str, Any], actor: str
) -> dict[str, Any]:
    """Let a person's change happen as an event of now: what `show` gives afterwards. Raises `NotFound`.

    `content` is what the event keeps, `does` its one step.
    """
    context = context_now(runtime)
    key = f"{CONSOLE}:{new_id(context.now)}"

    def work(connection: Connection) -> tuple[str, bool]:
        subject = find_subject(runtime, who)
        event = Event(key=key, at=context.now, kind=kind, identities=(anchor(connection, subject),), **content)
        step = Step(id=key, at=context.now, kind=kind, **does)
        changes = run_batch(connection, context, [TranslatedEvent(connection=CONSOLE, event=event, steps=(step,))])
        detail = {"event": key, **does}
        audit.note(connection, context.now, actor=actor, action=f"subject.{kind}", target=subject, detail=detail)
        return subject, changes.is_anything_to_send

    subject, is_asked = runtime.database.attempt(work)
    if is_asked:
        runtime.wakeups.enqueue_senders()
    return show(runtime, subject)


def anchor(connection: Connection, subject: str) -> Identity:
    """The strongest identity that a subject has alone, by which what a person says of it finds it for ever."""
    held = [one for one in identities.of_subjects(connection, [subject]) if one.until is None]
    if not held:
        raise Overtaken
    others = {one.key for one in identities.of_keys(connection, {one.key for one in held}) if one.subject != subject}
    own = [one.key for one in held if one.key not in others] or [one.key for one in held]
    kind, value = strongest(own)
    return Identity(kind=IdentityKind(kind), value=value)


def _end(row: SubjectRow) -> dict[str, Any]:
    """The last line of `connector simulate` for a stored subject; one without a step has done nothing yet."""
    if row.state:
        return ended(row.id, State.from_json(row.state), row.due)
    return {
        "subject": row.id,
        "kind": row.kind,
        "status": row.status,
        "since": row.since.isoformat(),
        "tags": [],
        "last_action": row.since.isoformat(),
        "due": date.fromordinal(row.due).isoformat() if row.due else None,
    }


def _record(record: RecordRow, push: OutboxEntry | None) -> dict[str, Any]:
    shown = ("outcome", "attempts", "next_attempt_at", "finished_at", "error")
    return {
        "connection": record.connection,
        "object": record.object,
        "id": record.external_id,
        **{key: getattr(record, key) for key in ("stage", "pipeline", "stage_at", "is_gone")},
        "push": {key: getattr(push, key) for key in shown} if push else None,
    }
