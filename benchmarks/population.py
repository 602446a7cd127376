"""A population in the store: subjects with a history each, written as if webhooks had brought it, day after day."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, MetaData, Table, text

from benchmarks.places import NAME
from connector.core.calendar import local_day
from connector.core.engine import Ruleset, due_day, fold
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef, Step
from connector.core.mapping import MappingRules, translate
from connector.core.state import State
from connector.runtime.parts import Runtime
from connector.store.database import new_id
from connector.store.event_json import event_to_json, step_to_json
from connector.store.rows import Row, chunks, insert_all
from connector.store.tables import events as stored_events
from connector.store.tables import identities, records, subjects

STAGES: Final = ("new", "talking", "meeting", "won", "bad")
PAGES: Final = (None, None, "https://e.example/blog", "https://e.example/pricing/2", "https://e.example/jobs")
ACTIONS: Final = ("site_access", "site_access", "site_access", "email_inflow", "form_submission")
_BATCH: Final = 1000
_STAGED: Final = Table("staged", MetaData(), *(Column(column.name, column.type) for column in stored_events.c))


def history(who: int, count: int, now: datetime) -> list[Event]:
    """`count` events of one subject over a third of a year: visits, mails and forms; now and then stage and owner."""
    chance = random.Random(who)
    return [_event(chance, who, place, now - timedelta(days=120)) for place in _times(chance, count)]


def _times(chance: random.Random, count: int) -> list[tuple[int, float]]:
    return list(enumerate(sorted(chance.uniform(0, 119) for _ in range(count))))


def _event(chance: random.Random, who: int, place: tuple[int, float], start: datetime) -> Event:
    number, days = place
    values: dict[str, Any] = {"kind": Kind.ACTION, "name": chance.choice(ACTIONS), "page": chance.choice(PAGES)}
    draw = chance.random()
    if draw < 0.12:
        values = {"kind": Kind.STAGE, "stage": chance.choice(STAGES)}
    elif draw < 0.17:
        email = f"{chance.choice(('kim', 'lee', 'mori'))}@example.jp"
        values = {"kind": Kind.OWNER, "owner": email, "owner_email": email}
    return Event(
        key=f"{NAME}:{who}-{number}",
        at=start + timedelta(days=days),
        identities=(Identity(kind=IdentityKind.EMAIL, value=f"person{who}@example.jp"),),
        record=RecordRef(object="lead", id=f"L-{who}"),
        is_lead=True,
        **values,
    )


def store(runtime: Runtime, rules: MappingRules, count: int, each: int, first: int = 0) -> None:
    """Store `count` subjects with `each` events, numbered from `first`, the events in order of time across all."""
    now = runtime.clock()
    with runtime.database.write() as connection:
        connection.execute(text("CREATE TABLE staged AS SELECT * FROM events WHERE 1 = 0"))
    for part in chunks(range(first, first + count), _BATCH):
        _store_part(runtime, rules, part, each, now)
    with runtime.database.write() as connection:
        connection.execute(text("INSERT INTO events SELECT * FROM staged ORDER BY at"))
        connection.execute(text("DROP TABLE staged"))


def _store_part(runtime: Runtime, rules: MappingRules, part: Iterable[int], each: int, now: datetime) -> None:
    day = local_day(now, runtime.ruleset.zone)
    rows: dict[Table, list[Row]] = {table: [] for table in (subjects, identities, records, _STAGED)}
    for who in part:
        of = new_id(now - timedelta(days=120, milliseconds=-who))
        events = [(event, translate(event, rules)) for event in history(who, each, now)]
        state = fold(None, [step for _, steps in events for step in steps], runtime.ruleset, day).state
        rows[subjects].append(_subject_row(of, state, runtime.ruleset))
        rows[identities].append(_identity_row(of, f"person{who}@example.jp", f"L-{who}", state.created))
        rows[records].append(_record_row(of, f"L-{who}", now))
        rows[_STAGED] += [_event_row(event, steps, of) for event, steps in events]
    with runtime.database.write() as connection:
        for table, own in rows.items():
            insert_all(connection, table, own)


def all_steps(rules: MappingRules, count: int, each: int, now: datetime) -> Iterator[list[Step]]:
    """The steps of each subject, as the store has them."""
    for who in range(count):
        yield [step for event in history(who, each, now) for step in translate(event, rules)]


def _subject_row(of: str, state: State, ruleset: Ruleset) -> Row:
    return {
        "id": of,
        "kind": state.kind,
        "status": state.status,
        "since": state.since,
        "owner": state.owner,
        "due": due_day(state, ruleset),
        "last_run": state.last_run,
        "rules": ruleset.version,
        "state": state.to_json(),
        "version": 1,
        "merged_into": None,
        "created_at": state.created,
    }


def _identity_row(of: str, email: str, lead: str, since: datetime) -> Row:
    return {
        "kind": "email",
        "value": email,
        "number": 0,
        "subject": of,
        "sources": [f"{NAME}:lead:{lead}"],
        "since": since,
        "changed_at": since,
        "is_shared": False,
    }


def _record_row(of: str, lead: str, now: datetime) -> Row:
    return {
        "id": new_id(now),
        "connection": NAME,
        "object": "lead",
        "external_id": lead,
        "subject": of,
        "stage": None,
        "pipeline": None,
        "stage_at": None,
        "is_gone": False,
    }


def _event_row(event: Event, steps: Iterable[Step], subject: str) -> Row:
    return {
        "id": new_id(event.at),
        "connection": NAME,
        "key": event.key,
        "subject": subject,
        "origin": subject,
        "at": event.at,
        "kind": event.kind.value,
        "outcome": "applied",
        "reason": None,
        "event": event_to_json(event),
        "steps": [step_to_json(step) for step in steps],
        "mapping_version": 1,
        "delivery": None,
    }
