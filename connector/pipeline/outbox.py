"""Asks in the outbox for the updates of subjects' records, and for a new record where a system takes new leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from connector.core.updates import follows_subject
from connector.runtime.connections import Connected
from connector.store import outbox
from connector.store import subjects as queries
from connector.store.database import new_id
from connector.store.rows import Row
from connector.store.tables import records


class Moved(NamedTuple):
    """A subject that is to be shown anew, and the delivery that brought this about (None: no delivery did)."""

    subject: str
    delivery: str | None


def ask_updates(
    connection: Connection, moved: Sequence[Moved], connections: Mapping[str, Connected], now: datetime
) -> bool:
    """Ask for an update of every record of the subjects whose connection pushes such records; whether there is any."""
    if not moved:
        return False
    by_subject = queries.records_of(connection, {one.subject for one in moved})
    rows = [
        _row(one, record, now)
        for one in moved
        for record in by_subject[one.subject]
        if _follows(record, connections.get(record["connection"]))
    ]
    outbox.ask(connection, rows)
    return bool(rows)


def ask_new_records(
    connection: Connection, new_leads: Sequence[Moved], connections: Mapping[str, Connected], now: datetime
) -> bool:
    """Ask the connections that take new leads to make a record of each; whether there is any.

    The record's id is the subject's: it is there once, however often the subject is told to be a lead.
    """
    makers = [
        (one.name, name)
        for one in connections.values()
        if one.adapter.takes_updates
        for name, rule in one.rules.push.items()
        if rule.new_leads
    ]
    if not makers or not new_leads:
        return False
    known = queries.records_of(connection, {one.subject for one in new_leads})
    wanted: dict[str, tuple[Moved, Row]] = {}
    for one in new_leads:
        has = {(record["connection"], record["object"]) for record in known[one.subject]}
        for name, record_object in makers:
            if (name, record_object) not in has:
                row = record_row((name, record_object, one.subject), now) | {"subject": one.subject}
                wanted[row["id"]] = (one, row)
    added = queries.add_records(connection, [row for _, row in wanted.values()])
    outbox.ask(connection, [_row(*wanted[of], now) for of in sorted(added)])
    return bool(added)


def record_row(key: tuple[str, str, str], now: datetime) -> dict[str, Any]:
    """A row of `records` that nothing is known of, but for its subject. `key`: connection, object, external id."""
    unknown = dict.fromkeys(column.name for column in records.c)
    known = {"id": new_id(now), "connection": key[0], "object": key[1], "external_id": key[2], "is_gone": False}
    return unknown | known


def _follows(record: Row, connected: Connected | None) -> bool:
    """Whether the record is updated when its subject changes."""
    return (
        connected is not None and connected.adapter.takes_updates and follows_subject(connected.rules, record["object"])
    )


def _row(moved: Moved, record: Row, now: datetime) -> Row:
    return {
        "id": new_id(now),
        "kind": outbox.UPDATE,
        "key": record["id"],
        "connection": record["connection"],
        "record": record["id"],
        "subject": moved.subject,
        "revision": 1,
        "outcome": outbox.WAITING,
        "next_attempt_at": now,
        "payload": None,
        "delivery": moved.delivery,
        "created_at": now,
    }
