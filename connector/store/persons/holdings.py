"""Everything that the tables hold of one person: one list of conditions, by which it is read and erased alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import orjson
from sqlalchemy import ColumnElement, Connection, Table, delete, false, func, literal, or_, select, update

from connector.core.event import IdentityKind, Outcome
from connector.store.rows import Row, among, chunks, fetch
from connector.store.subjects import merged_into
from connector.store.tables import (
    apart,
    audit,
    decisions,
    deliveries,
    echoes,
    events,
    identities,
    imported,
    merges,
    outbox,
    records,
    subjects,
)

ERASED: Final = "erased"
ERASED_KEY: Final = literal("erased:")
ERASED_UNREAD: Final = "erased with a person whom it was about"
PAGE: Final = 200
Mentions: TypeAlias = Callable[[str, bytes], bool]
"""Whether a text of a connection speaks of the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who it is: the subject and those merged into it, its records by id and as they are named, and its identities.

    `records`: (connection, object, id in its system); `names`: (kind, value).
    """

    subjects: tuple[str, ...]
    record_ids: tuple[str, ...]
    records: frozenset[tuple[str, str, str]]
    names: frozenset[tuple[str, str]]


def find_person(connection: Connection, subject: str) -> Person:
    """All by which a subject was ever known here: now, in what was merged into it, and in the words of its events."""
    ids = (subject, *merged_into(connection, subject))
    found = fetch(connection, select(records).where(among(connection, [records.c.subject], ids)))
    query = select(identities.c.kind, identities.c.value).where(among(connection, [identities.c.subject], ids))
    names = {(kind, value) for kind, value in connection.execute(query.distinct())}
    for row in fetch(connection, select(events.c.event).where(among(connection, [events.c.subject], ids))):
        names |= {(kind, value) for kind, value in row["event"].get("identities", ())}
    stands = merges.c.undone_at.is_(None)
    for row in fetch(
        connection, select(merges.c.identities).where(among(connection, [merges.c.survivor], ids), stands)
    ):
        names |= {(kind, value) for kind, value in row["identities"]}
    names -= _of_others(connection, names, ids)
    known = {(row["connection"], row["object"], row["external_id"]) for row in found}
    for kind, value in names:
        if kind == IdentityKind.RECORD and value.count(":") > 1:
            name, record_object, external = value.split(":", 2)
            known.add((name, record_object, external))
    return Person(
        subjects=ids,
        record_ids=tuple(row["id"] for row in found),
        records=frozenset(known),
        names=frozenset(names),
    )


def _of_others(
    connection: Connection, names: Collection[tuple[str, str]], ids: Collection[str]
) -> set[tuple[str, str]]:
    """The identities that find somebody else: an event may name two who are kept apart."""
    query = select(identities.c.kind, identities.c.value).where(
        among(connection, [identities.c.kind, identities.c.value], names), identities.c.subject.not_in(ids)
    )
    return {(kind, value) for kind, value in connection.execute(query)}


def belonging(connection: Connection, person: Person) -> Mapping[Table, ColumnElement[bool]]:
    """The tables whose rows are about a person alone, with the condition: what refers to others comes first."""
    ids = person.subjects

    def of(column: Any, values: Collection[str] = ids) -> Any:
        return among(connection, [column], values)

    return {
        echoes: of(echoes.c.record, person.record_ids),
        outbox: or_(of(outbox.c.subject), of(outbox.c.record, person.record_ids)),
        decisions: of(decisions.c.subject),
        events: of(events.c.subject),
        identities: of(identities.c.subject),
        records: of(records.c.subject),
        merges: or_(of(merges.c.loser), of(merges.c.survivor)),
        apart: or_(of(apart.c.one), of(apart.c.other)),
        imported: _imported(person),
        subjects: of(subjects.c.id),
    }


def _imported(person: Person) -> ColumnElement[bool]:
    """What rows of files said is kept by the record, or where a row has no id by the e-mail or phone."""
    of_records = [
        (imported.c.connection == name) & (imported.c.about == f"{kind}:{external}")
        for name, kind, external in sorted(person.records)
    ]
    of_names = [imported.c.about.endswith(f":{value}", autoescape=True) for _, value in sorted(person.names)]
    return or_(false(), *of_records, *of_names)


def held(connection: Connection, person: Person) -> dict[str, list[Row]]:
    """The rows about a person alone, by table; a merge that was undone says nothing of who the other is."""
    found = {
        str(table.name): fetch(connection, select(table).where(condition).order_by(*table.primary_key))
        for table, condition in belonging(connection, person).items()
    }
    lines = [{**row, "identities": []} if row["undone_at"] else row for row in found[merges.name]]
    return {**found, str(merges.name): lines}


def erase(connection: Connection, person: Person) -> dict[str, int]:
    """Delete the rows about a person alone; how many, by table."""
    return {
        str(table.name): connection.execute(delete(table).where(condition)).rowcount
        for table, condition in belonging(connection, person).items()
    }


# What tells of others, too


def brought(connection: Connection, person: Person) -> set[str]:
    """The ids of the deliveries that brought a person's events, or led to decisions and updates."""
    found: set[str] = set()
    for table in (events, decisions, outbox):
        query = select(table.c.delivery).where(among(connection, [table.c.subject], person.subjects))
        found |= set(connection.execute(query.where(table.c.delivery.is_not(None)).distinct()).scalars())
    return found


