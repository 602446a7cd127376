"""The traffic of the benchmarks: lines about many subjects in the system `standard`, one line in each delivery."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from connector.store import deliveries
from connector.store.database import Database, new_id
from connector.store.deliveries import NewDelivery

SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # noqa: S105 - signs nothing but the benchmarks
MAPPING: Final = """
adapter: standard
stages:
  lead: {new: latent, talking: appointment_prospect, meeting: appointment_acquisition, won: order, bad: not_targeted}
owner: {match: email}
push:
  lead:
    fields: {abm_status: "{status.label}", abm_since: "{since.date}"}
"""
ROUNDS: Final[tuple[Mapping[str, str], ...]] = (
    {"type": "action", "action": "site_access"},
    {"type": "action", "action": "email_inflow"},
    {"type": "stage", "object": "lead", "stage": "talking"},
    {"type": "owner", "owner": "kim@example.jp"},
    {"type": "action", "action": "form_submission"},
)
"""What happens to each subject, one a day."""


def bodies(subjects: int, count: int, now: datetime, mark: str = "") -> Iterator[bytes]:
    """`count` bodies of one line, day by day, the subjects of a day in an order of their own; the last day is `now`.

    `mark` tells the lines from those of other calls.
    """
    shuffled = random.Random(subjects)
    days = -(-count // subjects)
    for place in range(days):
        order = list(range(subjects))
        shuffled.shuffle(order)
        for who in order[: count - place * subjects]:
            at = now - timedelta(days=days - 1 - place, seconds=who % 3600)
            yield orjson.dumps({"events": [_line(f"{mark}{place}-{who}", who, at, place)]})


def _line(key: str, who: int, at: datetime, place: int) -> dict[str, Any]:
    subject = {"id": f"L-{who}", "email": f"person{who}@example.jp"}
    return {"id": key, "at": at.isoformat(), "subject": subject, "kind": "lead", **ROUNDS[place % len(ROUNDS)]}


def store(database: Database, connection: str, subjects: int, count: int, now: datetime) -> list[str]:
    """Store deliveries as intake does; their ids in order."""
    rows = [_row(connection, body, place, now) for place, body in enumerate(bodies(subjects, count, now))]
    with database.write() as opened:
        deliveries.store(opened, rows, 0)
    return [row.id for row in rows]


def _row(connection: str, body: bytes, place: int, now: datetime) -> NewDelivery:
    received = now + timedelta(microseconds=place)
    return NewDelivery(
        id=new_id(received),
        connection=connection,
        key=f"msg_{place}",
        received_at=received,
        lane=0,
        next_attempt_at=received,
        method="POST",
        query=[],
        headers={
            "host": "127.0.0.1",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "webhook-id": f"msg_{place}",
            "webhook-timestamp": "1780000000",
            "webhook-signature": "***",
        },
        body=body,
    )
