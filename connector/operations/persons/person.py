"""Hands out all that is held of a person, and erases it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.errors import WrongSetting
from connector.intake.quarantine import unseal
from connector.operations.persons.mentions import mentions_of
from connector.operations.subjects import find_subject
from connector.runtime.parts import Runtime
from connector.runtime.vault import Vault
from connector.store import batches, quarantine, subjects
from connector.store import connections as audit
from connector.store.persons import holdings
from connector.store.persons.holdings import Mentions, Person
from connector.what_if import runs

MOST_QUARANTINED: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was erased. `rows`: by table. `deliveries`: of which only key-less rows are left; `unread`: not read yet.

    `others`: of these deliveries those that told of others, too. `is_redis_away`: what-ifs that name the person are
    gone after some days only.
    """

    subject: str
    rows: Mapping[str, int]
    deliveries: int
    unread: int
    others: int
    quarantined: int
    audit: int
    is_redis_away: bool


def export(runtime: Runtime, who: str) -> dict[str, Any]:
    """All that is held of a person, by table, as it is stored: secrets are masked in it. Raises `NotFound`."""
    subject = find_subject(runtime, who)
    with runtime.database.read() as connection:
        person, mentions = _person(connection, subject)
        rows = holdings.held(connection, person)
        lines = holdings.audit_lines(connection, person, mentions)
        sealed = _quarantined(connection, runtime.vault, mentions)
    brought = _deliveries(runtime, person, mentions)
    with runtime.database.read() as connection:
        found = holdings.deliveries_of(connection, brought)
    return {
        "subject": subject,
        **rows,
        "deliveries": [{**row, "body": _text(row["body"])} for row in found],
        "quarantine": sealed,
        "audit": lines,
    }


def erase(runtime: Runtime, who: str, *, actor: str) -> Erasure:
    """Erase all that is held of a person; what stands in the external systems is not touched. Raises `NotFound`.

    Deliveries lose their bodies and keys, also where they told of others: the account still adds up. Who comes in again
    is a new subject.
    """
    subject = find_subject(runtime, who)
    with runtime.database.read() as connection:
        person, mentions = _person(connection, subject)
    mentioning = _deliveries(runtime, person, mentions)

    def work(connection: Connection) -> Erasure:
        batches.lock_subjects(connection, {subject})
        person, mentions = _person(connection, subject)
        if subjects.states(connection, [subject])[subject].merged_into is not None:
            message = f"{who!r} was merged into another subject meanwhile; try again"
            raise WrongSetting(message)
        brought = mentioning | holdings.brought(connection, person)
        found = [one["id"] for one in _quarantined(connection, runtime.vault, mentions)]
        lines = [row["id"] for row in holdings.audit_lines(connection, person, mentions)]
        unread = holdings.count_unread(connection, brought)
        rows = holdings.erase(connection, person)
        others = {one for one in brought if subjects.events_from(connection, one)}
        holdings.blank_deliveries(connection, brought, runtime.clock())
        quarantine.release(connection, found)
        holdings.blank_audit(connection, lines)
        detail = {"rows": sum(rows.values()), "deliveries": len(brought)}
        audit.note(
            connection,
            runtime.clock(),
            actor=actor,
            action="subject.erase",
            target=holdings.ERASED,
            detail=detail,
        )
        return Erasure(
            subject=subject,
            rows=rows,
            deliveries=len(brought),
            unread=unread,
            others=len(others),
            quarantined=len(found),
            audit=len(lines),
            is_redis_away=False,
        )

    done = runtime.database.attempt(work)
    runtime.database.flush_log()
    try:
        runs.forget(runtime, lambda row: mentions("", row))
    except runs.NoRedis:
        return replace(done, is_redis_away=True)
    return done


def _person(connection: Connection, subject: str) -> tuple[Person, Mentions]:
    person = holdings.find_person(connection, subject)
    states = subjects.states(connection, person.subjects).values()
    names = [row.state["profile"].get("name") for row in states if row.state]
    return person, mentions_of(person, [name for name in names if isinstance(name, str)])


def _deliveries(runtime: Runtime, person: Person, mentions: Mentions) -> set[str]:
    """The ids of the deliveries that brought something of a person, or speak of it; read page by page."""
    with runtime.database.read() as connection:
        found = holdings.brought(connection, person)
    after: str | None = ""
    while after is not None:
        with runtime.database.read() as connection:
            more, after = holdings.mentioning(connection, mentions, after)
        found |= more
    return found


def _quarantined(connection: Connection, vault: Vault, mentions: Mentions) -> list[dict[str, Any]]:
    """The quarantined deliveries that speak of a person."""
    found = []
    for row in quarantine.listed(connection, limit=MOST_QUARANTINED):
        delivery = unseal(vault, row.sealed) if row.sealed else None
        parts: Iterable[Any] = (delivery.query_string, *delivery.headers.values()) if delivery else ()
        text = "\n".join([row.error, *map(str, parts)]).encode() + b"\n" + (delivery.body if delivery else b"")
        if mentions(row.connection, text):
            body = _text(delivery.body) if delivery else None
            found.append({"id": row.id, "connection": row.connection, "error": row.error, "body": body})
    return found


def _text(body: bytes | None) -> str | None:
    return None if body is None else bytes(body).decode("utf-8", "replace")