def mentioning(connection: Connection, mentions: Mentions, after: str) -> tuple[set[str], str | None]:
    """Of one page of the deliveries after an id those that speak of a person, and where it ends (None: at the end).

    Bodies are searched where they are kept, and always the key, the error and what came beside the body.
    """
    query = select(deliveries).where(deliveries.c.id > after).order_by(deliveries.c.id).limit(PAGE)
    rows = fetch(connection, query)
    found = {row["id"] for row in rows if mentions(row["connection"], text_of(row))}
    return found, rows[-1]["id"] if len(rows) == PAGE else None


def text_of(row: Row) -> bytes:
    """All that a delivery says, in one piece."""
    beside = orjson.dumps([row["key"], row["error"], row["query"], row["headers"]])
    return beside + b"\n" + bytes(row["body"] or b"")


def deliveries_of(connection: Connection, ids: Collection[str]) -> list[Row]:
    """Deliveries as they are stored."""
    return fetch(connection, select(deliveries).where(among(connection, [deliveries.c.id], ids)))


def count_unread(connection: Connection, ids: Collection[str]) -> int:
    """How many of these deliveries nothing was read out of yet."""
    is_read = select(events.c.id).where(events.c.delivery == deliveries.c.id).exists()
    is_open = deliveries.c.outcome.in_((Outcome.PENDING, Outcome.HELD))
    query = select(func.count()).where(among(connection, [deliveries.c.id], ids), is_open, ~is_read)
    return int(connection.execute(query).scalar_one())


def blank_deliveries(connection: Connection, ids: Collection[str], now: datetime) -> None:
    """Drop what deliveries said; they stay in the account. Of those that wait, only those with held events still do."""
    blank: dict[str, Any] = {"body": None, "headers": {}, "query": [], "error": None}
    waits = select(events.c.id).where(events.c.delivery == deliveries.c.id, events.c.outcome == Outcome.HELD).exists()
    is_open = or_(deliveries.c.outcome == Outcome.PENDING, (deliveries.c.outcome == Outcome.HELD) & ~waits)
    ended = {"outcome": Outcome.IGNORED.value, "finished_at": now}
    for part in chunks(sorted(ids)):
        is_meant = deliveries.c.id.in_(part)
        connection.execute(update(deliveries).where(is_meant).values({**blank, "key": ERASED_KEY + deliveries.c.id}))
        connection.execute(update(deliveries).where(is_meant, is_open).values({**ended, "error": ERASED_UNREAD}))


def audit_lines(connection: Connection, person: Person, mentions: Mentions) -> list[Row]:
    """The lines of the audit that are about a person."""
    found = []
    for row in fetch(connection, select(audit).order_by(audit.c.id)):
        text = orjson.dumps([row["target"], row["detail"]])
        if any(one.encode() in text for one in person.subjects) or mentions("", text):
            found.append(row)
    return found


def blank_audit(connection: Connection, ids: Sequence[str]) -> None:
    """Leave of lines of the audit when what was done, and by whom."""
    for part in chunks(ids):
        connection.execute(update(audit).where(audit.c.id.in_(part)).values(target=ERASED, detail={}))
