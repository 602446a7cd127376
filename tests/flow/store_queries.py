"""How a subject stands in the store, in values that can be compared whatever ids and order it came about by."""

from __future__ import annotations

import json
from typing import Any

from connector.runtime.parts import Runtime
from connector.store import outbox, subjects
from connector.store.outbox import ClaimedUpdate, OutboxEntry, UpdateResult
from connector.store.subjects import SubjectRow

DECIDED = ("rule", "before", "after", "reason", "notify", "skipped", "facts")


def subject_of(runtime: Runtime, kind: str, value: str) -> SubjectRow:
    """The subject that an identity finds."""
    with runtime.database.read() as connection:
        found = subjects.find(connection, [(kind, value)], "")
        (subject,) = found
        return subjects.get(connection, subject)


def decisions(runtime: Runtime, subject: str) -> list[dict[str, Any]]:
    """The decisions that stand, in order."""
    with runtime.database.read() as connection:
        rows = subjects.decided(connection, [subject])[subject]
    return [{"at": row.at.isoformat()} | {name: getattr(row, name) for name in DECIDED} for row in rows]


def moves(runtime: Runtime, subject: str) -> list[tuple[str, str]]:
    """Rule and status after it of each decision that stands, in order."""
    return [(one["rule"], one["after"]) for one in decisions(runtime, subject)]


def updates(runtime: Runtime, of: str | None = None) -> dict[str, OutboxEntry]:
    """The outbox's updates by the record's id in its system."""
    with runtime.database.read() as connection:
        rows = [row for row in outbox.listed(connection, name=of, limit=10_000) if row.kind == outbox.UPDATE]
        records = outbox.records_for(connection, {row.record or "" for row in rows})
    return {records[row.record or ""].external_id: row for row in rows}


def count_as_sent(runtime: Runtime) -> None:
    """Every update that waits counts as sent."""
    with runtime.database.write() as connection:
        rows = [row for row in outbox.listed(connection, limit=10_000) if row.kind == outbox.UPDATE]
        tried = [
            ClaimedUpdate(id=row.id, record="", revision=row.revision, attempts=1, failing_since=None, refusals=0)
            for row in rows
        ]
        results = [UpdateResult(update=one, outcome=outbox.DONE, why=None) for one in tried]
        outbox.record_results(connection, results, runtime.clock())


def mails(runtime: Runtime) -> list[tuple[str, str]]:
    """Recipient and rule of each mail that was asked for, sorted."""
    with runtime.database.read() as connection:
        rows = outbox.listed(connection, limit=10_000)
    return sorted(((row.payload or {})["to"], (row.payload or {})["rule"]) for row in rows if row.kind == outbox.NOTICE)


def whole_state(runtime: Runtime, email: str, marks: str) -> dict[str, Any]:
    """All that must be the same, however the deliveries came; `marks` is cut out of every id and address."""
    row = subject_of(runtime, "email", email)
    with runtime.database.read() as connection:
        identities = subjects.identities_of(connection, [row.id])[row.id]
        records = subjects.records_of(connection, [row.id])[row.id]
        asked = outbox.of_records(connection, [record.id for record in records])
    state = {key: value for key, value in (row.state or {}).items() if key != "last_run"}
    found = {
        "state": state,
        "row": [row.kind, row.status, row.owner, row.due, row.since.isoformat()],
        "decisions": decisions(runtime, row.id),
        "identities": identities,
        "records": sorted([one.connection, one.external_id, one.stage] for one in records),
        "updates": sorted(one.external_id for one in records if one.id in asked),
    }
    plain: dict[str, Any] = json.loads(json.dumps(found, sort_keys=True).replace(marks, ""))
    return plain
